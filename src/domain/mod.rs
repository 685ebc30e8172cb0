//! The clinic's rules as pure types and functions: no I/O, no clock, no randomness, no `async`.
