//! The command line: one file a command, a folder a noun.
