//! The network: links that keep frames in order and break at any point, partitions in one direction
//! or both, and the handshake that decides who gets a link at all.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use clinic_mesh::domain::mesh_keys::AcceptedKeys;
use clinic_mesh::domain::time::WallTime;
use clinic_mesh::domain::trust::{Circumstances, Issuer, Reach, Refusal, Shown};
use clinic_mesh::node::engine::{Input, LinkId};
use clinic_mesh::wire::Frame;

use super::acts::HOUR;
use super::rules::ONLY_PEERS_TELL;
use super::world::{Event, Node, World};

/// One secure channel between two nodes.
pub(crate) struct Link {
    /// Side 0 dialled.
    pub(crate) ends: [usize; 2],
    boots: [u64; 2],
    /// What each side was shown of the other.
    shown: [Option<Box<Shown>>; 2],
    /// Whether each side has it open.
    pub(crate) open: [bool; 2],
    /// When the last frame towards each side arrives; frames do not overtake each other.
    last: [u64; 2],
    /// Frames held up on the way to each side.
    stalled: [Vec<Vec<u8>>; 2],
}

/// All links and what is in their way.
#[derive(Default)]
pub(crate) struct Net {
    pub(crate) links: BTreeMap<u64, Link>,
    last_link: u64,
    /// From whom to whom nothing gets through.
    pub(crate) cuts: BTreeSet<(usize, usize)>,
    /// Longest delay of a frame in milliseconds.
    pub(crate) delay: u64,
}

impl Node {
    /// The last moment up to now at which it had heard nobody for a day.
    pub(crate) fn alone_until(&self, now: u64) -> Option<u64> {
        let is_alone = now - self.heard >= 24 * HOUR;
        is_alone.then_some(now).or(self.alone)
    }

    /// The furthest that it may take time to have come at `now` while it hears nobody, by what it could know
    /// of the time when it started or from others since.
    pub(crate) fn credible(&self, now: u64) -> WallTime {
        // Two seconds for the way of the frame.
        let running = Duration::from_millis(now - self.started + 2000);
        let furthest = self
            .furthest_told
            .map_or(self.resumed, |told| told.max(self.resumed));
        furthest.plus(running)
    }

    /// Since when what is in the commit that it begins now may have been decided: behind a slow disk it
    /// waited for the commit before.
    pub(crate) fn undecided_since(&self, now: u64) -> u64 {
        let (begun, durable) = self.last_commit;
        if durable == now { begun } else { now }
    }
}

impl World {
    /// Opens links between all that want one and can reach each other.
    pub(crate) fn dial(&mut self) {
        for a in 0..self.nodes.len() {
            for b in a + 1..self.nodes.len() {
                let linked = self.net.links.values().any(|link| link.ends == [a, b]);
                let wanted = self.nodes[a].wanted.contains(&self.nodes[b].device)
                    || self.nodes[b].wanted.contains(&self.nodes[a].device);
                if !linked && wanted {
                    self.try_link(a, b);
                }
            }
        }
    }

    /// Tries a handshake between two nodes.
    pub(crate) fn try_link(&mut self, a: usize, b: usize) {
        let cut = self.net.cuts.contains(&(a, b)) || self.net.cuts.contains(&(b, a));
        let off = self.nodes[a].engine.is_none() || self.nodes[b].engine.is_none();
        if cut || off {
            return;
        }
        // Either may dial; who has slept through a rotation is let in by its old key only.
        let Some(epoch) = self.psk(a, b).or_else(|| self.psk(b, a)) else {
            return;
        };
        let verdicts = [self.judge(a, b), self.judge(b, a)];
        for (me, peer, verdict) in [(a, b, verdicts[0]), (b, a, verdicts[1])] {
            if let Err(why) = verdict {
                let peer = Some(self.nodes[peer].device);
                let refused = Input::PeerRefused {
                    why,
                    peer,
                    by_peer: false,
                };
                self.input(me, refused);
            }
        }
        if verdicts.iter().any(Result::is_err) {
            return;
        }
        self.open(a, b, epoch);
    }

