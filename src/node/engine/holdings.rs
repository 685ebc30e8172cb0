//! What this node holds: the heads of every log and the newest attestation of every subject.
//!
//! Kept in memory beside the store; bodies are never here. A log has two heads: the *tentative* one
//! counts what is in a commit that is under way, the *durable* one does not. Only what is durable is
//! offered, served or attested.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::attest::{Attestation, Subject};
use crate::domain::codec;
use crate::domain::id::{AuthorId, ClinicId, DeviceId, Hash};
use crate::domain::log::{Epoch, Head, Log};
use crate::domain::sign::Signature;
use crate::domain::space::Space;
use crate::domain::time::Hlc;
use crate::wire::{self, LogHead, SpaceDigest};

/// Most renewals in one log of a device.
///
/// Sixty-four devices, each renewed every twenty days, for fourteen years without a new start.
pub(super) const RENEWALS_MAX: u64 = 16_384;

/// Most logs of renewals of one device: a new start every day for eleven years. Statements and renewals are
/// never destroyed, so whoever writes them without end has to be stopped somewhere.
const RENEWAL_LOGS_MAX: usize = 4096;

/// Most groups in which one device may write before it can begin no more.
///
/// Twenty people who each begin fifty. There are far more ways to choose eight people out of a clinic
/// than a store has room for, and a device with bad intentions could try them all.
pub(super) const GROUPS_MAX: usize = 1000;

use super::types::{Boot, BootLog};

/// Everything held.
#[derive(Debug)]
pub(super) struct Holdings {
    clinic: ClinicId,
    spaces: BTreeMap<Space, SpaceState>,
}

/// One space.
#[derive(Debug, Default)]
pub(super) struct SpaceState {
    /// Its logs.
    pub(super) logs: BTreeMap<(AuthorId, Epoch), LogState>,
    attestations: BTreeMap<Subject, Attestation>,
    /// The digest that peers compare; none after a change.
    digest: Option<u64>,
}

/// One log.
#[derive(Clone, Debug)]
pub(super) struct LogState {
    /// Head with what is under way.
    pub(super) tentative: Head,
    /// Time of the tentative head's entry.
    pub(super) time: Hlc,
    /// Head on disk.
    pub(super) durable: Head,
    /// The author's signature over the durable head.
    pub(super) signature: Signature,
    /// A fork was found; nothing more is accepted.
    pub(super) forked: bool,
    /// Last number that counts, once the log's author was revoked and entries beyond are held.
    pub(super) end: Option<u64>,
    /// The author was revoked: how much is held beyond the end differs between nodes.
    pub(super) cut: bool,
}

impl Holdings {
    /// What the store held at the start.
    pub(super) fn new(boot: &Boot) -> Self {
        let mut holdings = Self {
            clinic: boot.clinic,
            spaces: BTreeMap::new(),
        };
        for log in &boot.logs {
            holdings.restore(log);
        }
        for attestation in &boot.attestations {
            holdings.attest(*attestation);
        }
        holdings
    }

    fn restore(&mut self, boot: &BootLog) {
        let state = LogState {
            tentative: boot.head,
            time: boot.time,
            durable: boot.head,
            signature: boot.signature,
            forked: boot.forked,
            end: None,
            cut: false,
        };
        let space = self.spaces.entry(boot.log.space).or_default();
        space.logs.insert((boot.log.author, boot.log.epoch), state);
    }

    /// The log, if anything of it is held.
    pub(super) fn log(&self, log: &Log) -> Option<&LogState> {
        self.spaces
            .get(&log.space)?
            .logs
            .get(&(log.author, log.epoch))
    }

    /// The log, empty if nothing of it is held.
    pub(super) fn log_mut(&mut self, log: &Log) -> &mut LogState {
        let space = self.spaces.entry(log.space).or_default();
        space.digest = None;
        space
            .logs
            .entry((log.author, log.epoch))
            .or_insert_with(|| LogState {
                tentative: Head::EMPTY,
                time: Hlc(0),
                durable: Head::EMPTY,
                signature: Signature::new([0; 64]),
                forked: false,
                end: None,
                cut: false,
            })
    }

    /// The tentative head of a log.
    pub(super) fn head(&self, log: &Log) -> Head {
        self.log(log).map_or(Head::EMPTY, |state| state.tentative)
    }

    /// Number of the durable head of a log.
    pub(super) fn durable(&self, log: &Log) -> u64 {
        self.log(log).map_or(0, |state| state.durable.seq)
    }

    /// Notes a durable head.
    pub(super) fn set_durable(&mut self, log: &Log, head: Head, signature: Signature) {
        let state = self.log_mut(log);
        if head.seq > state.durable.seq {
            state.durable = head;
            state.signature = signature;
        }
    }

    /// The spaces held, with something durable in them.
    pub(super) fn spaces(&self) -> impl Iterator<Item = (&Space, &SpaceState)> {
        self.spaces.iter()
    }

    /// One space.
    pub(super) fn space(&self, space: &Space) -> Option<&SpaceState> {
        self.spaces.get(space)
    }

