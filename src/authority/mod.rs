//! The clinic's certificate authority: create, certify, revoke, sign statements. Works offline.
