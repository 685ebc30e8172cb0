use std::time::Duration;

use super::*;
use crate::domain::attest::{Attestation, Word};
use crate::domain::audit::{Actor, AuditRecord, Deed, Origin};
use crate::domain::id::Hash;
use crate::domain::log::{Entry, Head, Log, Payload};
use crate::domain::testing::{NOON, SampleClinic, seed16};
use crate::domain::time::Day;

/// A trail being written, with everything that a forger who owns the machine would have.
struct Machine {
    sample: SampleClinic,
    file: TrailFile,
    head: BTreeMap<Epoch, Head>,
    now: WallTime,
}

const FIRST: Epoch = Epoch(10);
const SECOND: Epoch = Epoch(20);

impl Machine {
    fn new() -> Self {
        let sample = SampleClinic::of(["front", "ward"]);
        let file = TrailFile {
            clinic: sample.id,
            device: sample.device("front").id,
            by: sample.device("front").id,
            at: NOON,
            record: sample.segments.clone(),
            segments: Vec::new(),
            attestations: Vec::new(),
        };
        let mut machine = Self {
            sample,
            file,
            head: BTreeMap::new(),
            now: NOON,
        };
        machine.start(FIRST, None);
        machine.write(FIRST, 1);
        machine.write(FIRST, 4);
        machine.write(FIRST, 1);
        machine
    }

    fn log(&self, epoch: Epoch) -> Log {
        Log {
            space: Space::Audit(self.file.device),
            author: self.file.device.into(),
            epoch,
        }
    }

    fn start(&mut self, epoch: Epoch, previous: Option<Epoch>) {
        let head = previous.map_or(Head::EMPTY, |previous| self.head[&previous]);
        let deed = Deed::NodeStarted {
            previous,
            seq: head.seq,
            hash: head.hash,
        };
        self.append(epoch, vec![deed]);
    }

    /// The node starts with a store that held the trail only up to `head` of `previous`.
    fn start_from(&mut self, epoch: Epoch, previous: Epoch, head: Head) {
        let (seq, hash) = (head.seq, head.hash);
        self.append(
            epoch,
            vec![Deed::NodeStarted {
                previous: Some(previous),
                seq,
                hash,
            }],
        );
    }

    /// Writes a segment of so many records.
    fn write(&mut self, epoch: Epoch, count: usize) {
        self.append(epoch, vec![Deed::SignedIn; count]);
    }

    fn append(&mut self, epoch: Epoch, deeds: Vec<Deed>) {
        let entries = deeds.into_iter().map(|deed| self.entry(deed)).collect();
        let head = self.head.get(&epoch).copied().unwrap_or(Head::EMPTY);
        let key = self.sample.device("front").key.clone();
        let log = self.log(epoch);
        let (segment, end) = Segment::sign(&self.sample.id, &key, log, head, entries);
        self.file.segments.push(segment);
        self.head.insert(epoch, end);
    }

    fn entry(&mut self, deed: Deed) -> Entry {
        self.now = self.now.plus(Duration::from_secs(1));
        let record = AuditRecord::done(Actor::Node, Origin::Inside, deed);
        let salt = seed16("salt", &self.now.to_string());
        let body = record.to_body();
        Entry::new(Hlc::at(self.now), Day(30_000), Payload { salt, body })
    }

    /// The ward's node signs for an epoch as it stands.
    fn witness(&mut self, epoch: Epoch) {
        let word = Word::Held {
            author: self.file.device.into(),
            epoch,
            head: self.head[&epoch],
        };
        let key = &self.sample.device("ward").key;
        let space = Space::Audit(self.file.device);
        self.file
            .attestations
            .push(Attestation::new(&self.sample.id, key, space, word));
    }

    fn witnessed() -> Self {
        let mut machine = Self::new();
        machine.witness(FIRST);
        machine
    }
}

fn found(file: &TrailFile) -> Vec<Finding> {
    // Through the file's bytes, as a real one.
    let file = TrailFile::from_file(&file.to_file()).expect("its own bytes");
    let report = verify(&file, &[]).expect("a record that holds");
    report.findings.into_iter().collect()
}

fn beside(file: &TrailFile, other: &TrailFile) -> Vec<Finding> {
    let report = verify(file, std::slice::from_ref(other)).expect("a record that holds");
    report.findings.into_iter().collect()
}

fn edited(first: u64, last: u64) -> Finding {
    Finding::Edited {
        epoch: FIRST,
        first,
        last,
    }
}

#[test]
fn an_untouched_trail_is_found_whole_and_its_witness_is_named() {
    let mut machine = Machine::witnessed();
    machine.start(SECOND, Some(FIRST));
    machine.write(SECOND, 2);
    let report = verify(&machine.file, &[]).expect("a record that holds");
    assert_eq!(report.findings, BTreeSet::new());
    let ward = machine.sample.device("ward").id;
    assert_eq!(report.epochs[0].witnessed, 7);
    assert_eq!(report.epochs[0].witnesses, BTreeSet::from([ward]));
    assert_eq!(
        (report.epochs[1].records, report.epochs[1].witnessed),
        (3, 0)
    );
    assert_eq!(beside(&machine.file, &machine.file.clone()), []);
}

