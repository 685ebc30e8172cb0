use super::*;
use crate::domain::id::{RoomId, StaffId};
use crate::domain::time::WallTime;

const CLINIC: ClinicId = ClinicId::new([9; 32]);

fn key() -> SigningKey {
    SigningKey::from_seed(&[1; 32])
}

fn log() -> Log {
    Log {
        space: Space::Room(RoomId::new([7; 16])),
        author: key().id(),
        epoch: Epoch(5),
    }
}

fn entry(n: u64) -> Entry {
    let payload = Payload {
        salt: [n as u8; 16],
        body: vec![b'a'; n as usize],
    };
    Entry::new(Hlc::at(WallTime(n)), Day(30), payload)
}

fn segment(count: u64) -> (Segment, Head) {
    Segment::sign(
        &CLINIC,
        &key(),
        log(),
        Head::EMPTY,
        (1..=count).map(entry).collect(),
    )
}

#[test]
fn what_the_author_signed_verifies_and_yields_the_same_head() {
    let (segment, end) = segment(3);
    assert_eq!(segment.verify(&CLINIC, Hlc(0)), Ok(end));
    assert_eq!(end.seq, 3);
}

#[test]
fn a_destroyed_body_leaves_the_chain_verifiable() {
    let (mut segment, end) = segment(3);
    segment.entries[1].payload = None;
    assert_eq!(segment.verify(&CLINIC, Hlc(0)), Ok(end));
}

#[test]
fn a_changed_body_is_named() {
    let (mut segment, _) = segment(3);
    segment.entries[1].payload.as_mut().expect("just made").body[0] = b'b';
    assert_eq!(
        segment.verify(&CLINIC, Hlc(0)),
        Err(SegmentError::Digest { seq: 2 })
    );
}

#[test]
fn any_change_of_position_or_header_breaks_the_signature() {
    let changes: [fn(&mut Segment); 7] = [
        |s| s.first += 1,
        |s| s.previous = Hash::new([1; 32]),
        |s| s.log.epoch = Epoch(6),
        |s| s.log.space = Space::Staff(StaffId::new([7; 16])),
        |s| s.entries[2].header.last_day = Day(31),
        |s| s.entries[2].header.time = Hlc(u64::MAX),
        |s| drop(s.entries.pop()),
    ];
    for (n, change) in changes.into_iter().enumerate() {
        let (mut segment, _) = segment(3);
        change(&mut segment);
        let verdict = segment.verify(&CLINIC, Hlc(0));
        assert_eq!(
            verdict,
            Err(SegmentError::Signature(BadSignature)),
            "change {n}"
        );
    }
}

#[test]
fn time_never_runs_backwards_in_a_log() {
    let (segment, _) = segment(3);
    let later = Hlc::at(WallTime(2));
    assert_eq!(
        segment.verify(&CLINIC, later),
        Err(SegmentError::Order { seq: 1 })
    );
    let entries = vec![entry(2), entry(1)];
    let (segment, _) = Segment::sign(&CLINIC, &key(), log(), Head::EMPTY, entries);
    assert_eq!(
        segment.verify(&CLINIC, Hlc(0)),
        Err(SegmentError::Order { seq: 2 })
    );
}

#[test]
fn empty_and_oversized_segments_are_refused() {
    let (mut segment, _) = segment(1);
    segment.entries.clear();
    assert_eq!(segment.verify(&CLINIC, Hlc(0)), Err(SegmentError::Count));
    segment.entries = vec![entry(1); SEGMENT_ENTRIES_MAX + 1];
    assert_eq!(segment.verify(&CLINIC, Hlc(0)), Err(SegmentError::Count));
    segment.entries.truncate(1);
    segment.first = u64::MAX;
    assert_eq!(segment.verify(&CLINIC, Hlc(0)), Err(SegmentError::Count));
}

#[test]
fn the_tail_of_a_segment_verifies_on_its_own() {
    let (whole, end) = segment(5);
    let (_, second) = segment(2);
    let tail = whole
        .clone()
        .after(&CLINIC, second)
        .expect("three are left");
    assert_eq!((tail.first, tail.entries.len()), (3, 3));
    assert_eq!(tail.verify(&CLINIC, Hlc(0)), Ok(end));
    assert_eq!(whole.clone().after(&CLINIC, end), None);
    assert_eq!(whole.clone().after(&CLINIC, Head::EMPTY), Some(whole));
}

/// Frozen: a change here is a change of format and needs a version step.
#[test]
fn the_frozen_vector_of_a_chain_holds() {
    let (segment, end) = segment(3);
    assert_eq!(end.hash.to_string(), VECTOR_HASH);
    assert_eq!(segment.signature.to_string(), VECTOR_SIGNATURE);
}

const VECTOR_HASH: &str = "0098b7a9f4db03f6f255a7f2f461e70a01630e51e88d01e77574cd5b99f93cc1";
const VECTOR_SIGNATURE: &str = "2801f89bdb3c90da79c1b41c3985bb9fc070e26a340206c447ab5d6ddf17fd517664625ca467348645351c387d00972ed962416acc15a06444809350b3872401";
