//! The clinic record in the engine: statements are folded as they arrive, and what changes follows.

use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::Arc;

use crate::domain::audit::{Actor, AuditRecord, Deed, Origin};
use crate::domain::enforcement;
use crate::domain::id::{AuthorId, ClinicId, DeviceId, Hash};
use crate::domain::log::{Entry, Epoch, Log, SEGMENT_BYTES_MAX, Segment};
use crate::domain::record::{Clinic, Item, VoidReason};
use crate::domain::renewal::{Renewal, RenewalId, RenewalItem, is_renewer};
use crate::domain::space::Space;
use crate::domain::statement::{LogEnd, Statement, StatementId};
use crate::domain::time::{Day, Hlc};
use crate::domain::trust::MeshKey;

use super::link::Stage;
use super::{
    Changed, CommandRefusal, DeviceStanding, Effect, Engine, Job, LinkId, Load, Reply, Ticket,
};

/// Statements and what they make.
#[derive(Debug)]
pub(super) struct RecordState {
    items: Vec<Item>,
    /// The statements that revoke something, whether or not they count.
    revocations: BTreeSet<StatementId>,
    renewals: Vec<RenewalItem>,
    pub(super) clinic: Arc<Clinic>,
}

impl RecordState {
    /// Folds what the store holds.
    pub(super) fn new(
        clinic: ClinicId,
        bodies: Vec<(StatementId, Hlc, Vec<u8>)>,
        renewals: Vec<(RenewalId, Hlc, Vec<u8>)>,
    ) -> Self {
        let items: Vec<Item> = bodies
            .into_iter()
            .filter_map(|(id, time, body)| item(id, time, &body))
            .collect();
        let renewals: Vec<RenewalItem> = renewals
            .into_iter()
            .filter_map(|(id, time, body)| renewal(id, time, &body))
            .collect();
        Self {
            clinic: Arc::new(Clinic::fold_renewed(clinic, &items, &renewals)),
            revocations: revocations(&items).collect(),
            items,
            renewals,
        }
    }

    /// Whether a log by this key belongs in the record: a root's, or an admin's, of now or before.
    pub(super) fn knows_signer(&self, author: &AuthorId) -> bool {
        self.clinic.knows_signer(author)
    }

    /// Whether a log of the record belongs there: an admin's statements, or the renewals of a device that
    /// may renew, or might before it was revoked.
    pub(super) fn takes(&self, log: &Log) -> bool {
        if log.epoch == Epoch::RECORD {
            self.knows_signer(&log.author)
        } else {
            let device = self.clinic.devices.get(&log.author.as_device());
            device.is_some_and(|device| is_renewer(&device.certificate))
        }
    }

    /// Every statement held.
    pub(super) fn items(&self) -> &[Item] {
        &self.items
    }

    /// The statements of a log that revoke something, whether or not they count: those after one number
    /// up to another.
    pub(super) fn revocations(
        &self,
        author: AuthorId,
        after: u64,
        to: u64,
    ) -> impl Iterator<Item = StatementId> {
        let at = |seq| StatementId { author, seq };
        let between = (Bound::Excluded(at(after)), Bound::Included(at(to)));
        // Nothing lies between where the end comes before the beginning, and a range would panic.
        let range = (after < to).then(|| self.revocations.range(between));
        range.into_iter().flatten().copied()
    }

    fn add(&mut self, items: Vec<Item>) {
        self.revocations.extend(revocations(&items));
        self.items.extend(items);
        self.fold();
    }

    /// Takes renewals; those that are known are not taken twice.
    pub(super) fn add_renewals(&mut self, renewals: Vec<RenewalItem>) {
        let known: BTreeSet<RenewalId> = self.renewals.iter().map(|item| item.id).collect();
        let fresh = renewals
            .into_iter()
            .filter(|item| !known.contains(&item.id));
        let fresh: Vec<RenewalItem> = fresh.collect();
        self.renewals.extend(fresh);
        self.fold();
    }

    fn fold(&mut self) {
        let clinic = self.clinic.fold_again(&self.items, &self.renewals);
        self.clinic = Arc::new(clinic);
    }
}

/// The statements that revoke something.
fn revocations(items: &[Item]) -> impl Iterator<Item = StatementId> {
    let revoke = |item: &&Item| enforcement::revokes(&item.statement.act);
    items.iter().filter(revoke).map(|item| item.id)
}

/// The renewals in a segment of a device's log of the record.
pub(super) fn renewals(segment: &Segment) -> Vec<RenewalItem> {
    let entries = (segment.first..).zip(&segment.entries);
    let read = |(seq, entry): (u64, &crate::domain::log::Entry)| {
        let id = RenewalId {
            by: segment.log.author.as_device(),
            epoch: segment.log.epoch,
            seq,
        };
        renewal(id, entry.header.time, &entry.payload.as_ref()?.body)
    };
    entries.filter_map(read).collect()
}

