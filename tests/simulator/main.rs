//! A clinic in one thread: real engines, virtual time, a seeded world that does its worst.
//!
//! `cargo test --release --test simulator` runs the gate's seeds; `-- --help` says what else.

mod acts;
mod attacks;
mod checks;
mod choice;
mod clinic;
mod disk;
mod keys;
mod model;
mod net;
mod options;
mod plan;
#[cfg(feature = "planted")]
mod planted;
mod quiet;
mod reach;
mod readings;
mod report;
mod roots;
mod rules;
mod run;
mod taking_back;
mod told;
mod weather;
mod world;

fn main() -> std::process::ExitCode {
    match options::Options::read(std::env::args().skip(1)) {
        Ok(options) => report::perform(&options),
        Err(usage) => {
            report::say(&usage);
            std::process::ExitCode::from(2)
        }
    }
}
