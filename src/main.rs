//! The `clinic-mesh` binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    clinic_mesh::cli::run()
}
