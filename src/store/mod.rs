//! The encrypted store: tables, sealing at rest, the keyring, the writer thread, purge.

mod disk;
#[cfg(test)]
mod model;
mod pages;
mod seal;
