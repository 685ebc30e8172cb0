use std::os::unix::fs::PermissionsExt as _;

use super::*;
use crate::domain::policy::Policy;

fn mode(path: &Path) -> u32 {
    let meta = std::fs::metadata(path).expect("it was just made");
    meta.permissions().mode() & 0o7777
}

#[test]
fn a_founded_clinic_has_a_name_an_admin_with_every_scope_a_policy_and_a_mesh_key() {
    let bench = Bench::new();
    let admin = bench.admin();
    let clinic = admin.clinic();
    assert_eq!(clinic.name, Some(name("Harbour Clinic")));
    assert_eq!(clinic.policy, Policy::initial());
    assert!(clinic.void.is_empty());
    let first = &clinic.admins[&bench.founded.admin];
    assert_eq!(first.grant.scopes, Scopes::of(Scopes::ALL));
    assert_eq!(first.grant.not_after, NOW.plus(FOUNDING_GRANT_LIFE));
    let keys = admin.mesh_keys();
    assert_eq!(keys.len(), 1);
    assert!(clinic.mesh_keys.matches(&clinic.id, 1, &keys[0].key));
}

#[test]
fn nobody_else_can_read_anything_in_the_directory() {
    let bench = Bench::new();
    drop(bench.admin());
    assert_eq!(mode(&bench.path()), 0o700);
    let mut names = Vec::new();
    for entry in std::fs::read_dir(bench.path()).expect("there") {
        let entry = entry.expect("there");
        assert_eq!(mode(&entry.path()), 0o600, "{:?}", entry.file_name());
        names.push(entry.file_name().into_string().expect("ascii"));
    }
    names.sort();
    let expected = [
        "admin-ana.key",
        "lock",
        "mesh-ana.keys",
        "record",
        "root.key",
        "web-ana.ca",
    ];
    assert_eq!(names, expected);
}

#[test]
fn what_the_power_left_of_a_founding_is_in_nobodys_way() {
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let path = scratch.path().join("ca");
    let left = scratch.path().join("ca.unfinished");
    std::fs::create_dir(&left).expect("room");
    std::fs::write(left.join("root.key"), b"half").expect("room");
    let rng = Repeatable("founding", 0);
    found(&path, &founding(), NOW, rng).expect("founded");
    assert!(path.join("root.key").exists() && !left.exists());
}

#[test]
fn an_exposed_key_file_or_directory_is_refused() {
    let bench = Bench::new();
    let open = || Authority::open_root(&bench.path(), &root_words(), bench.rng());
    let expose = |path: &Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("ours");
    };
    expose(&bench.path().join("root.key"), 0o644);
    let refused = open().expect_err("others can read it");
    assert!(matches!(
        refused,
        AuthorityError::File(FileError::Exposed { .. })
    ));
    expose(&bench.path().join("root.key"), 0o600);
    expose(&bench.path(), 0o755);
    let refused = open().expect_err("others can enter it");
    assert!(matches!(
        refused,
        AuthorityError::File(FileError::Exposed { .. })
    ));
}

#[test]
fn a_clinic_is_not_founded_over_anything() {
    let bench = Bench::new();
    let again = found(&bench.path(), &founding(), NOW, bench.rng());
    assert!(matches!(again, Err(AuthorityError::NotEmpty { .. })));
    drop(bench.root());
}

#[test]
fn a_founding_that_fails_leaves_nothing_behind() {
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let path = scratch.path().join("ca");
    let mut impossible = founding();
    impossible.cost.memory_kib = u32::MAX;
    let failed = found(&path, &impossible, NOW, Repeatable("founding", 0));
    assert!(matches!(
        failed,
        Err(AuthorityError::KeyFile {
            source: KeyFileError::Cost,
            ..
        })
    ));
    assert_eq!(std::fs::read_dir(scratch.path()).expect("there").count(), 0);
}

#[test]
fn two_commands_never_work_in_one_directory() {
    let bench = Bench::new();
    let _open = bench.admin();
    let second = Authority::open_root(&bench.path(), &root_words(), bench.rng());
    assert!(matches!(
        second,
        Err(AuthorityError::Lock(LockError::Held { .. }))
    ));
}

