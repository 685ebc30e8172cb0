use std::collections::BTreeSet;

use super::*;
use crate::domain::backup::Trouble;
use crate::domain::condition::{Backups, ProgramVersion};
use crate::domain::id::{ClinicId, RoomId, hex};
use crate::domain::log::{Entry, Payload};
use crate::domain::message::EntryId;
use crate::domain::retraction::Withdrawn;
use crate::domain::sign::SigningKey;
use crate::domain::time::{Day, Hlc};

const CLINIC: ClinicId = ClinicId::new([9; 32]);

fn segment(bodies: &[usize]) -> Segment {
    let key = SigningKey::from_seed(&[1; 32]);
    let log = Log {
        space: Space::Room(RoomId::new([7; 16])),
        author: key.id(),
        epoch: Epoch(5),
    };
    let entries = bodies.iter().zip(1..).map(|(len, n)| {
        Entry::new(
            Hlc(n),
            Day(30),
            Payload {
                salt: [3; 16],
                body: vec![b'a'; *len],
            },
        )
    });
    Segment::sign(&CLINIC, &key, log, Head::EMPTY, entries.collect()).0
}

fn retraction() -> Retraction {
    let withdrawn = Withdrawn {
        staff: StaffId::new([1; 16]),
        entry: EntryId::new(&segment(&[1]).log, 1),
        amendments: Vec::new(),
        until: Day(30),
    };
    Retraction::sign(&CLINIC, &SigningKey::from_seed(&[1; 32]), withdrawn)
}

fn condition() -> Condition {
    Condition {
        version: ProgramVersion::new("1.2.3").expect("a version"),
        backups: Some(Backups {
            last: Some(WallTime(1)),
            every_hours: Some(24),
            failed: Some(Trouble::NoRoom),
        }),
    }
}

#[test]
fn a_condition_with_a_version_that_cannot_be_shown_is_no_frame() {
    let good = Frame::Condition(condition()).encode();
    let at = { good.windows(5) }.position(|part| part == b"1.2.3");
    let at = at.expect("it is in there");
    for bad in [b"1.2\n3", b"1.2\x1b3", b"1. .3", b"1..23"] {
        let mut bytes = good.clone();
        bytes[at..at + 5].copy_from_slice(bad);
        assert_eq!(Frame::decode(&bytes), Err(CodecError::Malformed), "{bad:?}");
    }
    // Of text, the length says how much follows.
    let mut long = good[..at - 1].to_vec();
    long.extend([0x78, 65]);
    long.extend(format!("1.2.3-{}", "a".repeat(59)).into_bytes());
    long.extend(&good[at + 5..]);
    assert_eq!(Frame::decode(&long), Err(CodecError::Malformed));
    long.remove(at + 10);
    long[at] = 64;
    assert!(Frame::decode(&long).is_ok(), "one letter less");
}

#[test]
fn a_hello_and_a_condition_are_encoded_as_they_were_frozen() {
    let hello = Frame::Hello {
        version: VERSION,
        now: WallTime(1),
    };
    assert_eq!(hex(&hello.encode()), "8200820201");
    let condition = Frame::Condition(condition());
    let frozen = "820e818265312e322e3383011818 02";
    assert_eq!(hex(&condition.encode()), frozen.replace(' ', ""));
}

#[test]
fn every_frame_is_read_back() {
    let mut partly_gone = segment(&[5, 6, 7]);
    partly_gone.entries[1].payload = None;
    let head = Head {
        seq: 3,
        hash: Hash::new([4; 32]),
    };
    let log = partly_gone.log;
    let line = LogHead {
        author: log.author,
        epoch: log.epoch,
        head,
        signature: partly_gone.signature,
    };
    let frames = [
        Frame::Hello {
            version: VERSION,
            now: WallTime(1),
        },
        Frame::Beat { now: WallTime(2) },
        Frame::Spaces {
            digests: vec![SpaceDigest {
                tag: 1,
                digest: u64::MAX,
            }],
            more: true,
        },
        Frame::Heads {
            space: Space::Record,
            heads: vec![line],
        },
        Frame::Want {
            log,
            from: 9,
            credit: 4,
        },
        Frame::More { log, credit: 1 },
        Frame::Entries(Arc::new(partly_gone)),
        Frame::WantMeshKey { epoch: 3 },
        Frame::MeshKey {
            epoch: 3,
            key: [8; 32],
        },
        Frame::Bye { code: 5 },
        Frame::Retractions {
            retractions: vec![retraction()],
        },
        Frame::Here {
            staff: StaffId::new([1; 16]),
        },
        Frame::Typing {
            space: log.space,
            staff: StaffId::new([1; 16]),
        },
        Frame::Condition(condition()),
    ];
    let kinds: BTreeSet<_> = frames.iter().map(|frame| frame.kind().0).collect();
    assert_eq!(kinds.len(), frames.len(), "who counts tells them apart");
    for frame in frames {
        assert_eq!(Frame::decode(&frame.encode()), Ok(frame));
    }
}

#[test]
fn a_message_of_512_bytes_costs_less_than_a_tenth_more_on_the_wire() {
    let segment = segment(&[512; 400]);
    let content = segment.body_bytes();
    let wire = Frame::Entries(Arc::new(segment)).encode().len();
    assert!(wire * 10 < content * 11, "{wire} bytes for {content}");
}

#[test]
fn bytes_after_a_frame_and_frames_over_the_limit_are_refused() {
    let mut bytes = Frame::Beat { now: WallTime(2) }.encode();
    bytes.push(0);
    assert_eq!(Frame::decode(&bytes), Err(CodecError::Trailing));
    let long = vec![0; FRAME_MAX + 1];
    assert!(matches!(
        Frame::decode(&long),
        Err(CodecError::TooLong { .. })
    ));
}

#[test]
fn lists_and_counts_over_their_bound_are_refused() {
    let line = SpaceDigest { tag: 1, digest: 1 };
    let long = Frame::Spaces {
        digests: vec![line; LIST_MAX + 1],
        more: false,
    };
    assert_eq!(Frame::decode(&long.encode()), Err(CodecError::Malformed));

    let long = Frame::Retractions {
        retractions: vec![retraction(); RETRACTIONS_MAX + 1],
    };
    assert_eq!(Frame::decode(&long.encode()), Err(CodecError::Malformed));

    let mut none = segment(&[1]);
    none.entries.clear();
    let none = Frame::Entries(Arc::new(none)).encode();
    assert_eq!(Frame::decode(&none), Err(CodecError::Malformed));
}

#[test]
fn a_claimed_length_does_not_make_us_allocate() {
    // Array of 2^60 digests, then nothing.
    let bytes = [0x82, 0x02, 0x82, 0x9b, 0x10, 0, 0, 0, 0, 0, 0, 0];
    assert_eq!(Frame::decode(&bytes), Err(CodecError::Malformed));
}

#[test]
fn a_truncated_frame_is_refused_at_every_length() {
    let bytes = Frame::Entries(Arc::new(segment(&[5, 6, 7]))).encode();
    for len in 0..bytes.len() {
        assert!(Frame::decode(&bytes[..len]).is_err(), "{len}");
    }
}