    /// The times that the logs held end with.
    pub(super) fn times(&self) -> impl Iterator<Item = Hlc> {
        let logs = self.spaces.values().flat_map(|space| space.logs.values());
        logs.map(|log| log.time)
    }

    /// The logs of a space, by name.
    pub(super) fn logs_of(&self, space: &Space) -> Vec<Log> {
        let Some(state) = self.spaces.get(space) else {
            return Vec::new();
        };
        let named = |(author, epoch): &(AuthorId, Epoch)| Log {
            space: *space,
            author: *author,
            epoch: *epoch,
        };
        state.logs.keys().map(named).collect()
    }

    /// Whether a log of `author` in `space` would begin one group more than a device may begin.
    pub(super) fn is_one_group_too_many(&self, author: &AuthorId, space: &Space) -> bool {
        let begins = matches!(space, Space::Group(_)) && !self.spaces.contains_key(space);
        begins && self.groups_by(author) >= GROUPS_MAX
    }

    /// Whether a log of renewals would be one more than a device begins in its life.
    pub(super) fn is_one_renewal_log_too_many(&self, log: &Log) -> bool {
        let Some(state) = self.spaces.get(&log.space).filter(|_| log.is_of_renewals()) else {
            return false;
        };
        let epochs = (log.author, Epoch(0))..=(log.author, Epoch(u64::MAX));
        !state.logs.contains_key(&(log.author, log.epoch))
            && state.logs.range(epochs).count() >= RENEWAL_LOGS_MAX
    }

    fn groups_by(&self, author: &AuthorId) -> usize {
        let epochs = (*author, Epoch(0))..=(*author, Epoch(u64::MAX));
        let groups = self
            .spaces
            .iter()
            .filter(|(space, _)| matches!(space, Space::Group(_)));
        let theirs = groups.filter(|(_, state)| state.logs.range(epochs.clone()).next().is_some());
        theirs.count()
    }

    /// Every log of one author.
    pub(super) fn logs_by(&self, author: &AuthorId) -> Vec<(Log, LogState)> {
        let mut found = Vec::new();
        for (space, state) in &self.spaces {
            for ((by, epoch), log) in state
                .logs
                .range((*author, Epoch(0))..=(*author, Epoch(u64::MAX)))
            {
                found.push((
                    Log {
                        space: *space,
                        author: *by,
                        epoch: *epoch,
                    },
                    log.clone(),
                ));
            }
        }
        found
    }

    /// Every log of these authors, in one pass: there may be as many authors as spaces.
    pub(super) fn logs_where(&self, wished: impl Fn(&AuthorId) -> bool) -> Vec<Log> {
        let mut found = Vec::new();
        for (space, state) in &self.spaces {
            let theirs = state.logs.keys().filter(|(author, _)| wished(author));
            found.extend(theirs.map(|(author, epoch)| Log {
                space: *space,
                author: *author,
                epoch: *epoch,
            }));
        }
        found
    }

    /// Forgets a space.
    pub(super) fn drop_space(&mut self, space: &Space) {
        self.spaces.remove(space);
    }

    /// Whether an attestation says more than what is known of its subject.
    pub(super) fn is_news(&self, attestation: &Attestation) -> bool {
        let known = self
            .spaces
            .get(&attestation.space)
            .and_then(|space| space.attestations.get(&attestation.subject()));
        known.is_none_or(|known| attestation.extent() > known.extent())
    }

    /// Keeps an attestation if it is news; says whether it was.
    pub(super) fn attest(&mut self, attestation: Attestation) -> bool {
        if !self.is_news(&attestation) {
            return false;
        }
        let space = self.spaces.entry(attestation.space).or_default();
        space.digest = None;
        space
            .attestations
            .insert(attestation.subject(), attestation);
        true
    }

    /// What a device attests to hold of these logs of a space.
    pub(super) fn words_of(
        &self,
        space: &Space,
        by: &DeviceId,
        logs: &BTreeSet<(AuthorId, Epoch)>,
    ) -> Vec<Attestation> {
        let by = AuthorId::from(*by);
        let words = self.spaces.get(space).into_iter();
        let words = words.flat_map(|state| state.attestations.values());
        let about = |word: &&Attestation| {
            word.by == by && word.subject().log.is_some_and(|log| logs.contains(&log))
        };
        words.filter(about).copied().collect()
    }

    /// Up to where a device attests to hold a log; the author's own signature counts.
    pub(super) fn attested(&self, log: &Log, by: &DeviceId) -> u64 {
        let by = AuthorId::from(*by);
        let subject = Subject {
            space: log.space,
            by,
            log: Some((log.author, log.epoch)),
        };
        let space = self.spaces.get(&log.space);
        let word = space.and_then(|space| space.attestations.get(&subject));
        word.map_or(0, Attestation::extent)
    }

    /// Drops what is said of the digest of every space; record changes may move the end of logs.
    pub(super) fn forget_digests(&mut self) {
        for space in self.spaces.values_mut() {
            space.digest = None;
        }
    }

