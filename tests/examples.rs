//! Runs the programs in `examples/`: what a reader copies has to work.

#[allow(dead_code, reason = "its main reads the arguments of a process")]
#[path = "../examples/trail_check.rs"]
mod trail_check;

use std::path::Path;

use clinic_mesh::domain::trail::TrailFile;

/// The trail that is frozen beside its format.
const TRAIL: &[u8] = include_bytes!("vectors/trail/front.trail");

/// What `trail_check` answers and prints for files with these bytes.
fn check_trail(clinic: &str, files: &[&[u8]]) -> Result<(bool, String), String> {
    let dir = tempfile::tempdir().expect("a scratch directory");
    let mut args = vec![clinic.to_owned()];
    for (number, bytes) in files.iter().enumerate() {
        let path = dir.path().join(format!("{number}.trail"));
        std::fs::write(&path, bytes).expect("written");
        args.push(path_text(&path));
    }
    let mut printed = Vec::new();
    let whole = trail_check::run(&args, &mut printed).map_err(|failure| failure.to_string())?;
    Ok((whole, String::from_utf8(printed).expect("text")))
}

fn path_text(path: &Path) -> String {
    path.to_str().expect("a plain path").to_owned()
}

#[test]
fn an_exported_trail_is_checked_without_a_node() {
    let trail = TrailFile::from_file(TRAIL).expect("the frozen file");
    let clinic = trail.clinic.to_string();
    let (whole, printed) = check_trail(&clinic, &[TRAIL]).expect("it can be checked");
    assert!(whole && printed.ends_with("whole\n"), "{printed}");
    assert!(printed.contains(&trail.device.to_string()), "{printed}");

    let mut cut = trail.clone();
    cut.segments.remove(1);
    let (whole, printed) = check_trail(&clinic, &[&cut.to_file()]).expect("it can be checked");
    assert!(!whole && printed.contains("removed"), "{printed}");

    let mut shorter = trail;
    shorter.segments.pop();
    let (whole, printed) =
        check_trail(&clinic, &[&shorter.to_file(), TRAIL]).expect("it can be checked");
    assert!(!whole, "the other copy has more: {printed}");
}

#[test]
fn a_trail_that_says_nothing_of_this_clinic_is_refused() {
    let stranger = "5".repeat(64);
    let refused = |clinic: &str, files: &[&[u8]]| check_trail(clinic, files).expect_err("refused");
    assert!(refused(&stranger, &[TRAIL]).contains("another clinic"));
    assert!(refused(&stranger, &[b"a letter"]).contains("check which file"));
    assert!(refused("mine", &[TRAIL]).contains("64 hex digits"));
    assert!(refused(&stranger, &[]).contains("usage"));
}
