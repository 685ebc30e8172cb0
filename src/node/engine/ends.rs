//! Where the logs of revoked devices end: what was written after the revocation does not count.

use std::collections::BTreeSet;

use super::holdings::LogState;
use super::{Engine, Job, Load};
use crate::domain::id::{AuthorId, DeviceId};
use crate::domain::log::{Log, SEGMENT_BYTES_MAX, Segment};
use crate::domain::record::Clinic;
use crate::domain::statement::LogEnd;
use crate::domain::time::WallTime;

impl Engine {
    /// Logs of devices whose revocation is another one now, or void, or whose enrolment is: where they end
    /// is to be found anew.
    pub(super) fn forget_ends(&mut self, before: &Clinic) {
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
    fn note_end_at(&mut self, segment: &Segment, at: WallTime) -> bool {
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

    /// Where the logs of a device end here.
    pub(super) fn ends_of(&self, device: &DeviceId) -> Vec<LogEnd> {
        let logs = self.holdings.logs_by(&AuthorId::from(*device));
        let held = logs.into_iter().filter(|(_, state)| state.durable.seq > 0);
        let end = |(log, state): (Log, LogState)| LogEnd {
            space: log.space,
            epoch: log.epoch,
            seq: state.durable.seq,
        };
        held.map(end).collect()
    }
}
