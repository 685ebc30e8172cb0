//! The clinic's rules as pure types and functions: no I/O, no clock, no randomness, no `async`.
//!
//! Everything that must be the same on every node is decided here: what an id is, which bytes a
//! signature covers, what the clinic record means, who may hold what, and until when.

pub mod attest;
pub mod audit;
pub mod backup;
pub mod cert;
pub mod codec;
pub mod condition;
pub mod contact;
pub mod copy;
pub mod delivery;
pub mod enforcement;
pub mod enrol;
pub mod factor;
pub mod file;
pub mod group;
pub mod health;
pub mod id;
pub mod invitation;
pub mod log;
pub mod mesh_keys;
pub mod message;
pub mod name;
pub mod parts;
pub mod passkey;
pub mod password;
pub mod policy;
pub mod purge;
pub mod record;
pub mod renewal;
pub mod retraction;
pub mod rotation;
pub mod sighting;
pub mod sign;
pub mod space;
pub mod statement;
#[cfg(test)]
pub(crate) mod testing;
pub mod throttle;
pub mod time;
pub mod trail;
pub mod trust;
#[cfg(test)]
mod vectors;
pub mod web;
pub mod words;
