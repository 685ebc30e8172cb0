//! Renewing the certificates of others, and showing one's own once it is renewed.

use rand::Rng as _;

use crate::domain::audit::{Actor, AuditRecord, Deed, Origin};
use crate::domain::id::{DeviceId, Serial};
use crate::domain::log::Segment;
use crate::domain::renewal::{self, NotRenewed, Renewal, RenewalId, RenewalItem};
use crate::domain::sign::Signed;
use crate::domain::space::Space;
use crate::domain::trust::Credentials;
use crate::planted::planted;
use crate::wire::Frame;

use super::link::Stage;
use super::record::renewals;
use super::{CommandRefusal, DeviceStanding, Effect, Engine, Reply, Ticket};

/// Whether a frame may explain why its sender is a peer: statements, and the end.
///
/// Nothing else is taken from a peer whose renewal, or whose root, the record here does not know, its clock
/// included.
///
/// The explanation is in another device's log or in an admin's: what the peer itself signed explains nothing.
pub(super) fn may_explain(frame: &Frame, peer: &DeviceId) -> bool {
    match frame {
        Frame::Heads { space, .. } => *space == Space::Record,
        Frame::Entries(segment) => {
            segment.log.space == Space::Record && segment.log.author.as_device() != *peer
        }
        Frame::Bye { .. } => true,
        Frame::Hello { .. }
        | Frame::Beat { .. }
        | Frame::Spaces { .. }
        | Frame::Want { .. }
        | Frame::More { .. }
        | Frame::Attest { .. }
        | Frame::WantMeshKey { .. }
        | Frame::MeshKey { .. }
        | Frame::Retractions { .. }
        | Frame::Here { .. }
        | Frame::Typing { .. } => false,
        Frame::Condition(_) => planted!("unlisted-is-believed"),
    }
}

impl Engine {
    /// Renews whoever is due and connected: a device that nobody hears of is left to expire.
    pub(super) fn renew_peers(&mut self) {
        if self.standing != DeviceStanding::Enrolled {
            return;
        }
        let now = self.now;
        let due: Vec<DeviceId> = self
            .links
            .values()
            .filter(|link| link.stage == Stage::All && !self.renewing.contains(&link.peer))
            .filter(|link| {
                let connected = now.mono.saturating_sub(link.since);
                let clinic = &self.record.clinic;
                renewal::is_turn(clinic, &self.me, &link.peer, now.wall, connected)
            })
            .map(|link| link.peer)
            .collect();
        for device in due {
            drop(self.renew(device));
        }
    }

    /// A device that has proved its keys to this node asks to be renewed.
    ///
    /// Whoever is not due is given what the record lists: it may not have heard of that.
    pub(super) fn on_renew(&mut self, ticket: Ticket, device: DeviceId) {
        if self.standing != DeviceStanding::Enrolled {
            self.refuse(ticket, CommandRefusal::DeviceRevoked);
            return;
        }
        match self.renew(device) {
            Ok(signed) => self.batch.reply(ticket, Reply::Renewed(Box::new(signed))),
            Err(CommandRefusal::NotRenewed(NotRenewed::TooEarly)) => {
                match self.record.clinic.devices.get(&device) {
                    Some(found) => {
                        let signed = Box::new(found.signed.clone());
                        self.reply(ticket, Reply::Renewed(signed));
                    }
                    None => self.refuse(ticket, CommandRefusal::Unknown("device")),
                }
            }
            Err(why) => self.refuse(ticket, why),
        }
    }

    /// Signs a renewal and puts it into this node's log of the record.
    fn renew(&mut self, device: DeviceId) -> Result<Signed, CommandRefusal> {
        if self.renewing.contains(&device) {
            return Err(CommandRefusal::Busy);
        }
        let clinic = self.record.clinic.clone();
        let now = self.now.wall;
        renewal::may_renew(&clinic, &self.me, &device, now).map_err(CommandRefusal::NotRenewed)?;
        let old = clinic.devices.get(&device);
        let old = &old.ok_or(CommandRefusal::Unknown("device"))?.certificate;
        let mut serial = [0; 16];
        self.rng.fill_bytes(&mut serial);
        let renewal = renewal::sign(old, now, Serial::new(serial), &self.clinic_id, &self.key);
        self.renewing.insert(device);
        self.write(Space::Record, renewal.to_body());
        let Renewal { certificate, .. } = renewal;
        Ok(certificate)
    }

    /// What this node signed is durable and counts from here on.
    pub(super) fn own_renewals_durable(&mut self, segment: &Segment) {
        self.renewals_arrived(renewals(segment));
    }

    /// Renewals are accepted into their log: what they change follows.
    pub(super) fn renewals_arrived(&mut self, items: Vec<RenewalItem>) {
        let named = |item: &RenewalItem| Some((item.id, renewal::device(&item.renewal)?));
        let named: Vec<(RenewalId, DeviceId)> = items.iter().filter_map(named).collect();
        self.record.add_renewals(items);
        let mut changed = false;
        for (id, device) in named {
            if id.by == self.me {
                self.renewing.remove(&device);
            }
            // What does not count changes nothing, and whoever writes a thousand of it gets no more for that.
            if self.record.clinic.not_renewed.contains_key(&id) {
                continue;
            }
            changed = true;
            let deed = Deed::CertificateRenewed { device };
            let actor = Actor::Device(id.by);
            self.audit(AuditRecord::done(actor, Origin::Mesh, deed));
        }
        if changed {
            self.record_changed();
        }
    }

    /// Shows what the record says of this device, once it is something else: another certificate, or one
    /// more change of the root key.
    pub(super) fn publish_credentials(&mut self) {
        let clinic = &self.record.clinic;
        let Some(own) = clinic.devices.get(&self.me) else {
            return;
        };
        let Some(admin) = clinic.admins.get(&own.enrolled_by) else {
            return;
        };
        let credentials = Credentials {
            certificate: own.signed.clone(),
            grant: admin.signed.clone(),
            chain: clinic.chain(),
        };
        // The record lists what its signer's log vouches for. What nobody else would open is not shown in
        // the place of what they do.
        if self.shown.as_ref() == Some(&credentials) || credentials.open(&self.clinic_id).is_err() {
            return;
        }
        self.shown = Some(credentials.clone());
        self.effects
            .push_back(Effect::Credentials(Box::new(credentials)));
    }
}