    fn open(&mut self, a: usize, b: usize, epoch: u32) {
        self.net.last_link += 1;
        let id = self.net.last_link;
        let at = [
            self.time + 1 + self.chance(5),
            self.time + 1 + self.chance(5),
        ];
        let link = Link {
            ends: [a, b],
            boots: [self.nodes[a].boot, self.nodes[b].boot],
            shown: [None, None],
            open: [false, false],
            last: at,
            stalled: [Vec::new(), Vec::new()],
        };
        self.net.links.insert(id, link);
        for (side, node) in [(0, a), (1, b)] {
            let trust = self.nodes[node].trust.as_ref();
            let old = trust.is_some_and(|trust| !trust.mesh_keys.is_current(epoch));
            self.schedule(
                at[side],
                Event::LinkUp {
                    link: id,
                    side,
                    old,
                },
            );
        }
    }

    /// The first of the dialling side's mesh keys that the other side accepts: a node goes through those it
    /// has until it is understood.
    fn psk(&self, a: usize, b: usize) -> Option<u32> {
        let keys = |node: usize| {
            self.nodes[node]
                .trust
                .as_ref()
                .map(|trust| &trust.mesh_keys)
        };
        let (ours, theirs) = (keys(a)?, keys(b)?);
        let bytes = |keys: &AcceptedKeys, epoch| keys.get(epoch).map(|key| *key.expose());
        let mut tried = ours.to_try().into_iter();
        tried.find(|epoch| bytes(ours, *epoch) == bytes(theirs, *epoch))
    }

    /// What `me` says of the credentials of `peer`.
    fn judge(&self, me: usize, peer: usize) -> Result<Reach, Refusal> {
        let machine = &self.authority.machines[self.nodes[peer].machine];
        let Some(trust) = &self.nodes[me].trust else {
            return Err(Refusal::UnknownIssuer);
        };
        let shown = self.shown(peer)?;
        let at = Circumstances {
            proven: machine.noise,
            dialled: None,
            address: None,
            now: self.wall(me),
        };
        trust.admit_opened(&shown, at)
    }

    /// Whether a node that would refuse a peer hears it for the changes of the root key that it shows.
    pub(crate) fn is_heard(&self, me: usize, peer: usize) -> bool {
        let trust = self.nodes[me].trust.as_ref();
        trust
            .zip(self.shown(peer).ok())
            .is_some_and(|(trust, shown)| {
                trust.vouched(&shown.certificate, &shown.issuer) == Ok(Reach::Unlisted)
            })
    }

    fn shown(&self, peer: usize) -> Result<Shown, Refusal> {
        let machine = &self.authority.machines[self.nodes[peer].machine];
        let given = machine.certificate.as_ref();
        let (certificate, signed, grant) = given.ok_or(Refusal::UnknownIssuer)?;
        let chain = self.nodes[peer].chain.clone();
        let by = chain
            .iter()
            .position(|step| grant.signer == step.key.into());
        Ok(Shown {
            certificate: certificate.clone(),
            grant: minicbor::decode(&grant.body).map_err(|_| Refusal::Malformed)?,
            issuer: Issuer {
                granted_by: by.map_or(0, |at| at + 1),
                chain,
                ..Issuer::admin(signed.signer.as_admin())
            },
        })
    }

    pub(crate) fn link_up(&mut self, id: u64, side: usize, old: bool) {
        let Some(link) = self.net.links.get_mut(&id) else {
            return;
        };
        let (node, peer) = (link.ends[side], link.ends[1 - side]);
        if link.boots[side] != self.nodes[node].boot || self.nodes[node].engine.is_none() {
            self.unlink(id);
            return;
        }
        link.open[side] = true;
        let Ok(shown) = self.shown(peer) else {
            return;
        };
        if let Some(link) = self.net.links.get_mut(&id) {
            link.shown[side] = Some(Box::new(shown.clone()));
        }
        let input = Input::LinkUp {
            link: LinkId(id),
            certificate: Box::new(shown.certificate),
            issuer: Box::new(shown.issuer),
            old_mesh_key: old,
            reach: self.judge(node, peer).unwrap_or(Reach::All),
        };
        self.input(node, input);
        self.check_links(node);
    }

