//! The Noise handshake and the encrypted stream.
