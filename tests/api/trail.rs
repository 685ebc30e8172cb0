//! Audit trails of real nodes, exported, tampered with, put back.

use std::path::Path;

use clinic_mesh::api::blob;
use clinic_mesh::domain::id::{ClinicId, DeviceId};
use clinic_mesh::domain::statement::Role;
use clinic_mesh::domain::trail::{Finding, TrailFile, verify};

use crate::desk::{Desk, now};

/// Exports the trail as `audit export` does.
async fn export(desk: &Desk) -> TrailFile {
    let client = desk.operator();
    let status = client.status().await.expect("running");
    // Looking is recorded before it is answered, so this run's own epoch is there at the second look.
    client.trail(&status.device).await.expect("its own trail");
    let trail = client.trail(&status.device).await.expect("its own trail");
    let mut segments = Vec::new();
    for epoch in &trail.epochs {
        let mut from = 1;
        while from <= epoch.seq {
            let part = client
                .trail_segments(&status.device, &epoch.epoch, from)
                .await
                .expect("a part");
            segments.extend(
                part.segments
                    .iter()
                    .map(|text| blob::unwrap(text).expect("a segment")),
            );
            from = part.next.expect("more");
        }
    }
    let attestations = trail
        .attestations
        .iter()
        .map(|text| blob::unwrap(text).expect("signed"));
    let device = DeviceId::from_hex(&status.device).expect("an id");
    let file = TrailFile {
        clinic: ClinicId::from_hex(&status.clinic).expect("an id"),
        device,
        by: device,
        at: now(),
        record: client.record().await.expect("the record"),
        attestations: attestations.collect(),
        segments,
    };
    TrailFile::from_file(&file.to_file()).expect("its own bytes")
}

fn kinds(file: &TrailFile, others: &[TrailFile]) -> Vec<&'static str> {
    let report = verify(file, others).expect("a record that holds");
    report.findings.iter().map(Finding::kind).collect()
}

async fn busy_desk() -> Desk {
    let mut desk = Desk::open().await;
    let (_, ana) = desk.signed_in("Ana", &[Role::Clinician]).await;
    desk.person("Bo", &[Role::Clinician]).await;
    for number in 0..5 {
        ana.send("Bo", &number.to_string()).await.expect("sent");
    }
    desk
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_real_trail_is_whole_across_restarts_and_whatever_is_done_to_its_export_is_named() {
    let desk = busy_desk().await;
    let desk = Desk::again(desk.stop().await).await;
    let whole = export(&desk).await;
    assert_eq!(kinds(&whole, &[]), [""; 0]);

    let mut edited = whole.clone();
    edited.segments[3].entries[0]
        .payload
        .as_mut()
        .expect("a body")
        .body[0] ^= 1;
    assert_eq!(kinds(&edited, &[]), ["edited"]);

    let mut inserted = whole.clone();
    inserted.segments.insert(3, whole.segments[2].clone());
    assert!(kinds(&inserted, &[]).contains(&"inserted"));

    let mut reordered = whole.clone();
    reordered.segments.swap(2, 3);
    assert!(kinds(&reordered, &[]).contains(&"reordered"));

    let mut removed = whole.clone();
    removed.segments.remove(3);
    assert_eq!(kinds(&removed, &[]), ["removed"]);

    let first = whole.segments[0].log.epoch;
    let mut cut = whole.clone();
    let last = cut
        .segments
        .iter()
        .rposition(|segment| segment.log.epoch == first);
    cut.segments.remove(last.expect("the first run"));
    assert_eq!(kinds(&cut, &[]), ["tail_cut"]);

    let mut missing = whole.clone();
    missing
        .segments
        .retain(|segment| segment.log.epoch != first);
    assert_eq!(kinds(&missing, &[]), ["epoch_missing"]);

    let mut yesterday = whole.clone();
    yesterday
        .segments
        .retain(|segment| segment.log.epoch == first);
    assert_eq!(
        kinds(&yesterday, &[]),
        [""; 0],
        "nothing in it says that there is more"
    );
    assert_eq!(
        kinds(&yesterday, std::slice::from_ref(&whole)),
        ["put_back"]
    );
    desk.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn yesterdays_store_put_back_under_a_node_is_named_by_an_earlier_export() {
    let desk = Desk::open().await;
    let clinic = desk.stop().await;
    let (dir, kept) = (clinic.office_dir("front-desk"), clinic.office_dir("kept"));
    copy(&dir, &kept);

    let desk = Desk::again(clinic).await;
    let seen = export(&desk).await;
    let clinic = desk.stop().await;

    std::fs::remove_dir_all(&dir).expect("removed");
    copy(&kept, &dir);
    let desk = Desk::again(clinic).await;
    let after = export(&desk).await;
    assert_eq!(
        kinds(&after, &[]),
        [""; 0],
        "by itself the store is a possible history"
    );
    assert_eq!(kinds(&after, &[seen]), ["epoch_missing"]);
    desk.stop().await;
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir(to).expect("a fresh directory");
    let mode = std::fs::metadata(from).expect("there").permissions();
    std::fs::set_permissions(to, mode).expect("ours");
    for entry in std::fs::read_dir(from).expect("there") {
        let entry = entry.expect("readable");
        if entry.file_type().expect("a type").is_file() {
            std::fs::copy(entry.path(), to.join(entry.file_name())).expect("copied");
        }
    }
}
