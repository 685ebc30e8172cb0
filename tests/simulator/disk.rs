//! A disk that exists only in memory: what is durable at one node, and nothing else.
//!
//! It does plainly what the store promises: applies a commit whole or not at all, answers readings
//! from what is durable, and destroys bodies when told. A copy of it is a snapshot.

use std::collections::BTreeMap;
use std::sync::Arc;

use clinic_mesh::domain::attest::{Attestation, Subject};
use clinic_mesh::domain::audit::{AuditRecord, opened_last};
use clinic_mesh::domain::id::{AuthorId, ClinicId, DeviceId, SpaceId, StaffId};
use clinic_mesh::domain::log::{Entry, Epoch, Head, Header, Log, Segment};
use clinic_mesh::domain::message::{EntryId, Message, Position, StaffItem};
use clinic_mesh::domain::renewal::RenewalId;
use clinic_mesh::domain::retraction::Retraction;
use clinic_mesh::domain::sighting::Sighting;
use clinic_mesh::domain::sign::{Signature, SigningKey};
use clinic_mesh::domain::space::Space;
use clinic_mesh::domain::statement::StatementId;
use clinic_mesh::domain::time::{Day, Hlc};
use clinic_mesh::domain::trust::MeshKey;
use clinic_mesh::domain::words::Query;
use clinic_mesh::node::engine::{Boot, BootLog, Candidates, Commit, Load, Loaded};

/// What is said when a commit moves the horizon back.
pub(crate) const GOES_BACK: &str = "the horizon goes back";

/// Everything durable at one node.
#[derive(Clone, Default)]
pub(crate) struct Disk {
    /// Logs by name.
    pub(crate) logs: BTreeMap<Log, StoredLog>,
    /// The newest attestation of each subject.
    pub(crate) attestations: BTreeMap<Subject, Attestation>,
    /// Mesh keys by epoch.
    pub(crate) mesh_keys: BTreeMap<u32, MeshKey>,
    /// First day still alive.
    pub(crate) horizon: Day,
    /// What was taken back.
    pub(crate) retractions: Vec<Retraction>,
    /// What is remembered of other nodes.
    pub(crate) sightings: BTreeMap<DeviceId, Sighting>,
}

/// One log.
#[derive(Clone)]
pub(crate) struct StoredLog {
    /// As they were appended.
    pub(crate) rows: Vec<Arc<Segment>>,
    /// The newest entry.
    pub(crate) head: Head,
    /// Header hash of every entry, the first at index 0.
    pub(crate) hashes: Vec<clinic_mesh::domain::id::Hash>,
    /// The author's signature over the head.
    pub(crate) signature: Signature,
    /// Whether a fork was found.
    pub(crate) forked: bool,
}

impl StoredLog {
    fn empty() -> Self {
        Self {
            rows: Vec::new(),
            head: Head::EMPTY,
            hashes: Vec::new(),
            signature: Signature::new([0; 64]),
            forked: false,
        }
    }

    /// Every entry with its number.
    pub(crate) fn entries(&self) -> impl DoubleEndedIterator<Item = (u64, &Entry)> {
        self.rows
            .iter()
            .flat_map(|row| (row.first..).zip(row.entries.iter()).collect::<Vec<_>>())
    }
}

impl Disk {
    /// Applies a commit; says what does not fit, which a sound engine never asks for.
    pub(crate) fn apply(&mut self, clinic: &ClinicId, commit: &Commit) -> Result<(), String> {
        for segment in &commit.segments {
            self.append(clinic, segment)?;
        }
        for attestation in &commit.attestations {
            self.attestations
                .insert(attestation.subject(), *attestation);
        }
        for fork in &commit.forks {
            self.logs
                .entry(fork.log)
                .or_insert_with(StoredLog::empty)
                .forked = true;
        }
        self.mesh_keys.extend(commit.mesh_keys.iter().cloned());
        self.sightings.extend(commit.sightings.iter().cloned());
        if let Some(horizon) = commit.horizon {
            if horizon < self.horizon {
                return Err(GOES_BACK.into());
            }
            self.horizon = horizon;
        }
        for space in &commit.drops {
            self.logs.retain(|log, _| log.space != *space);
            self.attestations
                .retain(|subject, _| subject.space != *space);
        }
        self.retractions.extend(commit.retractions.iter().cloned());
        self.take_back();
        Ok(())
    }

    /// Destroys every body that was taken back.
    fn take_back(&mut self) {
        for entry in self.retractions.iter().flat_map(Retraction::entries) {
            let rows = self.logs.get_mut(&entry.log()).map(|log| &mut log.rows);
            let holds = |row: &&mut Arc<Segment>| (row.first..=row.last()).contains(&entry.seq);
            if let Some(row) = rows.into_iter().flatten().find(holds) {
                let at = (entry.seq - row.first) as usize;
                Arc::make_mut(row).entries[at].payload = None;
            }
        }
    }