#[test]
fn a_key_that_waits_lets_others_work_and_then_signs_behind_them() {
    let bench = Bench::new();
    let mut waiting = bench.admin();
    waiting.let_go();
    let mut other = bench.admin();
    let refused = waiting.rotate_mesh_key(NOW);
    assert!(matches!(refused, Err(AuthorityError::LetGo)), "{refused:?}");
    let held = waiting.hold_again();
    assert!(matches!(
        held,
        Err(AuthorityError::Lock(LockError::Held { .. }))
    ));
    let rotated = other.rotate_mesh_key(NOW).expect("signed");
    let other_keys = other.mesh_keys();
    drop(other);
    let refused = waiting.rotate_mesh_key(NOW);
    assert!(matches!(refused, Err(AuthorityError::LetGo)), "{refused:?}");

    waiting.hold_again().expect("free");
    assert_eq!(waiting.mesh_keys().len(), other_keys.len());
    let next = waiting.rotate_mesh_key(NOW).expect("signed");
    assert_eq!(next.segment.first, rotated.segment.last() + 1);
    assert_eq!(next.made.epoch, rotated.made.epoch + 1);
    waiting.hold_again().expect("it is held");
    drop(waiting);

    // An older copy of the directory that was put back meanwhile makes no fork either.
    let old = bench.copied("old");
    let mut waiting = bench.admin();
    let last = waiting.rotate_mesh_key(NOW).expect("signed").segment.last();
    waiting.let_go();
    std::fs::copy(old.join("record"), bench.path().join("record")).expect("put back");
    waiting.hold_again().expect("free");
    let next = waiting.rotate_mesh_key(NOW).expect("signed");
    assert_eq!(next.segment.first, last + 1);
}

#[test]
fn a_wrong_passphrase_opens_nothing() {
    let bench = Bench::new();
    let refused = Authority::open_root(&bench.path(), &admin_words(), bench.rng());
    assert!(matches!(
        refused,
        Err(AuthorityError::KeyFile {
            source: KeyFileError::WrongPassphrase,
            ..
        })
    ));
}

#[test]
fn the_admins_in_a_directory_are_listed_without_a_passphrase() {
    let bench = Bench::new();
    let listed = admins(&bench.path()).expect("listed");
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].name, name("ana"));
    assert_eq!(listed[0].admin, bench.founded.admin);
    assert_eq!(listed[0].clinic, bench.founded.clinic);
}

#[test]
fn a_key_file_in_anothers_place_is_refused() {
    let bench = Bench::new();
    let (root, admin) = (
        bench.path().join("root.key"),
        bench.path().join("admin-ana.key"),
    );
    std::fs::copy(&admin, &root).expect("copied");
    let refused = Authority::open_root(&bench.path(), &admin_words(), bench.rng());
    assert!(matches!(refused, Err(AuthorityError::OtherHolder { .. })));
}

#[test]
fn mesh_keys_of_another_admin_or_changed_ones_do_not_open() {
    let bench = Bench::new();
    let path = bench.path().join("mesh-ana.keys");
    let bytes = std::fs::read(&path).expect("there");
    for at in [30, 70, bytes.len() - 40, bytes.len() - 1] {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        crate::platform::files::replace(&path, &changed).expect("written");
        let refused =
            Authority::open_admin(&bench.path(), &name("ana"), &admin_words(), bench.rng());
        assert!(
            matches!(refused, Err(AuthorityError::MeshKeys { .. })),
            "byte {at}"
        );
    }
}

#[test]
fn a_damaged_record_is_refused_and_never_read_half() {
    let bench = Bench::new();
    let path = bench.path().join("record");
    let bytes = std::fs::read(&path).expect("there");
    for at in (0..bytes.len()).step_by(29) {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        crate::platform::files::replace(&path, &changed).expect("written");
        let opened = Authority::open_root(&bench.path(), &root_words(), bench.rng());
        assert!(opened.is_err(), "byte {at}");
    }
}

