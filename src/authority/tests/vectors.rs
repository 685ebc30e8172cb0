//! Frozen files of format version 1. A later program must still read them.

use super::*;
use crate::domain::enrol::SealedAnswer;
use crate::platform::files;
use crate::platform::sealed::open_answer;

/// Where the frozen files are.
fn frozen(file: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/authority");
    std::fs::read(path.join(file)).expect("frozen files are part of the source")
}

const DIRECTORY: [&str; 4] = ["root.key", "admin-ana.key", "mesh-ana.keys", "record"];

/// The same clinic and machine in every run.
fn files_of_today() -> Vec<(&'static str, Vec<u8>)> {
    let bench = Bench::new();
    let machine = Machine::new(7);
    let mut admin = bench.admin();
    enrol(&mut admin, &machine);
    let answer = admin.answer_file(machine.device(), NOW).expect("enrolled");
    let read = |file| std::fs::read(bench.path().join(file)).expect("there");
    let mut files: Vec<_> = DIRECTORY.map(|file| (file, read(file))).into();
    files.push(("machine.request", machine.request().to_file()));
    files.push(("machine.answer", answer));
    files
}

#[test]
fn every_file_is_written_as_it_was_when_its_format_was_frozen() {
    for (file, bytes) in files_of_today() {
        assert!(bytes == frozen(file), "{file} is not what it was");
    }
}

#[test]
fn a_frozen_directory_opens_and_its_keys_are_the_ones_of_its_record() {
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let path = scratch.path().join("ca");
    files::create_dir(&path).expect("made");
    for file in DIRECTORY {
        files::replace(&path.join(file), &frozen(file)).expect("written");
    }
    let rng = || Repeatable("vectors", 0);
    let root = Authority::open_root(&path, &root_words(), rng()).expect("opened");
    assert_eq!(root.clinic().name, Some(name("Harbour Clinic")));
    drop(root);
    let admin = Authority::open_admin(&path, &name("ana"), &admin_words(), rng()).expect("opened");
    assert_eq!(admin.mesh_keys().len(), 1);
    assert!(admin.clinic().is_member(&Machine::new(7).device()));
}

#[test]
fn a_frozen_request_and_answer_are_read_and_sound() {
    let machine = Machine::new(7);
    let request = SignedRequest::from_file(&frozen("machine.request")).expect("a request");
    let opened = request
        .open(&ClinicId::new([1; 32]))
        .expect("for any clinic");
    assert_eq!(opened, machine.wish());
    let sealed = SealedAnswer::from_file(&frozen("machine.answer")).expect("an answer");
    let answer = open_answer(&sealed, machine.device(), &machine.noise_secret).expect("opened");
    answer.check(&machine.promise(), NOW).expect("sound");
}

/// The library that makes certificates draws its own randomness, so the file is frozen for reading only.
#[test]
fn a_frozen_web_ca_opens_and_certifies() {
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let path = scratch.path().join("ca");
    files::create_dir(&path).expect("made");
    for file in DIRECTORY.into_iter().chain(["web-ana.ca"]) {
        files::replace(&path.join(file), &frozen(file)).expect("written");
    }
    let rng = Repeatable("vectors", 0);
    let mut admin =
        Authority::open_admin(&path, &name("ana"), &admin_words(), rng).expect("opened");
    let key = crate::platform::web_key::WebKey::of_device(&[7; 32]).public();
    let device = Machine::new(7).device();
    admin.certify_web(device, key, NOW).expect("certified");
    let web = admin.clinic().devices[&device]
        .web
        .clone()
        .expect("certified");
    assert!(web.names[0].ends_with(".harbour-clinic.internal"));
}

#[test]
#[ignore = "writes the frozen files anew: only when a format's version changes"]
fn freeze() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/authority");
    std::fs::create_dir_all(&path).expect("made");
    let web_ca = path.join("web-ana.ca");
    if !web_ca.exists() {
        std::fs::copy(Bench::new().path().join("web-ana.ca"), web_ca).expect("written");
    }
    for (file, bytes) in files_of_today() {
        std::fs::write(path.join(file), bytes).expect("written");
    }
}
