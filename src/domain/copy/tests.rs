use super::*;
use crate::domain::cert::{Scopes, VERSION};
use crate::domain::id::StaffId;
use crate::domain::log::{Entry, Payload};
use crate::domain::name::Name;
use crate::domain::sign::{Signature, Signed, SigningKey};
use crate::domain::time::{Day, WallTime};

fn root() -> SigningKey {
    SigningKey::from_seed(&[1; 32])
}

fn admin() -> SigningKey {
    SigningKey::from_seed(&[2; 32])
}

fn clinic() -> ClinicId {
    ClinicId::of_root(&root().id().as_admin())
}

fn name(text: &str) -> Name {
    Name::new(text).expect("a name")
}

/// A segment of one statement that follows `head`.
fn segment(key: &SigningKey, head: Head, act: Act) -> Segment {
    let seen = Vec::new();
    let body = Statement { seen, act }.to_body();
    let payload = Payload {
        salt: [0; 16],
        body,
    };
    let entry = Entry::new(Hlc(head.seq + 1), Day::NEVER, payload);
    let log = Log {
        space: Space::Record,
        author: key.id(),
        epoch: Epoch::RECORD,
    };
    Segment::sign(&clinic(), key, log, head, vec![entry]).0
}

fn suspend(byte: u8) -> Act {
    let staff = StaffId::new([byte; 16]);
    Act::StaffSuspended { staff }
}

fn grant() -> Act {
    let grant = Grant {
        version: VERSION,
        clinic: clinic(),
        admin: admin().id().as_admin(),
        name: name("ana"),
        scopes: Scopes::of(Scopes::ALL),
        not_after: WallTime(u64::MAX),
    };
    Act::AdminGranted {
        grant: Signed::new(&grant, &clinic(), &root()),
    }
}

/// The root founds and grants; the admin signs three statements.
fn record() -> Vec<Segment> {
    let founded = Act::Founded {
        name: name("clinic"),
    };
    let mut all = vec![segment(&root(), Head::EMPTY, founded)];
    all.push(segment(&root(), all[0].end(&clinic()), grant()));
    let mut head = Head::EMPTY;
    for byte in 1..=3 {
        all.push(segment(&admin(), head, suspend(byte)));
        head = all[all.len() - 1].end(&clinic());
    }
    all
}

fn copy_of(segments: &[Segment]) -> RecordCopy {
    let mut copy = RecordCopy::new(clinic());
    copy.merge(segments.to_vec()).expect("a sound record");
    copy
}

#[test]
fn the_record_is_the_same_in_whatever_order_it_is_given_and_nothing_counts_twice() {
    let forward = record();
    let backward: Vec<Segment> = forward.iter().rev().cloned().collect();
    let mut copy = copy_of(&forward);
    assert_eq!(copy.heads(), copy_of(&backward).heads());
    assert_eq!(copy.items().count(), 5);
    assert_eq!(copy.merge(forward), Ok(Merged::default()));
    assert_eq!(copy.root(), Some(root().id().as_admin()));
    assert_eq!(copy.head(&admin().id()).seq, 3);
}

#[test]
fn a_longer_run_of_a_known_log_adds_only_what_follows() {
    let known = record();
    let mut copy = copy_of(&known[..3]);
    let entries = known[2..].iter().flat_map(|one| one.entries.clone());
    let run = Segment {
        entries: entries.collect(),
        signature: known[4].signature,
        ..known[2].clone()
    };
    assert_eq!(copy.merge([run]).expect("sound").added, 2);
    assert_eq!(copy.heads(), copy_of(&known).heads());
}

#[test]
fn a_log_of_nobody_the_root_appointed_is_refused() {
    let stranger = SigningKey::from_seed(&[9; 32]);
    let mut copy = copy_of(&record());
    let before = copy.heads();
    let refused = copy.merge([segment(&stranger, Head::EMPTY, suspend(1))]);
    let author = ShortId::from(stranger.id());
    assert_eq!(refused, Err(CopyError::Stranger { author }));
    assert_eq!(copy.heads(), before);
}