fn renewal(id: RenewalId, time: Hlc, body: &[u8]) -> Option<RenewalItem> {
    let renewal = Renewal::from_body(body).ok()?;
    Some(RenewalItem { id, time, renewal })
}

fn item(id: StatementId, time: Hlc, body: &[u8]) -> Option<Item> {
    let statement = Statement::from_body(body).ok()?;
    Some(Item {
        id,
        time,
        statement,
    })
}

/// Reading the whole record for a face, one log after another.
#[derive(Debug)]
pub(super) struct RecordJob {
    ticket: Ticket,
    current: Log,
    next: u64,
    rest: Vec<Log>,
    found: Vec<Segment>,
}

impl Engine {
    /// Statements arrived and are accepted into their log.
    pub(super) fn record_arrived(&mut self, segment: &Segment) {
        if segment.log.epoch != Epoch::RECORD {
            self.renewals_arrived(renewals(segment));
            return;
        }
        let mut items = Vec::new();
        for (seq, entry) in (segment.first..).zip(&segment.entries) {
            let id = StatementId {
                author: segment.log.author,
                seq,
            };
            let Some(payload) = &entry.payload else {
                continue;
            };
            items.extend(item(id, entry.header.time, &payload.body));
        }
        let ids: Vec<StatementId> = items.iter().map(|item| item.id).collect();
        let before = self.record.clinic.clone();
        self.record.add(items);
        for id in ids {
            self.note_statement(id);
        }
        self.note_newly_void(&before);
        self.forget_ends(&before);
        self.leave_disbelieved_logs(&before);
        self.record_changed();
    }

    /// Logs of devices whose revocation is another one now, or void, or whose enrolment is: where they end
    /// is to be found anew.
    fn forget_ends(&mut self, before: &Clinic) {
        let after = self.record.clinic.clone();
        let changed = before.devices.iter().filter(|(id, device)| {
            let now = after.devices.get(id);
            now.and_then(|now| now.revocation.as_ref()) != device.revocation.as_ref()
        });
        let changed: BTreeSet<AuthorId> = changed.map(|(id, _)| AuthorId::from(*id)).collect();
        if changed.is_empty() {
            return;
        }
        for log in self.holdings.logs_where(|author| changed.contains(author)) {
            let state = self.holdings.log_mut(&log);
            (state.end, state.cut) = (None, false);
        }
    }

    fn note_statement(&mut self, id: StatementId) {
        let actor = Actor::Admin(id.author);
        let deed = Deed::Statement {
            author: id.author,
            seq: id.seq,
        };
        let record = if self.record.clinic.void.contains_key(&id) {
            AuditRecord::refused(actor, Origin::Mesh, deed)
        } else {
            AuditRecord::done(actor, Origin::Mesh, deed)
        };
        self.audit(record);
    }

    /// Statements that counted and count no more, because their signer was ended.
    fn note_newly_void(&mut self, before: &Clinic) {
        let after = self.record.clinic.clone();
        for id in after.void.keys().filter(|id| !before.void.contains_key(id)) {
            let known = self.holdings.durable(&record_log(id.author)) >= id.seq;
            if known {
                let deed = Deed::Statement {
                    author: id.author,
                    seq: id.seq,
                };
                self.audit(AuditRecord::refused(
                    Actor::Admin(id.author),
                    Origin::Mesh,
                    deed,
                ));
            }
        }
    }

    /// Everything that follows from the record as it is: trust, revocations, entitlements, keys.
    pub(super) fn record_changed(&mut self) {
        let clinic = self.record.clinic.clone();
        self.standing = match clinic.devices.get(&self.me) {
            None => DeviceStanding::Unknown,
            Some(device) if device.revocation.is_none() => DeviceStanding::Enrolled,
            Some(_) => DeviceStanding::Revoked,
        };
        self.holdings.forget_digests();
        self.forget_void_mesh_keys();
        self.publish_trust();
        self.publish_credentials();
        self.publish_wanted();
        self.judge_links();
        self.find_ends();
        self.wants.release();
        for id in self.links_where(|link| link.stage != Stage::Unlisted) {
            self.ask_for_mesh_keys(id);
        }
        self.compare_again();
        self.effects.push_back(Effect::Changed(Changed::Record));
    }

