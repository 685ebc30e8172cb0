use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;

use super::*;

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).expect("it was just made").mode() & 0o7777
}

fn expose(path: &Path, mode: u32) {
    std::fs::set_permissions(path, Permissions::from_mode(mode)).expect("it is ours");
}

#[test]
fn what_is_made_is_readable_by_us_alone() {
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let dir = scratch.path().join("store");
    create_dir(&dir).expect("made");
    let file = dir.join("a");
    create(&file).expect("made");
    replace(&dir.join("b"), b"x").expect("made");
    assert_eq!(mode(&dir), 0o700);
    assert_eq!(mode(&file), 0o600);
    assert_eq!(mode(&dir.join("b")), 0o600);
}

#[test]
fn what_others_can_read_is_refused_with_the_command_that_helps() {
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let file = scratch.path().join("a");
    create(&file).expect("made");
    expose(&file, 0o640);
    let refusal = open(&file).expect_err("the group can read it").to_string();
    assert!(
        refusal.contains("has mode 640") && refusal.contains("chmod 600"),
        "{refusal}"
    );
    assert!(matches!(read(&file, 9), Err(FileError::Exposed { .. })));
    expose(scratch.path(), 0o755);
    assert!(matches!(
        ensure_dir(scratch.path()),
        Err(FileError::Exposed { .. })
    ));
}

#[test]
fn a_link_is_not_followed() {
    let scratch = tempfile::tempdir().expect("a scratch directory");
    create(&scratch.path().join("a")).expect("made");
    let link = scratch.path().join("link");
    std::os::unix::fs::symlink(scratch.path().join("a"), &link).expect("linked");
    assert!(open(&link).is_err());
}

#[test]
fn a_replaced_file_holds_what_was_written_last_and_the_old_bytes_are_overwritten() {
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let path = scratch.path().join("keys");
    replace(&path, b"first secret").expect("written");
    let mut old = File::open(&path).expect("there");
    replace_and_scrub(&path, b"second").expect("written");
    assert_eq!(read(&path, 64).expect("there"), b"second");
    let mut left = Vec::new();
    old.read_to_end(&mut left).expect("still open");
    assert_eq!(left, vec![0; 12]);
    assert!(!scratch.path().join("keys.new").exists());
}

#[test]
fn a_file_over_its_limit_is_not_read() {
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let path = scratch.path().join("a");
    replace(&path, &[1; 65]).expect("written");
    assert!(matches!(
        read(&path, 64),
        Err(FileError::TooLong { limit: 64, .. })
    ));
    assert!(matches!(create(&path), Err(FileError::Exists { .. })));
    assert!(matches!(
        open(&scratch.path().join("none")),
        Err(FileError::Missing { .. })
    ));
}

#[test]
fn a_file_for_a_stick_is_written_once_and_read_whatever_its_mode() {
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let path = scratch.path().join("ward.request");
    write_shared(&path, b"public").expect("written");
    expose(&path, 0o755);
    assert_eq!(read_shared(&path, 6).expect("there"), b"public");
    assert!(matches!(
        read_shared(&path, 5),
        Err(FileError::TooLong { limit: 5, .. })
    ));
    assert!(matches!(
        write_shared(&path, b"other"),
        Err(FileError::Exists { .. })
    ));
}

#[test]
fn a_directory_takes_its_name_only_where_nothing_is_lost() {
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let (from, to) = (scratch.path().join("from"), scratch.path().join("to"));
    create_dir(&from).expect("made");
    create_dir(&to).expect("made");
    replace(&from.join("a"), b"x").expect("written");
    move_dir(&from, &to).expect("the place is empty");
    assert!(to.join("a").exists() && !from.exists());
    create_dir(&from).expect("made");
    assert!(move_dir(&from, &to).is_err());
}

#[test]
fn a_disk_that_is_full_leaves_no_half_file_and_names_the_path() {
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let path = scratch.path().join("front.trail");
    let full = fill(&path, create(&path).expect("made"), |file| {
        file.write_all(b"half of it")?;
        Err(io::ErrorKind::StorageFull.into())
    });
    let said = full.expect_err("no room").to_string();
    assert!(said.contains("front.trail"), "{said}");
    assert!(said.contains("; make room"), "{said}");
    assert!(!path.exists(), "half a file was left");
    write_new(&path, b"all of it").expect("there is room");
    assert_eq!(std::fs::read(&path).expect("there"), b"all of it");
    assert!(matches!(
        write_new(&path, b"x"),
        Err(FileError::Exists { .. })
    ));
}

#[test]
fn where_no_mode_is_kept_nobody_is_told_to_change_it() {
    let path = Path::new("/media/stick/safe.key");
    for magic in MODELESS {
        let said = exposed(path, 0o100_755, FILE_MODE, magic).to_string();
        assert!(said.contains("keeps no modes"), "{said}");
        assert!(!said.contains("chmod"), "{said}");
    }
    let ext4 = exposed(path, 0o100_755, FILE_MODE, 0xef53).to_string();
    assert!(
        ext4.contains("run `chmod 600 /media/stick/safe.key`"),
        "{ext4}"
    );
}

#[test]
fn a_secret_on_a_stick_is_read_with_its_mode_where_the_stick_keeps_one() {
    let dir = tempfile::tempdir().expect("a scratch directory");
    let path = dir.path().join("safe.key");
    replace(&path, b"digits").expect("room");
    assert_eq!(read_carried(&path, 9).expect("ours alone"), b"digits");
    expose(&path, 0o644);
    assert!(matches!(
        read_carried(&path, 9),
        Err(FileError::Exposed { .. })
    ));
}