#[test]
fn an_edited_record_is_named_by_its_number() {
    let mut machine = Machine::new();
    let payload = machine.file.segments[2].entries[1]
        .payload
        .as_mut()
        .expect("a body");
    payload.body = AuditRecord::done(Actor::Operator, Origin::Socket, Deed::SignedOut).to_body();
    assert_eq!(found(&machine.file), [edited(4, 4)]);
}

#[test]
fn a_record_edited_with_its_digest_is_named_as_closely_as_signatures_allow() {
    let original = Machine::new();
    let mut machine = Machine::new();
    let fresh = machine.entry(Deed::SignedOut);
    machine.file.segments[2].entries[1] = fresh;
    assert_eq!(found(&machine.file), [edited(3, 6)]);
    assert_eq!(beside(&machine.file, &original.file), [edited(4, 4)]);
}

#[test]
fn an_inserted_record_is_named_even_if_all_that_follow_are_renumbered() {
    let mut machine = Machine::new();
    let mut fresh = machine.entry(Deed::SignedOut);
    fresh.header.time = machine.file.segments[2].entries[0].header.time;
    machine.file.segments[2].entries.insert(1, fresh);
    machine.file.segments[3].first += 1;
    let findings = found(&machine.file);
    assert!(
        findings.contains(&Finding::Inserted {
            epoch: FIRST,
            seq: 4
        }),
        "{findings:?}"
    );
}

#[test]
fn an_inserted_segment_is_named() {
    let mut machine = Machine::new();
    let again = machine.file.segments[1].clone();
    machine.file.segments.insert(2, again);
    assert_eq!(
        found(&machine.file),
        [Finding::Inserted {
            epoch: FIRST,
            seq: 2
        }]
    );
}

#[test]
fn reordered_records_are_named_inside_a_segment_and_across_segments() {
    let reordered = |seq| Finding::Reordered { epoch: FIRST, seq };
    let mut machine = Machine::new();
    machine.file.segments[2].entries.swap(1, 2);
    assert_eq!(found(&machine.file), [reordered(4)]);
    let mut machine = Machine::new();
    machine.file.segments.swap(1, 2);
    assert_eq!(found(&machine.file), [reordered(2)]);
}

#[test]
fn records_removed_from_the_middle_are_named_whole_segments_and_single_ones() {
    let original = Machine::new();
    let removed = |first, last| Finding::Removed {
        epoch: FIRST,
        first,
        last,
    };
    let mut machine = Machine::new();
    machine.file.segments.remove(2);
    assert_eq!(found(&machine.file), [removed(3, 6)]);
    let mut machine = Machine::new();
    machine.file.segments[2].entries.remove(1);
    assert_eq!(found(&machine.file), [removed(3, 6)]);
    assert_eq!(beside(&machine.file, &original.file), [removed(4, 4)]);
}

#[test]
fn a_cut_tail_is_named_by_a_witness_by_another_copy_and_by_the_next_run() {
    let ward = Machine::new().sample.device("ward").id;
    let cut = |by| Finding::TailCut {
        epoch: FIRST,
        held: 6,
        reached: 7,
        by,
    };
    let mut machine = Machine::witnessed();
    machine.file.segments.pop();
    assert_eq!(found(&machine.file), [cut(Some(ward))]);

    let original = Machine::new();
    let mut machine = Machine::new();
    machine.file.segments.pop();
    assert_eq!(
        found(&machine.file),
        [],
        "nobody else vouches for the last record yet"
    );
    assert_eq!(beside(&machine.file, &original.file), [cut(None)]);

    let mut machine = Machine::new();
    machine.start(SECOND, Some(FIRST));
    machine.file.segments.remove(3);
    assert_eq!(found(&machine.file), [cut(None)]);
}

#[test]
fn yesterdays_file_put_back_is_named_whether_or_not_the_node_ran_on_from_it() {
    // The node started from a store that ended at record 2, and its peers gave it back the rest.
    let mut machine = Machine::new();
    let old = {
        let early = &machine.file.segments[1];
        early.end(&machine.sample.id)
    };
    machine.start_from(SECOND, FIRST, old);
    let ran_on = Finding::PutBack {
        epoch: FIRST,
        held: 2,
        shown_by: SECOND,
    };
    assert_eq!(found(&machine.file), [ran_on]);

    // The file is yesterday's, and a witness has signed for a run that began since.
    let yesterday = Machine::new();
    let mut today = Machine::new();
    today.start(SECOND, Some(FIRST));
    today.witness(SECOND);
    let mut file = yesterday.file.clone();
    file.attestations.clone_from(&today.file.attestations);
    let put_back = Finding::PutBack {
        epoch: FIRST,
        held: 7,
        shown_by: SECOND,
    };
    assert_eq!(found(&file), [put_back]);
    assert_eq!(beside(&yesterday.file, &today.file), [put_back]);
}

