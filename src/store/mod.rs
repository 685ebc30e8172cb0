//! The encrypted store: tables, sealing at rest, the keyring, the writer thread, purge.