    /// The line that peers compare for a space.
    pub(super) fn digest(&mut self, space: &Space) -> SpaceDigest {
        let tag = u64::from_be_bytes(first_eight(space.id(&self.clinic).as_bytes()));
        let digest = match self.spaces.get_mut(space) {
            None => EMPTY_DIGEST,
            Some(state) => *state
                .digest
                .get_or_insert_with(|| state_digest(&state.logs, &state.attestations)),
        };
        SpaceDigest { tag, digest }
    }

    /// Digest over the durable heads of the clinic record.
    pub(super) fn record_digest(&self) -> Hash {
        let Some(record) = self.spaces.get(&Space::Record) else {
            return Hash::ZERO;
        };
        digest_of(&record.logs, &BTreeMap::new())
    }
}

/// The digest of a space without anything in it.
const EMPTY_DIGEST: u64 = 0;

fn first_eight(bytes: &[u8; 32]) -> [u8; 8] {
    let mut first = [0; 8];
    first.copy_from_slice(&bytes[..8]);
    first
}

fn state_digest(
    logs: &BTreeMap<(AuthorId, Epoch), LogState>,
    attestations: &BTreeMap<Subject, Attestation>,
) -> u64 {
    let nothing = logs.values().all(|log| log.effective_seq() == 0) && attestations.is_empty();
    if nothing {
        EMPTY_DIGEST
    } else {
        wire::short(&digest_of(logs, attestations))
    }
}

fn digest_of(
    logs: &BTreeMap<(AuthorId, Epoch), LogState>,
    attestations: &BTreeMap<Subject, Attestation>,
) -> Hash {
    let mut bytes = Vec::with_capacity(logs.len() * 80 + attestations.len() * 112);
    for ((author, epoch), log) in logs.iter().filter(|(_, log)| log.effective_seq() > 0) {
        bytes.extend_from_slice(author.as_bytes());
        bytes.extend_from_slice(&epoch.0.to_be_bytes());
        bytes.extend_from_slice(&log.effective_seq().to_be_bytes());
        // A log that was cut short ends at a number; what is held beyond differs between nodes, and so
        // may the two branches of a forked one.
        if log.end.is_none() && !log.forked && !log.cut {
            bytes.extend_from_slice(log.durable.hash.as_bytes());
        }
    }
    for (subject, attestation) in attestations {
        bytes.extend_from_slice(subject.by.as_bytes());
        if let Some((author, epoch)) = subject.log {
            bytes.extend_from_slice(&codec::encode(&(author, epoch)));
        }
        bytes.extend_from_slice(&attestation.extent().to_be_bytes());
    }
    Hash::of("heads/v1", &[&bytes])
}

impl LogState {
    /// Whether nothing more of the log is taken, whoever has it: it is forked, or held to where it ends.
    pub(super) fn is_over(&self) -> bool {
        self.forked || self.end.is_some_and(|end| self.tentative.seq >= end)
    }

    /// The durable number that counts; none of a forked log's, which no two nodes need agree on.
    pub(super) fn effective_seq(&self) -> u64 {
        if self.forked {
            return 0;
        }
        self.end
            .map_or(self.durable.seq, |end| end.min(self.durable.seq))
    }
}

impl SpaceState {
    /// The heads to show a peer.
    pub(super) fn heads(&self) -> impl Iterator<Item = LogHead> {
        self.logs
            .iter()
            .filter(|(_, log)| log.durable.seq > 0)
            .map(|((author, epoch), log)| LogHead {
                author: *author,
                epoch: *epoch,
                head: log.durable,
                signature: log.signature,
            })
    }

    /// The newest attestation of each subject.
    pub(super) fn attestations(&self) -> impl Iterator<Item = &Attestation> {
        self.attestations.values()
    }

    /// Number of durable entries.
    pub(super) fn entries(&self) -> u64 {
        self.logs.values().map(|log| log.durable.seq).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_begins_so_many_logs_of_renewals_and_no_more() {
        let author = AuthorId::new([7; 32]);
        let log = |space, epoch| Log {
            space,
            author,
            epoch: Epoch(epoch),
        };
        let mut holdings = Holdings {
            clinic: ClinicId::new([1; 32]),
            spaces: BTreeMap::new(),
        };
        for epoch in 1..RENEWAL_LOGS_MAX as u64 {
            holdings.log_mut(&log(Space::Record, epoch));
        }
        let too_many = |holdings: &Holdings, space, epoch| {
            holdings.is_one_renewal_log_too_many(&log(space, epoch))
        };
        let next = RENEWAL_LOGS_MAX as u64;
        assert!(!too_many(&holdings, Space::Record, next));
        holdings.log_mut(&log(Space::Record, next));
        assert!(too_many(&holdings, Space::Record, next + 1));
        assert!(!too_many(&holdings, Space::Record, 5), "one that it has");
        let audit = Space::Audit(author.as_device());
        assert!(!too_many(&holdings, audit, next + 1), "other spaces");
    }
}