#[test]
fn a_node_that_ran_on_from_yesterdays_file_alone_is_named_by_an_earlier_copy() {
    let original = Machine::new();
    let mut machine = Machine::new();
    machine.file.segments.pop();
    let held = machine.file.segments[2].end(&machine.sample.id);
    machine.start_from(SECOND, FIRST, held);
    let put_back = Finding::PutBack {
        epoch: FIRST,
        held: 6,
        shown_by: SECOND,
    };
    assert_eq!(beside(&machine.file, &original.file), [put_back]);
}

#[test]
fn a_store_begun_anew_under_the_same_key_is_named() {
    let mut machine = Machine::new();
    machine.start(SECOND, None);
    let put_back = Finding::PutBack {
        epoch: FIRST,
        held: 0,
        shown_by: SECOND,
    };
    assert_eq!(found(&machine.file), [put_back]);
}

#[test]
fn a_missing_run_is_named_by_the_run_after_it_and_by_a_witness() {
    let missing = [Finding::EpochMissing { epoch: FIRST }];
    let mut machine = Machine::new();
    machine.start(SECOND, Some(FIRST));
    machine
        .file
        .segments
        .retain(|segment| segment.log.epoch == SECOND);
    assert_eq!(found(&machine.file), missing);

    let mut machine = Machine::witnessed();
    machine.start(SECOND, None);
    machine
        .file
        .segments
        .retain(|segment| segment.log.epoch == SECOND);
    assert_eq!(found(&machine.file), missing);
}

#[test]
fn a_history_written_anew_with_the_devices_own_key_contradicts_its_witness() {
    let original = Machine::witnessed();
    let mut forged = Machine::new();
    forged.file.segments.clear();
    forged.head.clear();
    forged.start(FIRST, None);
    forged.write(FIRST, 6);
    forged
        .file
        .attestations
        .clone_from(&original.file.attestations);
    let ward = original.sample.device("ward").id;
    let rewritten = Finding::Rewritten {
        epoch: FIRST,
        seq: 7,
        by: Some(ward),
    };
    assert!(
        found(&forged.file).contains(&rewritten),
        "{:?}",
        found(&forged.file)
    );
    let beside = beside(&forged.file, &original.file);
    assert!(
        beside.iter().any(|finding| finding.kind() == "rewritten"),
        "{beside:?}"
    );
}

#[test]
fn the_word_of_a_stranger_or_of_the_device_itself_counts_for_nothing() {
    let mut machine = Machine::new();
    let word = Word::Held {
        author: machine.file.device.into(),
        epoch: FIRST,
        head: Head {
            seq: 99,
            hash: Hash::new([9; 32]),
        },
    };
    let space = Space::Audit(machine.file.device);
    let stranger = crate::domain::sign::SigningKey::from_seed(&[7; 32]);
    let own = machine.sample.device("front").key.clone();
    for key in [&stranger, &own] {
        let attestation = Attestation::new(&machine.sample.id, key, space, word);
        machine.file.attestations.push(attestation);
    }
    let mut forged = Machine::witnessed().file.attestations[0];
    forged.word = word;
    machine.file.attestations.push(forged);
    assert_eq!(found(&machine.file), []);
}

#[test]
fn a_record_purged_under_policy_is_no_finding() {
    let mut machine = Machine::witnessed();
    machine.file.segments[2].entries[1].payload = None;
    let report = verify(&machine.file, &[]).expect("a record that holds");
    assert_eq!(report.findings, BTreeSet::new());
    assert_eq!(report.epochs[0].purged, 1);
}

#[test]
fn files_of_another_trail_or_with_a_forged_record_cannot_be_compared() {
    let machine = Machine::new();
    let mut other = machine.file.clone();
    other.device = machine.sample.device("ward").id;
    assert_eq!(verify(&machine.file, &[other]), Err(TrailError::OtherTrail));
    let mut forged = machine.file.clone();
    forged.record[0].previous = Hash::new([1; 32]);
    assert!(matches!(verify(&forged, &[]), Err(TrailError::Record(_))));
}

#[test]
fn the_file_has_one_form_and_the_frozen_one_is_read() {
    let frozen = include_bytes!("../../../tests/vectors/trail/front.trail");
    let machine = Machine::witnessed();
    assert_eq!(machine.file.to_file(), frozen);
    assert_eq!(TrailFile::from_file(frozen).as_ref(), Ok(&machine.file));
    let mut longer = frozen.to_vec();
    longer.push(0);
    assert!(TrailFile::from_file(&longer).is_err());
}
