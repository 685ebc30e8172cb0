//! Frames between nodes: versioned, bounded encode and decode.
