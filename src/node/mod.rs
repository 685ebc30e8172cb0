//! The engine (pure) and the runner that performs its effects.

pub mod engine;
