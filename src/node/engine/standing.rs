//! What the record makes of the peers at open channels.
//!
//! The handshake judges who gets a channel. Whatever the record learns after that counts for the channels
//! that are open: who is revoked is cut off, who lost what vouches for it goes too, and who could only
//! explain itself is a peer like any other once the record agrees.

use std::sync::Arc;

use crate::domain::cert::Certificate;
use crate::domain::mesh_keys::AcceptedKeys;
use crate::domain::trust::{Issuer, Reach, Refusal};
use crate::planted::planted;

use super::link::Stage;
use super::{Changed, DeviceStanding, Effect, Engine, LinkId};

impl Engine {
    pub(super) fn publish_trust(&mut self) {
        let digest = self.holdings.record_digest();
        let clinic = &self.record.clinic;
        let keys = AcceptedKeys::at(self.key_time(), &clinic.mesh_keys, &self.mesh_keys);
        let view = clinic.trust(self.me, keys, digest);
        self.trust = Arc::new(view);
        // Who judges the handshakes would cut at once also whoever is being parted from.
        if self.partings.are_over() {
            self.effects.push_back(Effect::Trust(self.trust.clone()));
        }
    }

    /// What the record says of a peer at this moment. A device that is revoked itself gives nothing to anybody.
    pub(super) fn verdict(
        &self,
        certificate: &Certificate,
        issuer: &Issuer,
    ) -> Result<Reach, Refusal> {
        self.trust.vouched(certificate, issuer)
    }

    /// Judges every channel by the record as it is.
    pub(super) fn judge_links(&mut self) {
        for id in self.links_where(|_| true) {
            self.judge_link(id);
        }
        if self.standing == DeviceStanding::Revoked {
            self.effects.push_back(Effect::Changed(Changed::Revoked));
        }
    }

    /// Closes a channel whose peer the record refuses, and opens one up whose peer it knows by now.
    pub(super) fn judge_link(&mut self, id: LinkId) {
        let Some(link) = self.links.get(&id) else {
            return;
        };
        match (self.verdict(&link.certificate, &link.issuer), link.stage) {
            (Err(_), _) if planted!("revoked-keeps-its-links") => {}
            (Err(why), _) => {
                self.effects.push_back(Effect::Silence { link: id });
                self.close(id, why);
            }
            // What was given so far is given no longer; the next handshake says how much passes.
            (Ok(Reach::Unlisted), Stage::Record | Stage::RecordOnly | Stage::All) => {
                self.close(id, Refusal::Aged);
            }
            (Ok(Reach::All), Stage::Unlisted) => self.list_link(id),
            // A device that the record has come to list is believed from here on.
            (Ok(_), _) => self.exchange_conditions(id),
        }
    }

    /// The channel is like any other from here on.
    fn list_link(&mut self, id: LinkId) {
        let Some(link) = self.links.get_mut(&id) else {
            return;
        };
        link.stage = if link.old_mesh_key {
            Stage::RecordOnly
        } else {
            Stage::Record
        };
        let peer = link.peer;
        self.note_accepted(peer);
        self.open_record(id);
        self.check_stage(id);
        self.exchange_conditions(id);
    }

    /// Whether nothing is given on a channel yet.
    pub(super) fn is_unlisted(&self, id: LinkId) -> bool {
        let link = self.links.get(&id);
        link.is_some_and(|link| link.stage == Stage::Unlisted)
    }
}
