//! The encrypted store: tables, sealing at rest, the keyring, the writer thread, purge.

mod disk;
mod keyring;
#[cfg(test)]
mod model;
mod pages;
mod seal;
mod slots;
