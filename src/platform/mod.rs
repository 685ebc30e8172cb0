//! What the machine gives: clock, entropy, files with tight modes.
//!
//! The only layer that asks the operating system for the time or for randomness; everything above
//! takes both as arguments or from here.

pub mod clock;
pub mod entropy;
pub mod files;
pub mod lock;
pub mod network;
pub mod sealed;
pub mod space;
pub mod vault;
pub mod web_key;