    pub(crate) fn link_down(&mut self, id: u64, side: usize) {
        let Some(link) = self.net.links.get_mut(&id) else {
            return;
        };
        let was_open = std::mem::replace(&mut link.open[side], false);
        let (node, boot) = (link.ends[side], link.boots[side]);
        if !link.open[1 - side] {
            self.net.links.remove(&id);
        }
        if was_open && self.nodes[node].boot == boot {
            self.input(node, Input::LinkDown { link: LinkId(id) });
        }
    }

    /// A node sends a frame of its engine.
    pub(crate) fn send_frame(&mut self, node: usize, id: u64, frame: Frame) {
        match self.as_spoken(node, frame) {
            frame @ Frame::Condition(_) => {
                self.check_spoken(node, id);
                self.send_along(node, id, frame.encode());
            }
            frame => self.send(node, id, frame.encode()),
        }
    }

    /// A frame that arrives with the last one that is on the way.
    fn send_along(&mut self, node: usize, id: u64, bytes: Vec<u8>) {
        let Some(link) = self.net.links.get_mut(&id) else {
            return;
        };
        let to = usize::from(link.ends[0] == node);
        if !link.open[1 - to] {
            return;
        }
        if self.net.cuts.contains(&(node, link.ends[to])) || !link.stalled[to].is_empty() {
            link.stalled[to].push(bytes);
            return;
        }
        let (link, side) = (id, to);
        let at = self.net.links[&id].last[to].max(self.time + 1);
        self.schedule(at, Event::Frame { link, side, bytes });
    }

    /// A node sends a frame.
    pub(crate) fn send(&mut self, node: usize, id: u64, bytes: Vec<u8>) {
        let delay = 1 + self.chance(self.net.delay);
        let Some(link) = self.net.links.get_mut(&id) else {
            return;
        };
        let to = usize::from(link.ends[0] == node);
        if !link.open[1 - to] {
            return;
        }
        if self.net.cuts.contains(&(node, link.ends[to])) || !link.stalled[to].is_empty() {
            link.stalled[to].push(bytes);
            return;
        }
        let at = link.last[to].max(self.time + delay);
        link.last[to] = at;
        self.schedule(
            at,
            Event::Frame {
                link: id,
                side: to,
                bytes,
            },
        );
    }

    /// A frame arrives, after those that were held up before it; without bytes it only lets them go.
    pub(crate) fn frame(&mut self, id: u64, side: usize, bytes: Vec<u8>) {
        let Some(link) = self.net.links.get_mut(&id) else {
            return;
        };
        if !link.open[side] {
            return;
        }
        let (node, from) = (link.ends[side], link.ends[1 - side]);
        if !bytes.is_empty() {
            link.stalled[side].push(bytes);
        }
        if self.net.cuts.contains(&(from, node)) {
            return;
        }
        for bytes in std::mem::take(&mut link.stalled[side]) {
            self.arrive(id, (node, side), &bytes);
        }
    }

    /// Whether the peer at a link is one for the node at this side, and not one that may only explain itself.
    fn is_peer(&self, id: u64, (node, side): (usize, usize)) -> bool {
        let shown = self
            .net
            .links
            .get(&id)
            .and_then(|link| link.shown[side].as_ref());
        let trust = self.nodes[node].trust.as_ref();
        trust.zip(shown).is_some_and(|(trust, shown)| {
            trust.vouched(&shown.certificate, &shown.issuer) == Ok(Reach::All)
        })
    }

    fn arrive(&mut self, id: u64, (node, side): (usize, usize), bytes: &[u8]) {
        let time = self.time;
        let heard = self.is_peer(id, (node, side));
        let found = &mut self.nodes[node];
        if heard {
            found.alone = found.alone_until(time);
            found.heard = time;
        }
        match Frame::decode(bytes) {
            Ok(frame @ Frame::Condition(_)) => self.arrive_condition(id, (node, side), frame),
            Ok(frame) => {
                self.trace.note(bytes.len() as u64);
                self.note_peer_clock(node, id, &frame);
                self.note_shown(node, &frame);
                let link = LinkId(id);
                self.input(node, Input::Frame { link, frame });
            }
            // The stream ends where a frame cannot be read.
            Err(_) => self.unlink(id),
        }
    }

