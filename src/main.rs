//! The `clinic-mesh` binary.

fn main() {}
