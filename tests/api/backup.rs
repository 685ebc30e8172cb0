//! Backups: made of a running node, and restored.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use clinic_mesh::api::problem::Code;
use clinic_mesh::domain::backup::{By, Trouble};
use clinic_mesh::domain::space::Space;
use clinic_mesh::domain::statement::Role;
use clinic_mesh::domain::time::Day;
use clinic_mesh::node::backup::{BackupError, Contents, Plan, Schedule, read, restore};
use clinic_mesh::node::engine::Now;
use clinic_mesh::platform::vault::{BackupKey, VaultError, check_whole};
use zeroize::Zeroizing;

use crate::desk::{Desk, code, now};
use crate::offices::{Clinic, Office, options, unlock};

const CLINICIAN: &[Role] = &[Role::Clinician];

fn key(number: u8) -> BackupKey {
    BackupKey::new(Zeroizing::new([number; 32]))
}

fn today() -> Day {
    now().day()
}

async fn made(desk: &Desk, to: &[BackupKey]) -> Vec<u8> {
    let to = to.iter().map(|key| key.recipient().to_string()).collect();
    let mut pieces = desk.operator().backup(to).await.expect("a backup");
    let mut bytes = Vec::new();
    while let Some(piece) = pieces.next().await {
        bytes.extend(piece.expect("the node goes on"));
    }
    bytes
}

fn contents(bytes: &[u8], today: Day) -> Result<Contents, BackupError> {
    read(bytes, &key(1), today, |_| Ok(())).map(|opened| opened.contents)
}

