//! A messenger for small clinics with no server and no cloud.
//!
//! One **node** runs in each office. Nodes find each other on the LAN or through bootstrap
//! addresses, speak inside a Noise channel whose identities the clinic's own authority has
//! certified, and keep messages only in a local encrypted store, for exactly as long as the clinic's
//! policy says.
//!
//! The modules below are layers, bottom to top; a module imports only from the rows its layer is
//! allowed to use. `docs/architecture.md` draws them, and a test reads the sources and holds them.

// The unit tests share the simulator's model of a disk, which names this crate from outside.
#[cfg(test)]
extern crate self as clinic_mesh;

pub mod planted;

pub mod doctor;
pub mod domain;

pub mod channel;
pub mod platform;
pub mod wire;

pub mod authority;
pub mod net;
pub mod store;

pub mod node;

pub mod api;
pub mod cli;
pub mod web;