#[test]
fn what_is_missing_in_between_is_named_and_nothing_is_taken() {
    let mut segments = record();
    segments.remove(3);
    let mut copy = RecordCopy::new(clinic());
    let author = ShortId::from(admin().id());
    let gap = CopyError::Gap {
        author,
        missing: 2,
        before: 2,
    };
    assert_eq!(copy.merge(segments), Err(gap));
    assert!(copy.heads().is_empty());
}

#[test]
fn a_changed_statement_or_signature_is_refused() {
    let author = ShortId::from(admin().id());
    let refused = |segment: Segment| copy_of(&record()[..2]).merge([segment]);
    let mut body = record()[2].clone();
    if let Some(payload) = &mut body.entries[0].payload {
        payload.body[3] ^= 1;
    }
    let digest = SegmentError::Digest { seq: 1 };
    assert_eq!(
        refused(body),
        Err(CopyError::Segment {
            author,
            source: digest
        })
    );
    let mut signature = record()[2].clone();
    signature.signature = Signature::new([7; 64]);
    assert!(matches!(
        refused(signature),
        Err(CopyError::Segment {
            source: SegmentError::Signature(_),
            ..
        })
    ));
    let mut bare = record()[2].clone();
    bare.entries[0].payload = None;
    assert_eq!(
        refused(bare),
        Err(CopyError::WithoutBody { author, seq: 1 })
    );
}

#[test]
fn a_log_of_another_space_or_epoch_is_not_the_record() {
    let mut other = record()[2].clone();
    other.log.epoch = Epoch(2);
    let refused = copy_of(&record()[..2]).merge([other]);
    assert_eq!(refused, Err(CopyError::NotTheRecord));
}

#[test]
fn a_fork_is_named_and_kept_and_its_log_grows_no_further() {
    let known = record();
    let mut copy = copy_of(&known[..4]);
    let other = segment(&admin(), known[2].end(&clinic()), suspend(9));
    let merged = copy.merge([other.clone()]).expect("a fork is no error");
    assert_eq!(merged.forked, BTreeSet::from([admin().id()]));
    let fork = copy.fork(&admin().id()).expect("kept");
    assert_eq!((fork.seq, &fork.proof), (2, &other));
    let beyond = segment(
        &admin(),
        Head {
            seq: 7,
            ..known[2].end(&clinic())
        },
        suspend(7),
    );
    copy.merge([known[4].clone(), beyond]).expect("ignored");
    assert_eq!(copy.head(&admin().id()).seq, 2);
    assert_eq!(copy.head(&root().id()).seq, 2);
}

#[test]
fn a_continuation_of_the_other_branch_is_a_fork_too() {
    let known = record();
    let mut copy = copy_of(&known[..4]);
    let other = segment(&admin(), known[2].end(&clinic()), suspend(9));
    let continued = segment(&admin(), other.end(&clinic()), suspend(8));
    copy.merge([continued]).expect("a fork is no error");
    assert_eq!(copy.fork(&admin().id()).map(|fork| fork.seq), Some(2));
}

#[test]
fn whom_only_the_other_branch_of_a_forked_root_log_appointed_is_left_out() {
    let known = record();
    let stranger = SigningKey::from_seed(&[9; 32]);
    let theirs = segment(&stranger, Head::EMPTY, suspend(1));
    let other = segment(&root(), known[0].end(&clinic()), suspend(9));
    let mut copy = copy_of(&known);
    let merged = copy.merge([other, theirs]).expect("the rest counts");
    assert_eq!(merged.forked, BTreeSet::from([root().id()]));
    assert_eq!(copy.head(&stranger.id()), Head::EMPTY);
    assert_eq!(copy.head(&admin().id()).seq, 3);
}
