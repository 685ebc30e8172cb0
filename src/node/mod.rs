//! The engine (pure) and the runner that performs its effects.

pub mod engine;
mod handle;

pub use handle::{Handle, NodeStopped};
