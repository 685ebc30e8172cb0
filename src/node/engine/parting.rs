//! Parting from a device that is revoked: the last it is given is what revokes it.
//!
//! Nobody else would tell it, since nobody speaks to it any more, and the logins at its own page would go on.
//! From the moment on at which a node knows, nothing else passes; the statement leaves when it is durable here, and
//! then the channel is closed. Only who has everything before it can take it: another learns the reason of the
//! closing alone.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use crate::domain::id::{AuthorId, DeviceId};
use crate::domain::log::Segment;
use crate::domain::record::Clinic;
use crate::domain::statement::{Act, Statement};
use crate::domain::trust::Refusal;
use crate::planted::planted;
use crate::wire::Frame;

use super::link::Stage;
use super::{Effect, Engine, LinkId};

/// How long parting may take, from the moment at which the revocation is known.
///
/// Two seconds: one for the disk, and one in which what is left is sent. Then the channel is cut.
const PARTING: Duration = Duration::from_secs(2);

/// The channels on which revoked devices are still given what revokes them, and until when.
///
/// As many as there were channels at the most.
#[derive(Debug, Default)]
pub(super) struct Partings(BTreeMap<LinkId, Duration>);

impl Partings {
    /// When the next of them has taken too long.
    pub(super) fn next_due(&self) -> Option<Duration> {
        self.0.values().min().copied()
    }

    /// Whether every such channel is closed.
    pub(super) fn are_over(&self) -> bool {
        self.0.is_empty()
    }
}

impl Engine {
    /// Lets go of each channel to a device that this segment of an admin's log revokes, and keeps the segment for it.
    pub(super) fn part_from_the_revoked(&mut self, segment: &Segment, before: &Clinic) {
        let named = revoked_by(segment);
        let newly = |peer: &DeviceId| {
            let author = AuthorId::from(*peer);
            let clinic = &self.record.clinic;
            clinic.revoked_at(&author).is_some() && before.revoked_at(&author).is_none()
        };
        let parted = self.links_where(|link| {
            let known = link.peer_log(&segment.log);
            let level = known.has.max(known.sent).saturating_add(1) == segment.first;
            let given = link.stage != Stage::Unlisted && !link.sending.contains_key(&segment.log);
            given && level && named.contains(&link.peer) && newly(&link.peer)
        });
        let segment = Arc::new(segment.clone());
        for id in parted {
            let Some(peer) = self.links.get(&id).map(|link| link.peer) else {
                continue;
            };
            self.let_go(id, Refusal::Revoked);
            self.effects.push_back(Effect::Silence { link: id });
            // One after another is parted from within the same two seconds: handshakes are judged anew then.
            let until = self.partings.next_due();
            let until = until.unwrap_or(self.now.mono + PARTING);
            self.partings.0.insert(id, until);
            self.batch.partings.push((id, peer, segment.clone()));
            if planted!("parts-before-durable") {
                self.part(id, &peer, segment.clone());
            }
        }
    }

    /// What revokes the peer is durable: it is sent, and nothing after it. If it counts no more by now, because who
    /// signed it was ended, the channel is closed all the same and the peer let in anew.
    pub(super) fn part(&mut self, link: LinkId, peer: &DeviceId, segment: Arc<Segment>) {
        if !self.partings.0.contains_key(&link) {
            return;
        }
        let why = Refusal::Revoked;
        if self
            .record
            .clinic
            .revoked_at(&AuthorId::from(*peer))
            .is_some()
        {
            let bye = Frame::Bye { code: why.code() };
            for frame in [Frame::Entries(segment), bye] {
                self.effects.push_back(Effect::Send { link, frame });
            }
        }
        self.effects.push_back(Effect::Close { link, why });
    }

    /// The channel is closed.
    pub(super) fn parted(&mut self, id: LinkId) {
        if self.partings.0.remove(&id).is_some() {
            self.trust_again();
        }
    }

    /// Who took too long learns the reason of the closing alone.
    pub(super) fn check_partings(&mut self) {
        let now = self.now.mono;
        let due = self.partings.0.iter().filter(|(_, until)| **until <= now);
        let due: Vec<LinkId> = due.map(|(id, _)| *id).collect();
        for link in due {
            let why = Refusal::Revoked;
            self.effects.push_back(Effect::Close { link, why });
            self.parted(link);
        }
    }

    /// What was kept from those who judge the handshakes.
    fn trust_again(&mut self) {
        if self.partings.are_over() {
            self.effects.push_back(Effect::Trust(self.trust.clone()));
        }
    }
}

/// The devices that the end of a segment of an admin's log revokes, if its signer may. What is signed after that is
/// none of theirs.
fn revoked_by(segment: &Segment) -> BTreeSet<DeviceId> {
    let statements = segment.entries.iter().rev().map(|entry| {
        let body = &entry.payload.as_ref()?.body;
        Statement::from_body(body).ok()
    });
    let named = statements.map_while(|statement| match statement?.act {
        Act::DeviceRevoked { revocation } => Some(revocation.device),
        _ => None,
    });
    named.collect()
}