#[test]
fn a_recovered_root_key_is_the_same_key_under_another_passphrase() {
    let bench = Bench::new();
    let id = bench.root().id();
    std::fs::remove_file(bench.path().join("root.key")).expect("lost");
    let page = bench.founded.recovery_page.clone();
    let letters: Vec<&str> = page.lines().filter(|line| line.contains(":  ")).collect();
    let letters: String = letters[letters.len() - 4..].join("\n");
    let words = Passphrase::chosen("another set of words").expect("long enough");
    let clinic =
        recover(&bench.path(), &letters, None, &words, CHEAP, bench.rng()).expect("recovered");
    assert_eq!(clinic, bench.founded.clinic);
    let root = Authority::open_root(&bench.path(), &words, bench.rng()).expect("opened");
    assert_eq!(root.id(), id);
    drop(root);
    let again = recover(&bench.path(), &letters, None, &words, CHEAP, bench.rng());
    assert!(matches!(
        again,
        Err(AuthorityError::File(FileError::Exists { .. }))
    ));
}

#[test]
fn a_page_of_another_clinic_is_refused_where_this_one_is_known() {
    let bench = Bench::new();
    std::fs::remove_file(bench.path().join("root.key")).expect("lost");
    let letters = recovery::lines(&SigningKey::from_seed(&[3; 32]));
    let refused = recover(
        &bench.path(),
        &letters,
        None,
        &root_words(),
        CHEAP,
        bench.rng(),
    );
    assert!(matches!(
        refused,
        Err(AuthorityError::Recovery(RecoveryError::OtherClinic { .. }))
    ));
}

#[test]
fn a_root_key_recovered_alone_signs_nothing_before_it_has_the_record() {
    let bench = Bench::new();
    let alone = bench.scratch.path().join("alone");
    crate::platform::files::create_dir(&alone).expect("made");
    std::fs::copy(bench.path().join("root.key"), alone.join("root.key")).expect("copied");
    let mut root = Authority::open_root(&alone, &root_words(), bench.rng()).expect("opened");
    let admin = bench.founded.admin;
    let refused = root.end_admin(admin, Some(1), NOW);
    assert!(matches!(refused, Err(AuthorityError::NoRecord)));
    let known: Vec<Segment> = bench.admin().record().segments().cloned().collect();
    root.merge(known).expect("sound");
    root.end_admin(admin, Some(1), NOW).expect("signed");
}

#[test]
fn the_record_of_another_clinic_is_refused() {
    let bench = Bench::new();
    let other = bench.scratch.path().join("other");
    found(&other, &founding(), NOW, Repeatable("another founding", 0)).expect("founded");
    let bytes = std::fs::read(other.join("record")).expect("there");
    crate::platform::files::replace(&bench.path().join("record"), &bytes).expect("written");
    let refused = Authority::open_root(&bench.path(), &root_words(), bench.rng());
    assert!(matches!(refused, Err(AuthorityError::OtherClinic { .. })));
    let letters = recovery::lines(&bench.key("root.key", &root_words()));
    std::fs::remove_file(bench.path().join("root.key")).expect("lost");
    std::fs::remove_file(bench.path().join("admin-ana.key")).expect("lost");
    let refused = recover(
        &bench.path(),
        &letters,
        None,
        &root_words(),
        CHEAP,
        bench.rng(),
    );
    assert!(matches!(
        refused,
        Err(AuthorityError::Recovery(RecoveryError::OtherClinic { .. }))
    ));
    assert!(!bench.path().join("root.key").exists());
}

#[test]
fn admins_of_whatever_name_have_their_own_files_inside_the_directory() {
    let bench = Bench::new();
    let names = [
        "../Eve",
        "eve",
        "Eve",
        "\u{770b}\u{8b77}\u{5e2b}",
        "\u{770b}\u{8b77}",
    ];
    for who in names {
        let key = create_admin_key(
            &bench.path(),
            bench.founded.clinic,
            name(who),
            &admin_words(),
            CHEAP,
            bench.rng(),
        );
        key.expect("made");
    }
    assert_eq!(
        admins(&bench.path()).expect("listed").len(),
        1 + names.len()
    );
    let again = create_admin_key(
        &bench.path(),
        bench.founded.clinic,
        name("eve"),
        &admin_words(),
        CHEAP,
        bench.rng(),
    );
    assert!(matches!(
        again,
        Err(AuthorityError::File(FileError::Exists { .. }))
    ));
}

#[test]
fn the_root_holds_no_mesh_keys() {
    let bench = Bench::new();
    let shared = bench.admin().mesh_keys().remove(0);
    let mut root = bench.root();
    assert!(root.mesh_keys().is_empty());
    let refused = root.learn_mesh_key(shared, NOW);
    assert!(matches!(refused, Err(AuthorityError::NotAnAdmin)));
}
