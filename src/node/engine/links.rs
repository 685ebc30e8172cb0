//! The open channels: opening, what arrives on them, silence and closing.
//!
//! A frame of a channel that is not open any more is dropped, and whoever is silent for too long is closed.
//! What a peer may be given is the record's word at that moment (see [`super::standing`]), never what it
//! was when the channel opened.

use std::time::Duration;

use crate::domain::audit::{Actor, Deed, Origin};
use crate::domain::id::DeviceId;
use crate::domain::space::Space;
use crate::domain::time::WallTime;
use crate::domain::trust::{MeshKey, Refusal};
use crate::wire::{self, Frame};

use super::link::{Link, Stage};
use super::{Changed, Effect, Engine, LinkId, renewal};

/// Silence after which we say that we are here.
const BEAT: Duration = Duration::from_secs(4);

/// How often a peer is told our clock, however busy the channel is.
///
/// Ten minutes: a peer believes a report for an hour ([`crate::domain::purge::REPORT_MAX_AGE`]), and
/// needs one at midnight to end the day.
const TELL: Duration = Duration::from_secs(10 * 60);

/// Silence after which a peer counts as gone: three beats and a little. A killed peer is noticed
/// within 15 seconds.
const SILENCE: Duration = Duration::from_secs(13);

/// How often digests are compared again on an open channel, should anything have been missed.
const COMPARE: Duration = Duration::from_secs(60);

impl Engine {
    pub(super) fn on_link_up(&mut self, id: LinkId, link: Link) {
        let (peer, stage) = (link.peer, link.stage);
        self.shut_out = None;
        if let Err(why) = self.verdict(&link.certificate, &link.issuer) {
            self.effects.push_back(Effect::Close { link: id, why });
            return;
        }
        self.links.insert(id, link);
        if stage != Stage::Unlisted {
            self.note_accepted(peer);
        }
        self.effects
            .push_back(Effect::Changed(Changed::Connected { peer }));
        self.send(
            id,
            Frame::Hello {
                version: wire::VERSION,
                now: self.now.wall,
            },
        );
        // The record may have learnt more since the handshake.
        self.judge_link(id);
        if stage != Stage::Unlisted && self.links.contains_key(&id) {
            self.open_record(id);
        }
    }

    /// From here on a device takes part; whoever may only explain itself does not, and is not said to.
    pub(super) fn note_accepted(&mut self, peer: DeviceId) {
        self.note(Actor::Device(peer), Origin::Mesh, Deed::PeerAccepted);
    }

    /// The record may pass both ways from here on.
    pub(super) fn open_record(&mut self, id: LinkId) {
        self.announce_all(id, Space::Record);
        self.ask_for_mesh_keys(id);
    }

    pub(super) fn on_frame(&mut self, id: LinkId, frame: Frame) {
        let now = self.now.mono;
        let Some(link) = self.links.get_mut(&id) else {
            return;
        };
        link.heard = now;
        link.telling.note(&frame);
        match link.stage {
            // Whoever only may explain itself is no company: it tells no time, and must not put off the rule
            // that whoever hears nobody for a day ends days by its own clock.
            Stage::Unlisted if !renewal::may_explain(&frame, &link.peer) => return,
            Stage::Unlisted => {}
            Stage::Record | Stage::RecordOnly | Stage::All => self.heard = now,
        }
        self.sight(id);
        match frame {
            Frame::Hello { version: _, now } => {
                self.note_clock(id, now);
                self.exchange_conditions(id);
            }
            Frame::Beat { now } => self.note_clock(id, now),
            Frame::Spaces { digests, more } => self.on_spaces(id, digests, more),
            Frame::Heads { space, heads } => self.on_heads(id, space, &heads),
            Frame::Want { log, from, credit } => self.on_want(id, log, from, credit),
            Frame::More { log, credit } => self.on_more(id, log, credit),
            Frame::Entries(segment) => self.on_entries(id, segment),
            Frame::Attest { attestations } => self.on_attest(id, &attestations),
            Frame::WantMeshKey { epoch } => self.on_want_mesh_key(id, epoch),
            Frame::MeshKey { epoch, key } => self.on_mesh_key(epoch, MeshKey::new(key)),
            Frame::Retractions { retractions } => self.on_retractions(id, retractions),
            Frame::Here { staff } => self.on_here(id, staff),
            Frame::Typing { space, staff } => self.on_typing(id, staff, space),
            Frame::Condition(_) => self.exchange_conditions(id),
            Frame::Bye { code } => {
                let why = Refusal::from_code(code).unwrap_or(Refusal::Malformed);
                self.count_refusal(self.links.get(&id).map(|link| link.peer), why);
            }
        }
    }