    fn append(&mut self, clinic: &ClinicId, segment: &Arc<Segment>) -> Result<(), String> {
        let log = self
            .logs
            .entry(segment.log)
            .or_insert_with(StoredLog::empty);
        if segment.before() != log.head {
            return Err(format!(
                "entries from {} do not follow {}",
                segment.first, log.head.seq
            ));
        }
        let tag = segment.log.tag(clinic);
        let mut at = log.head;
        for entry in &segment.entries {
            at = clinic_mesh::domain::log::chain(&tag, at, std::iter::once(&entry.header));
            log.hashes.push(at.hash);
        }
        log.head = at;
        log.signature = segment.signature;
        log.rows.push(segment.clone());
        Ok(())
    }

    /// Destroys every body whose last day is before `horizon`.
    pub(crate) fn purge(&mut self, horizon: Day) {
        let over = |row: &Segment| {
            row.entries
                .iter()
                .any(|entry| entry.payload.is_some() && entry.header.last_day < horizon)
        };
        for row in self.logs.values_mut().flat_map(|log| &mut log.rows) {
            if !over(row) {
                continue;
            }
            for entry in &mut Arc::make_mut(row).entries {
                if entry.header.last_day < horizon {
                    entry.payload = None;
                }
            }
        }
    }

    /// What a node starts with.
    pub(crate) fn boot(&self, clinic: ClinicId, key: &SigningKey, seed: [u8; 32]) -> Boot {
        Boot {
            clinic,
            key: key.clone(),
            logs: self.boot_logs(),
            statements: self.statements(),
            renewals: self.renewals(),
            staff_items: self.staff_items(),
            attestations: self.attestations.values().copied().collect(),
            mesh_keys: self.mesh_keys.clone(),
            horizon: self.horizon,
            retractions: self.retractions.clone(),
            sightings: self.sightings.clone().into_iter().collect(),
            opened_last: self.opened_last(key.id().as_device()),
            seed,
        }
    }

    fn opened_last(&self, device: DeviceId) -> BTreeMap<StaffId, SpaceId> {
        let space = Space::Audit(device);
        let trail = self.of_space(&space);
        let mut records: Vec<(Hlc, AuditRecord)> = trail
            .flat_map(|(_, stored)| stored.entries())
            .filter_map(|(_, entry)| {
                let body = &entry.payload.as_ref()?.body;
                Some((entry.header.time, AuditRecord::from_body(body).ok()?))
            })
            .collect();
        records.sort_by_key(|(time, _)| std::cmp::Reverse(*time));
        opened_last(records.into_iter().map(|(_, record)| record))
    }

    fn boot_logs(&self) -> Vec<BootLog> {
        let boot = |(log, stored): (&Log, &StoredLog)| BootLog {
            log: *log,
            head: stored.head,
            time: stored
                .entries()
                .next_back()
                .map_or(Hlc(0), |(_, entry)| entry.header.time),
            signature: stored.signature,
            forked: stored.forked,
        };
        self.logs.iter().map(boot).collect()
    }

    /// Bodies of the clinic record.
    pub(crate) fn statements(&self) -> Vec<(StatementId, Hlc, Vec<u8>)> {
        let mut found = Vec::new();
        for (log, stored) in self.of_space(&Space::Record) {
            if log.epoch != Epoch::RECORD {
                continue;
            }
            for (seq, entry) in stored.entries() {
                let Some(payload) = &entry.payload else {
                    continue;
                };
                let id = StatementId {
                    author: log.author,
                    seq,
                };
                found.push((id, entry.header.time, payload.body.clone()));
            }
        }
        found
    }

    /// Bodies of devices' logs in the clinic record.
    pub(crate) fn renewals(&self) -> Vec<(RenewalId, Hlc, Vec<u8>)> {
        let mut found = Vec::new();
        let records = self.of_space(&Space::Record);
        for (log, stored) in records.filter(|(log, _)| log.epoch != Epoch::RECORD) {
            let (by, epoch) = (log.author.as_device(), log.epoch);
            for (seq, entry) in stored.entries() {
                let body = entry.payload.as_ref().map(|payload| payload.body.clone());
                let id = RenewalId { by, epoch, seq };
                found.extend(body.map(|body| (id, entry.header.time, body)));
            }
        }
        found
    }