    fn publish_wanted(&mut self) {
        let nodes = self.record.clinic.nodes();
        let others = nodes.filter(|(id, _)| **id != self.me);
        let wanted = others
            .map(|(id, device)| (*id, device.address.clone()))
            .collect();
        self.effects.push_back(Effect::Wanted(wanted));
    }

    /// Offers may have changed on every link: compare digests again.
    fn compare_again(&mut self) {
        for id in self.links_where(|link| link.stage == Stage::All) {
            self.send_spaces(id);
        }
    }

    /// Looks for the end of every log of a revoked device that is held here.
    pub(super) fn find_ends(&mut self) {
        let clinic = self.record.clinic.clone();
        let is_revoked = |author: &AuthorId| clinic.revoked_at(author).is_some();
        for log in self.holdings.logs_where(is_revoked) {
            self.find_end(log);
        }
    }

    fn find_end(&mut self, log: Log) {
        let clinic = &self.record.clinic;
        let named = clinic.named_end(&log.author, &log.space, log.epoch);
        let at = clinic.revoked_at(&log.author);
        let state = self.holdings.log_mut(&log);
        state.cut |= at.is_some();
        match (named, at) {
            (Some(end), _) => state.end = Some(end),
            // Looked for again at every change: an earlier revocation may have come to light.
            (None, Some(at)) if state.time.wall() > at => {
                let load = Load::Segments {
                    log,
                    from: 1,
                    bytes: SEGMENT_BYTES_MAX,
                };
                self.load(Job::FindEnd { log }, load);
            }
            (None, _) => {}
        }
    }

    /// Headers of a revoked device's log were read: its end is the last entry from before.
    pub(super) fn on_end_found(&mut self, log: Log, segments: &[Segment]) {
        let clinic = &self.record.clinic;
        let named = clinic.named_end(&log.author, &log.space, log.epoch);
        let at = clinic.revoked_at(&log.author);
        // While the headers were read, a revocation that names the end may have arrived.
        let (Some(at), None) = (at, named) else {
            return;
        };
        let mut found = false;
        for segment in segments {
            found |= self.note_end_at(segment, at);
        }
        let Some(last) = segments.last() else { return };
        if !found {
            let load = Load::Segments {
                log,
                from: last.last() + 1,
                bytes: SEGMENT_BYTES_MAX,
            };
            self.load(Job::FindEnd { log }, load);
        }
    }

    /// Entries of an already revoked device were accepted: notes where they stop to count.
    pub(super) fn note_end(&mut self, segment: &Segment) {
        let Some(at) = self.record.clinic.revoked_at(&segment.log.author) else {
            return;
        };
        let log = &segment.log;
        self.holdings.log_mut(log).cut = true;
        match self
            .record
            .clinic
            .named_end(&log.author, &log.space, log.epoch)
        {
            Some(end) => self.holdings.log_mut(log).end = Some(end),
            None => drop(self.note_end_at(segment, at)),
        }
    }

    /// Says whether the segment goes beyond that moment.
    fn note_end_at(&mut self, segment: &Segment, at: crate::domain::time::WallTime) -> bool {
        let beyond = (segment.first..)
            .zip(&segment.entries)
            .find(|(_, e)| e.header.time.wall() > at);
        let state = self.holdings.log_mut(&segment.log);
        let Some((seq, _)) = beyond else {
            return false;
        };
        let end = state.end.map_or(seq - 1, |end| end.min(seq - 1));
        state.end = Some(end);
        true
    }

    /// Segments signed by an admin on this machine.
    pub(super) fn on_submit(
        &mut self,
        ticket: Ticket,
        segments: Vec<Segment>,
        mesh_keys: Vec<(u32, MeshKey)>,
    ) {
        let mut ids = Vec::new();
        for segment in segments {
            match self.submit(segment) {
                Ok(found) => ids.extend(found),
                Err(why) => {
                    self.refuse(ticket, why);
                    return;
                }
            }
        }
        for (epoch, key) in mesh_keys {
            self.on_mesh_key(epoch, key);
        }
        let void: Vec<(StatementId, VoidReason)> = ids
            .into_iter()
            .filter_map(|id| Some((id, *self.record.clinic.void.get(&id)?)))
            .collect();
        self.batch.reply(ticket, Reply::Submitted(void));
    }