    pub(super) fn send(&mut self, id: LinkId, frame: Frame) {
        if let Some(link) = self.links.get_mut(&id) {
            link.sent = self.now.mono;
            if matches!(frame, Frame::Hello { .. } | Frame::Beat { .. }) {
                link.said_time = self.now.mono;
            }
            self.effects.push_back(Effect::Send { link: id, frame });
        }
    }

    /// Ends a channel for a reason of ours; the peer learns one byte.
    pub(super) fn close(&mut self, id: LinkId, why: Refusal) {
        self.send(id, Frame::Bye { code: why.code() });
        if self.let_go(id, why) {
            self.effects.push_back(Effect::Close { link: id, why });
        }
    }

    /// Nothing that comes on a channel counts any more. Says whether it was open.
    pub(super) fn let_go(&mut self, id: LinkId, why: Refusal) -> bool {
        let Some(peer) = self.links.get(&id).map(|link| link.peer) else {
            return false;
        };
        self.count_refusal(Some(peer), why);
        self.forget_link(id, Some(why));
        true
    }

    pub(super) fn forget_link(&mut self, id: LinkId, why: Option<Refusal>) {
        let Some(link) = self.links.remove(&id) else {
            return;
        };
        self.wants.forget_link(id);
        self.keep_sighting(link.peer);
        self.effects
            .push_back(Effect::Changed(Changed::Disconnected {
                peer: link.peer,
                why,
            }));
    }

    pub(super) fn check_links(&mut self) {
        let now = self.now.mono;
        let ids: Vec<LinkId> = self.links.keys().copied().collect();
        for id in ids {
            let Some(link) = self.links.get(&id) else {
                continue;
            };
            let silent = now.saturating_sub(link.heard);
            let quiet = now.saturating_sub(link.sent);
            let untold = now.saturating_sub(link.said_time);
            let due = now.saturating_sub(link.compared) >= COMPARE;
            let stale = link.stage == Stage::All && due;
            // By now the peer has learnt the newest mesh key, or will by another try.
            // By now the record that explains a renewal has come too, or will by another peer.
            let aged = matches!(link.stage, Stage::RecordOnly | Stage::Unlisted) && due;
            if silent >= SILENCE {
                self.close(id, Refusal::Silent);
                continue;
            }
            if aged {
                self.close(id, Refusal::Aged);
                continue;
            }
            if stale {
                self.send_spaces(id);
                self.ask_for_mesh_keys(id);
            }
            if quiet >= BEAT || untold >= TELL {
                self.send(id, Frame::Beat { now: self.now.wall });
            }
        }
    }

    pub(super) fn note_clock(&mut self, id: LinkId, theirs: WallTime) {
        let ours = self.now.wall.0;
        if let Some(link) = self.links.get_mut(&id) {
            link.offset_ms = Some(theirs.0.wrapping_sub(ours) as i64);
            link.clock = Some((theirs, self.now.mono));
        }
    }

    /// The links to devices for which `keep` holds.
    pub(super) fn links_where(&self, keep: impl Fn(&Link) -> bool) -> Vec<LinkId> {
        self.links
            .iter()
            .filter(|(_, link)| keep(link))
            .map(|(id, _)| *id)
            .collect()
    }
}
