//! Statements that were signed on this machine: an admin's tools submit them, and hear what became of them.

use std::sync::Arc;

use super::{CommandRefusal, Engine, LinkId, Reply, Ticket};
use crate::domain::log::{Entry, Epoch, Head, Payload, Segment};
use crate::domain::record::VoidReason;
use crate::domain::space::Space;
use crate::domain::statement::{Statement, StatementId};
use crate::domain::time::{Day, Hlc};
use crate::domain::trust::MeshKey;

impl Engine {
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

    fn append_submitted(&mut self, segment: Segment, end: Head) {
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
}

fn is_statement(payload: Option<&Payload>) -> bool {
    payload.is_some_and(|payload| Statement::from_body(&payload.body).is_ok())
}