    fn submit(&mut self, segment: Segment) -> Result<Vec<StatementId>, CommandRefusal> {
        let bad = |why: &str| CommandRefusal::BadSegment(why.to_owned());
        let log = segment.log;
        if log.space != Space::Record || log.epoch != Epoch::RECORD {
            return Err(bad("it is not of the clinic record"));
        }
        if !self.record.knows_signer(&log.author) {
            return Err(bad("its signer is not an admin of this clinic"));
        }
        if segment.first == 0 || segment.entries.is_empty() {
            return Err(bad("it holds no statement"));
        }
        let lasts = |entry: &Entry| entry.header.last_day == Day::NEVER;
        if !segment.entries.iter().all(lasts) {
            return Err(bad(
                "a statement in it is to be destroyed one day; statements are kept",
            ));
        }
        let head = self.holdings.head(&log);
        if self.holdings.log(&log).is_some_and(|state| state.forked) {
            return Err(bad("the signer's log is forked and quarantined"));
        }
        let Some(segment) = segment.after(&self.clinic_id, head) else {
            return Ok(Vec::new());
        };
        let earliest = self.holdings.log(&log).map_or(Hlc(0), |state| state.time);
        if segment.first != head.seq + 1 || segment.previous != head.hash {
            return Err(bad(
                "it does not follow the newest statement of its signer; fetch the record first",
            ));
        }
        let end = segment
            .verify(&self.clinic_id, earliest)
            .map_err(|why| bad(&why.to_string()))?;
        if segment
            .entries
            .iter()
            .any(|entry| entry.header.time.too_far_ahead(self.now.wall))
        {
            return Err(bad("it is dated too far ahead of this node's clock"));
        }
        if segment
            .entries
            .iter()
            .any(|entry| !is_statement(entry.payload.as_ref()))
        {
            return Err(bad("a body is not a statement"));
        }
        let ids = (segment.first..=segment.last()).map(|seq| StatementId {
            author: log.author,
            seq,
        });
        let ids: Vec<StatementId> = ids.collect();
        self.append_submitted(segment, end);
        Ok(ids)
    }

    fn append_submitted(&mut self, segment: Segment, end: crate::domain::log::Head) {
        let log = segment.log;
        if let Some(entry) = segment.entries.last() {
            self.clock.observe(entry.header.time);
            let state = self.holdings.log_mut(&log);
            state.tentative = end;
            state.time = entry.header.time;
        }
        self.record_arrived(&segment);
        self.batch.receive(LinkId(u64::MAX), Arc::new(segment), end);
        // What an admin brings may be all that a peer was still waited for.
        self.check_all_stages();
    }

    /// Reads the whole record for a face.
    pub(super) fn on_record(&mut self, ticket: Ticket) {
        let mut rest = self.holdings.logs_of(&Space::Record);
        // An admin's tools check what admins signed; renewals are the nodes' own business.
        rest.retain(|log| log.epoch == Epoch::RECORD);
        let Some(current) = rest.pop() else {
            self.reply(ticket, Reply::Record(Vec::new()));
            return;
        };
        self.read_record(RecordJob {
            ticket,
            current,
            next: 1,
            rest,
            found: Vec::new(),
        });
    }

    fn read_record(&mut self, mut job: RecordJob) {
        while job.next > self.holdings.durable(&job.current) {
            let Some(log) = job.rest.pop() else {
                self.reply(job.ticket, Reply::Record(job.found));
                return;
            };
            (job.current, job.next) = (log, 1);
        }
        let load = Load::Segments {
            log: job.current,
            from: job.next,
            bytes: SEGMENT_BYTES_MAX,
        };
        let ticket = job.ticket;
        if self.load(Job::Record(job), load).is_none() {
            self.refuse(ticket, CommandRefusal::Busy);
        }
    }

    /// Part of the record was read.
    pub(super) fn on_record_loaded(&mut self, mut job: RecordJob, segments: Vec<Segment>) {
        let Some(last) = segments.last().map(Segment::last) else {
            self.refuse(job.ticket, CommandRefusal::Unknown("statement"));
            return;
        };
        job.next = last + 1;
        job.found.extend(segments);
        self.read_record(job);
    }

    /// Where the logs of a device end here.
    pub(super) fn ends_of(&self, device: &DeviceId) -> Vec<LogEnd> {
        let logs = self.holdings.logs_by(&AuthorId::from(*device));
        let held = logs.into_iter().filter(|(_, state)| state.durable.seq > 0);
        let end = |(log, state): (Log, super::holdings::LogState)| LogEnd {
            space: log.space,
            epoch: log.epoch,
            seq: state.durable.seq,
        };
        held.map(end).collect()
    }

    /// Digest of the record as held.
    pub(super) fn record_digest(&self) -> Hash {
        self.holdings.record_digest()
    }
}

fn record_log(author: AuthorId) -> Log {
    Log {
        space: Space::Record,
        author,
        epoch: Epoch::RECORD,
    }
}

fn is_statement(payload: Option<&crate::domain::log::Payload>) -> bool {
    payload.is_some_and(|payload| Statement::from_body(&payload.body).is_ok())
}
