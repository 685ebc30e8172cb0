//! The clinic record in the engine: statements are folded as they arrive, and what changes follows.

use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::Arc;

use crate::domain::audit::{Actor, AuditRecord, Deed, Origin};
use crate::domain::enforcement;
use crate::domain::id::{AuthorId, ClinicId, Hash};
use crate::domain::log::{Epoch, Log, SEGMENT_BYTES_MAX, Segment};
use crate::domain::record::{Clinic, Item};
use crate::domain::renewal::{Renewal, RenewalId, RenewalItem, is_renewer};
use crate::domain::space::Space;
use crate::domain::statement::{Statement, StatementId};
use crate::domain::time::Hlc;

use super::link::Stage;
use super::{Changed, CommandRefusal, DeviceStanding, Effect, Engine, Job, Load, Reply, Ticket};

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
        self.part_from_the_revoked(segment, &before);
        self.record_changed();
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
