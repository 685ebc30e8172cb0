//! What the machine gives: clock, entropy, files with tight modes.