    /// Not noted in the trace, which tells whether everything else is as it would be without.
    fn arrive_condition(&mut self, id: u64, (node, side): (usize, usize), frame: Frame) {
        let Some(peer) = self.peer_of(node, id) else {
            return;
        };
        let (before, heard) = (self.told(node, peer), self.is_peer(id, (node, side)));
        let link = LinkId(id);
        self.input(node, Input::Frame { link, frame });
        let believed = self.told(node, peer) != before;
        if believed && !heard && !self.nodes[node].evil {
            self.broke(ONLY_PEERS_TELL, format!("node {node} of node {peer}"));
        }
    }

    fn note_peer_clock(&mut self, node: usize, link: u64, frame: &Frame) {
        if let Frame::Hello { now, .. } | Frame::Beat { now } = frame {
            let seen = (self.time, *now);
            let found = &mut self.nodes[node];
            found.peer_clocks.insert(link, seen);
            let running = Duration::from_millis(self.time - found.started);
            found.furthest_told = found.furthest_told.max(Some(now.minus(running)));
        }
    }

    /// A node closes its side; the other side hears of it after what is on the way.
    pub(crate) fn close(&mut self, node: usize, id: u64, why: Refusal) {
        self.check_closed(node, id, why);
        let Some(link) = self.net.links.get_mut(&id) else {
            return;
        };
        let side = usize::from(link.ends[1] == node);
        link.open[side] = false;
        if !link.open[1 - side] {
            self.net.links.remove(&id);
            return;
        }
        if !self.net.cuts.contains(&(node, link.ends[1 - side])) {
            let at = link.last[1 - side].max(self.time + 1);
            self.schedule(
                at,
                Event::LinkDown {
                    link: id,
                    side: 1 - side,
                },
            );
        }
    }

    /// A link breaks; what is on the way is lost.
    pub(crate) fn unlink(&mut self, id: u64) {
        for side in [0, 1] {
            let at = self.time + 1 + self.chance(200);
            if self.net.links.get(&id).is_some_and(|link| link.open[side]) {
                let Some(link) = self.net.links.get_mut(&id) else {
                    return;
                };
                // Nothing more arrives on either side.
                link.last[side] = u64::MAX / 2;
                self.schedule(at, Event::LinkDown { link: id, side });
            }
        }
        if self
            .net
            .links
            .get(&id)
            .is_some_and(|link| link.open == [false, false])
        {
            self.net.links.remove(&id);
        }
    }

    /// Every link of a node breaks.
    pub(crate) fn unlink_all(&mut self, node: usize) {
        let ids: Vec<u64> = self
            .net
            .links
            .iter()
            .filter(|(_, link)| link.ends.contains(&node))
            .map(|(id, _)| *id)
            .collect();
        for id in ids {
            if let Some(link) = self.net.links.get_mut(&id) {
                for side in [0, 1] {
                    link.open[side] &= link.ends[side] != node;
                }
            }
            self.unlink(id);
        }
    }

    /// Nothing gets from one node to another any more.
    pub(crate) fn cut(&mut self, from: usize, to: usize) {
        self.net.cuts.insert((from, to));
    }

    /// Everything gets through again; what was held up arrives.
    pub(crate) fn heal_net(&mut self) {
        self.net.cuts.clear();
        let links = self.net.links.iter_mut();
        let late: Vec<(u64, u64, usize)> = links
            .flat_map(|(id, link)| [0, 1].map(|side| (link.last[side], *id, side)))
            .collect();
        for (last, link, side) in late {
            if last < u64::MAX / 4 {
                let at = last.max(self.time + 1);
                self.schedule(
                    at,
                    Event::Frame {
                        link,
                        side,
                        bytes: Vec::new(),
                    },
                );
            }
        }
    }
}