    fn staff_items(&self) -> Vec<(StaffId, Position, StaffItem)> {
        let mut found = Vec::new();
        for (log, stored) in &self.logs {
            let Space::Staff(staff) = log.space else {
                continue;
            };
            for (seq, entry) in stored.entries() {
                let item = entry
                    .payload
                    .as_ref()
                    .and_then(|payload| StaffItem::from_body(&payload.body).ok());
                let position = Position {
                    time: entry.header.time,
                    author: log.author,
                    epoch: log.epoch,
                    seq,
                };
                found.extend(item.map(|item| (staff, position, item)));
            }
        }
        found
    }

    /// The logs of one space.
    pub(crate) fn of_space(&self, space: &Space) -> impl Iterator<Item = (&Log, &StoredLog)> {
        let first = Log {
            space: *space,
            author: AuthorId::new([0; 32]),
            epoch: Epoch(0),
        };
        let space = *space;
        self.logs
            .range(first..)
            .take_while(move |(log, _)| log.space == space)
    }

    /// Answers a reading with at most `rows` rows of a log.
    pub(crate) fn load(&self, load: &Load, rows: usize) -> Loaded {
        match load {
            Load::Segments { log, from, bytes } => {
                Loaded::Segments(self.segments(log, *from, *bytes, rows))
            }
            Load::HashAt { log, seq } => {
                let hashes = self.logs.get(log).map(|stored| &stored.hashes);
                let at = usize::try_from(seq.wrapping_sub(1)).unwrap_or(usize::MAX);
                Loaded::HashAt(hashes.and_then(|hashes| hashes.get(at).copied()))
            }
            Load::Page {
                space,
                before,
                limit,
            } => Loaded::Page(self.page(space, *before, *limit)),
            Load::Facts { space } => Loaded::Facts(self.facts(space)),
            Load::Search {
                query,
                spaces,
                before,
                limit,
            } => Loaded::Found(self.search(query, spaces, *before, *limit)),
            Load::Entries { ids } => Loaded::Entries(self.some(ids)),
        }
    }

    /// Rows from the one that holds `from` on; the first may begin before it.
    fn segments(&self, log: &Log, from: u64, bytes: usize, most: usize) -> Vec<Segment> {
        let mut found = Vec::new();
        let mut size = 0;
        let rows = self.logs.get(log).map_or(&[][..], |stored| &stored.rows);
        for row in rows.iter().filter(|row| row.last() >= from).take(most) {
            size += row.body_bytes();
            found.push(Segment::clone(row));
            if size >= bytes {
                break;
            }
        }
        found
    }

    fn page(&self, space: &Space, before: Option<Position>, limit: usize) -> Vec<(EntryId, Entry)> {
        let mut found = Vec::new();
        for (log, stored) in self.of_space(space) {
            for (seq, entry) in stored.entries() {
                let at = Position {
                    time: entry.header.time,
                    author: log.author,
                    epoch: log.epoch,
                    seq,
                };
                if before.is_none_or(|before| at < before) {
                    found.push((at, EntryId::new(log, seq), entry.clone()));
                }
            }
        }
        found.sort_by_key(|(at, ..)| std::cmp::Reverse(*at));
        found.truncate(limit);
        found
            .into_iter()
            .map(|(_, id, entry)| (id, entry))
            .collect()
    }

    /// Everything in a space, oldest first and without its words.
    fn facts(&self, space: &Space) -> Vec<(EntryId, Header, Message)> {
        let mut all = self.page(space, None, usize::MAX);
        all.reverse();
        let fact = |(id, entry): &(EntryId, Entry)| {
            let body = &entry.payload.as_ref()?.body;
            let message = Message::from_body(space, body).ok()?;
            Some((*id, entry.header, message.without_words()))
        };
        all.iter().filter_map(fact).collect()
    }

    /// Messages that say something, or once did.
    fn search(
        &self,
        query: &Query,
        spaces: &[Space],
        before: Option<Position>,
        limit: usize,
    ) -> Candidates {
        let all = spaces
            .iter()
            .flat_map(|space| self.page(space, before, usize::MAX));
        let said = |(id, entry): (EntryId, Entry)| {
            let body = &entry.payload.as_ref()?.body;
            match Message::from_body(&id.space, body).ok()? {
                Message::Text { text, .. } => query.fits(&text).then_some(id),
                Message::Amended { text, entry, .. } => query.fits(&text).then_some(entry),
                _ => None,
            }
        };
        let ids: Vec<EntryId> = all.filter_map(said).take(limit).collect();
        Candidates {
            entries: self.some(&ids),
            more: None,
            complete: true,
        }
    }

    fn some(&self, ids: &[EntryId]) -> Vec<(EntryId, Entry)> {
        let found = |id: &EntryId| {
            let stored = self.logs.get(&id.log())?;
            let (_, entry) = stored.entries().find(|(seq, _)| *seq == id.seq)?;
            Some((*id, entry.clone()))
        };
        ids.iter().filter_map(found).collect()
    }
}
