//! Refusals of peers in the audit trail.
//!
//! The first of a kind is recorded at once, those after it as a number once a minute: whoever is turned away
//! again and again fills no trail.

use std::time::Duration;

use crate::domain::audit::{Actor, AuditRecord, Deed, Origin};
use crate::domain::id::DeviceId;
use crate::domain::trust::Refusal;

use super::Engine;

/// How long refusals of one kind are counted before they are recorded again.
const REFUSALS: Duration = Duration::from_secs(60);

impl Engine {
    /// Counts a refusal; the first of its kind is recorded at once, the rest once a minute.
    pub(super) fn count_refusal(&mut self, peer: Option<DeviceId>, why: Refusal) {
        let known = peer.filter(|peer| self.record.clinic.devices.contains_key(peer));
        let key = (known, why);
        match self.refusals.get_mut(&key) {
            Some((_, count)) => *count = count.saturating_add(1),
            None => {
                self.refusals.insert(key, (self.now.mono, 0));
                self.note_refusal(known, why, 1);
            }
        }
    }

    pub(super) fn flush_refusals(&mut self) {
        let now = self.now.mono;
        let due: Vec<_> = self
            .refusals
            .iter()
            .filter(|(_, (since, _))| now.saturating_sub(*since) >= REFUSALS)
            .map(|(key, (_, count))| (*key, *count))
            .collect();
        for (key, count) in due {
            self.refusals.remove(&key);
            if count > 0 {
                self.note_refusal(key.0, key.1, count);
            }
        }
    }

    fn note_refusal(&mut self, peer: Option<DeviceId>, why: Refusal, count: u32) {
        let actor = peer.map_or(Actor::Stranger, Actor::Device);
        self.audit(AuditRecord::refused(
            actor,
            Origin::Mesh,
            Deed::PeerRefused { why, count },
        ));
    }
}