/// Puts what a backup holds in the place of a directory that is lost.
fn put_back(bytes: &[u8], dir: &Path, today: Day) {
    std::fs::remove_dir_all(dir).expect("the machine is lost");
    restore(bytes, &key(1), today, dir, (&options(), &unlock())).expect("restored");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_machine_comes_back_from_its_backup_with_what_was_said_and_who_signs_in() {
    let mut desk = Desk::open().await;
    let (_, ana) = desk.signed_in("Ana", CLINICIAN).await;
    desk.signed_in("Bo", CLINICIAN).await;
    ana.send("Bo", "Bed 4 is free").await.expect("sent");
    let wrong = ana.send("Bo", "for somebody else").await.expect("sent");
    ana.retract("Bo", &wrong.id, "Wrong person")
        .await
        .expect("hers");
    let bytes = made(&desk, &[key(1), key(2)]).await;
    check_whole(bytes.as_slice()).expect("whole");
    let found = desk.operator().status().await.expect("it runs").device;
    let trail = desk.operator().trail(&found).await.expect("its own");
    let epoch = trail.epochs.last().expect("this run's");
    let records = desk.operator().trail_records(&found, &epoch.epoch, 1).await;
    let records = records.expect("its own").records;
    assert!(records.iter().any(|record| record.deed == "backed_up"));

    let clinic = desk.stop().await;
    put_back(&bytes, &clinic.office_dir("front-desk"), today());
    let desk = Desk::again(clinic).await;
    let bo = desk.operator().with_token(&desk.token("Bo").await);
    let page = bo.messages("Ana", None, 10).await.expect("a page");
    let texts: Vec<_> = page
        .messages
        .iter()
        .map(|one| one.text.as_deref())
        .collect();
    assert_eq!(texts, [Some("Bed 4 is free"), None]);
    bo.send("Ana", "thank you").await.expect("it goes on");
    desk.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_over_by_now_does_not_come_back() {
    let mut desk = Desk::open().await;
    let (_, ana) = desk.signed_in("Ana", CLINICIAN).await;
    desk.signed_in("Bo", CLINICIAN).await;
    ana.send("Bo", "Bed 4 is free").await.expect("sent");
    let bytes = made(&desk, &[key(1)]).await;
    let now = contents(&bytes, today()).expect("as it was made");
    let later = contents(&bytes, today().plus(10_000)).expect("as it was made");
    assert_eq!((now.over, later.entries), (0, now.entries));
    assert!(later.over >= 1 && later.bodies == now.bodies - later.over);

    let clinic = desk.stop().await;
    let dir = clinic.office_dir("front-desk");
    put_back(&bytes, &dir, today().plus(10_000));
    let desk = Desk::again(clinic).await;
    let bo = desk.operator().with_token(&desk.token("Bo").await);
    let page = bo.messages("Ana", None, 10).await.expect("a page");
    assert!(page.messages.iter().all(|message| message.text.is_none()));
    desk.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_its_keys_open_it_and_only_when_it_is_whole() {
    let desk = Desk::open().await;
    let bytes = made(&desk, &[key(1)]).await;
    let other = read(bytes.as_slice(), &key(3), today(), |_| Ok(()));
    assert!(matches!(
        other,
        Err(BackupError::Vault(VaultError::OtherKey))
    ));
    assert!(contents(&bytes[..bytes.len() - 1], today()).is_err());
    assert!(check_whole(&bytes[..bytes.len() - 1]).is_err());
    let dir = tempfile::tempdir().expect("a scratch directory");
    let dir = dir.path().join("node");
    let cut = &bytes[..bytes.len() / 2];
    let how = (&options(), &unlock());
    restore(cut, &key(1), today(), &dir, how).expect_err("cut off");
    let left = dir.with_extension("restoring");
    assert!(!dir.exists() && !left.exists());
    // The power went while it was restored: the same command again begins anew.
    std::fs::create_dir(&left).expect("room");
    std::fs::write(left.join("store.redb"), b"half").expect("room");
    restore(bytes.as_slice(), &key(1), today(), &dir, how).expect("restored");
    assert!(dir.exists() && !left.exists());

    let nobody = vec!["nobody".to_owned()];
    let refused = desk.operator().backup(nobody).await.map(drop);
    assert_eq!(code(refused), Code::Refused);
    desk.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_by_schedule_is_made_checked_and_said_and_so_is_one_that_fails() {
    let desk = Desk::open().await;
    let folder = tempfile::tempdir().expect("a scratch directory");
    let inside = folder.path().join("backups");
    std::fs::create_dir(&inside).expect("made");
    let to = [key(1).recipient().to_string()];
    let plan = Plan {
        folder: &inside,
        to: &to,
        every_hours: 1,
        keep: 1,
    };
    let schedule = Schedule::new(plan, Path::new("/nowhere")).expect("a schedule");
    let running = &desk.office.running;
    let backups = running.backups.clone().scheduled(Some(schedule));
    let hours = Arc::new(AtomicU64::new(0));
    let later = hours.clone();
    let timepiece = Arc::new(move || Now {
        wall: now().plus(Duration::from_secs(3600 * later.load(Relaxed))),
        mono: Duration::ZERO,
    });
    let keep = || {
        backups
            .keep(&running.handle, timepiece.clone())
            .expect("one")
    };
    let names = || {
        let found = std::fs::read_dir(&inside).expect("there");
        let names = found.map(|entry| entry.expect("readable").path());
        names.collect::<Vec<_>>()
    };

    // Its first backup, and the next one in its place.
    let keeping = keep();
    let first = until(|| backups.history().last).await;
    assert_eq!(first.by, By::Schedule);
    let bytes = std::fs::read(&names()[0]).expect("whole");
    assert_eq!((names().len(), bytes.len() as u64), (1, first.bytes));
    contents(&bytes, today()).expect("as the node said");
    drop(keeping);
    hours.store(2, Relaxed);
    let keeping = keep();
    until(|| backups.history().last.filter(|last| last.at > first.at)).await;
    until(|| (names().len() == 1).then_some(())).await;
    drop(keeping);

    // The disk is gone.
    hours.store(4, Relaxed);
    std::fs::rename(&inside, folder.path().join("elsewhere")).expect("moved");
    let keeping = keep();
    let failed = until(|| backups.history().failed).await;
    assert_eq!(failed.why, Trouble::NoFolder);
    drop(keeping);
    let status = desk.operator().status().await.expect("it runs");
    let shown = status.backup.expect("shown").failed.expect("it failed");
    assert!(shown.why.contains("not there"), "{shown:?}");
    assert!(
        status
            .warnings
            .iter()
            .any(|warning| warning.kind == "backup")
    );
    assert_eq!(outcomes(&desk).await, ["done", "done", "refused"]);

    // And a node that starts anew remembers it.
    let clinic = desk.stop().await;
    let desk = Desk::again(clinic).await;
    let status = desk.operator().status().await.expect("it runs");
    let shown = status.backup.expect("shown");
    assert!(shown.last.is_some() && shown.failed.is_some());
    desk.stop().await;
}

/// What this run's trail says of backups.
async fn outcomes(desk: &Desk) -> Vec<String> {
    let operator = desk.operator();
    let device = operator.status().await.expect("it runs").device;
    let trail = operator.trail(&device).await.expect("its own");
    let epoch = trail.epochs.last().expect("this run's");
    let records = operator.trail_records(&device, &epoch.epoch, 1).await;
    let records = records.expect("its own").records.into_iter();
    let deeds = records.filter(|record| record.deed == "backed_up");
    deeds.map(|record| record.outcome).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_backup_that_was_begun_and_failed_is_said_not_to_have_been_made() {
    let desk = Desk::open().await;
    let folder = tempfile::tempdir().expect("a scratch directory");
    let to = [key(1).recipient().to_string()];
    let plan = Plan {
        folder: folder.path(),
        to: &to,
        every_hours: 1,
        keep: 1,
    };
    let schedule = Schedule::new(plan, Path::new("/nowhere")).expect("a schedule");
    let running = &desk.office.running;
    // The machine's settings cannot be read, which shows when the backup is being written.
    let backups = running.backups.clone();
    let backups = backups.with_settings(folder.path().to_owned());
    let backups = backups.scheduled(Some(schedule));
    let mut before = None;
    for hours in [0, 4] {
        let timepiece = Arc::new(move || Now {
            wall: now().plus(Duration::from_secs(3600 * hours)),
            mono: Duration::ZERO,
        });
        let _keeping = backups.keep(&running.handle, timepiece).expect("one");
        let failed = until(|| backups.history().failed.filter(|f| Some(f.at) > before)).await;
        assert_eq!(failed.why, Trouble::Source);
        before = Some(failed.at);
    }
    // The second time it is no news, but it was begun.
    let told = outcomes(&desk).await;
    assert_eq!(told, ["done", "refused", "done", "refused"]);
    desk.stop().await;
}

async fn until<T>(mut look: impl FnMut() -> Option<T>) -> T {
    for _ in 0..6000 {
        if let Some(found) = look() {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it did not come to that within a minute");
}

fn backup(office: &Office) -> Vec<u8> {
    let mut bytes = Vec::new();
    let recipients = [key(1).recipient()];
    let made = office.running.backups.write(&recipients, now(), &mut bytes);
    made.expect("made");
    bytes
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restored_office_gets_what_it_wrote_since_and_nobody_sees_a_fork() {
    let mut clinic = Clinic::found();
    let ana = clinic.add_staff("Ana", "front-desk");
    let ben = clinic.add_staff("Ben", "ward-2");
    clinic.enrol("front-desk");
    clinic.enrol("ward-2");
    let desk = clinic.start("front-desk", &[]);
    clinic.publish(&desk).await;
    let ward = clinic.start("ward-2", &[desk.address().await]);
    let space = Space::direct(ana, ben).expect("two people");
    desk.post(ana, space, "before").await;
    let bytes = backup(&desk);
    desk.post(ana, space, "after").await;
    shown(&ward, ben, space, &["before", "after"]).await;
    desk.stop().await;

    put_back(&bytes, &clinic.office_dir("front-desk"), today());
    let desk = clinic.start("front-desk", &[ward.address().await]);
    shown(&desk, ana, space, &["before", "after"]).await;
    desk.post(ana, space, "again").await;
    shown(&ward, ben, space, &["before", "after", "again"]).await;
    for office in [&desk, &ward] {
        assert_eq!(office.status().await.forks, []);
    }
    desk.stop().await;
    ward.stop().await;
}

async fn shown(
    office: &Office,
    staff: clinic_mesh::domain::id::StaffId,
    space: Space,
    texts: &[&str],
) {
    for _ in 0..2000 {
        if office.texts(staff, space).await == texts {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert_eq!(office.texts(staff, space).await, texts);
}
