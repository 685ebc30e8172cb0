//! Devices: what is revoked, who is enrolled, and which invitations are spent.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use super::{Bounds, Clinic, Item, VoidReason, follows};
use crate::domain::cert::{Certificate, DeviceKind};
use crate::domain::id::{AdminId, AuthorId, DeviceId, InvitationId};
use crate::domain::record::{Device, InvitationState, Span};
use crate::domain::renewal::{self, RenewalItem};
use crate::domain::sign::Signed;
use crate::domain::statement::{Act, LogEnd, Revocation, StatementId};
use crate::domain::time::WallTime;
use crate::domain::trust::Withdrawn;

impl Clinic {
    /// What is revoked is collected before anything is enrolled, so nothing comes too late to win.
    ///
    /// A device may be named by several revocations; the earliest moment and the lowest ends hold.
    pub(super) fn apply_revocations(&mut self, counted: &[&Item]) {
        let mut said: Vec<Said<'_>> = counted.iter().copied().filter_map(Said::of).collect();
        self.revoked_serials = least(said.iter().map(|said| (said.revocation.serial, said.at)));
        self.revoked_noise_keys =
            least(said.iter().map(|said| (said.revocation.noise_key, said.at)));
        let mut by_admin: BTreeMap<AdminId, Vec<&Revocation>> = BTreeMap::new();
        for said in &said {
            by_admin.entry(said.by).or_default().push(said.revocation);
        }
        for (by, revocations) in by_admin {
            if let Some(admin) = self.admins.get_mut(&by) {
                admin.withdrawn = Withdrawn::of(&revocations);
            }
        }
        // Those of one device keep their order.
        said.sort_by_key(|said| said.revocation.device);
        let by_device = said.chunk_by(|a, b| a.revocation.device == b.revocation.device);
        let by_device = by_device.filter_map(Said::together);
        self.revocations = by_device.map(|held| (held.device, held)).collect();
    }

    /// The keys of the devices in `sound` need no look.
    pub(super) fn apply_devices(
        &mut self,
        counted: &[&Item],
        renewals: &[RenewalItem],
        sound: &BTreeMap<DeviceId, Box<Device>>,
    ) -> Past {
        let mut past = Past::of(counted);
        let mut tainted = Vec::new();
        let mut renewals = in_order(renewals).into_iter().peekable();
        for item in counted {
            while let Some(renewal) = renewals.next_if(|renewal| renewal.time < item.time) {
                self.apply_renewal(renewal);
            }
            let Some(read) = self.read_enrolment(item, &mut past, sound) else {
                continue;
            };
            match read {
                Ok(device) if self.is_tainted(&device) => tainted.push((item, device)),
                Ok(device) => match self.list(device) {
                    Ok(id) => past.enrolled(item, id),
                    Err(reason) => self.void(item, reason),
                },
                Err(reason) => self.void(item, reason),
            }
        }
        for renewal in renewals {
            self.apply_renewal(renewal);
        }
        for (item, device) in tainted {
            self.list_tainted(device);
            self.void(item, VoidReason::Revoked);
        }
        past
    }

    /// A renewal counts if its signer had the right to it at that moment.
    pub(in crate::domain) fn apply_renewal(&mut self, item: &RenewalItem) {
        match renewal::judge(self, item) {
            Ok(certificate) => {
                if let Some(device) = self.devices.get_mut(&certificate.device) {
                    device.renewed(certificate, item.renewal.certificate.clone());
                }
            }
            Err(why) => drop(self.not_renewed.insert(item.id, why)),
        }
    }

    /// The newest statement holds; browsers judge what is in it.
    pub(super) fn apply_web_certificates(&mut self, counted: &[&Item]) {
        for item in counted {
            let Act::WebCertified {
                device,
                certificate,
            } = &item.statement.act
            else {
                continue;
            };
            match self.devices.get_mut(device) {
                Some(device) => device.web = Some(certificate.clone()),
                None => self.void(item, VoidReason::DoesNotFit),
            }
        }
    }

    /// The device that `item` enrols, if it enrols one. Statements have to come in order.
    fn read_enrolment(
        &self,
        item: &Item,
        past: &mut Past,
        sound: &BTreeMap<DeviceId, Box<Device>>,
    ) -> Option<Result<Box<Device>, VoidReason>> {
        match &item.statement.act {
            Act::DeviceEnrolled {
                certificate,
                invitation,
                address,
            } => {
                let read = self.read_device(item, certificate, address, sound);
                Some(read.and_then(|device| {
                    past.judge(item, device.certificate.device, *invitation)?;
                    Ok(device)
                }))
            }
            Act::InvitationUsed {
                invitation,
                by: Some(device),
            } => {
                past.used(item, *invitation, *device);
                None
            }
            _ => None,
        }
    }

    /// Only a certificate of the statement's own signer counts.
    fn read_device(
        &self,
        item: &Item,
        signed: &Signed,
        address: &Option<String>,
        sound: &BTreeMap<DeviceId, Box<Device>>,
    ) -> Result<Box<Device>, VoidReason> {
        if signed.signer != item.id.author {
            return Err(VoidReason::InvalidInside);
        }
        let certificate = Certificate::read_listed(signed, &self.id);
        let certificate = certificate.map_err(|_| VoidReason::InvalidInside)?;
        let is_known = [sound, &self.devices]
            .into_iter()
            .any(|known| known.contains_key(&certificate.device));
        if !is_known && !certificate.has_sound_identity() {
            return Err(VoidReason::InvalidInside);
        }
        let revocation = self.revocations.get(&certificate.device).cloned();
        let office = (certificate.kind == DeviceKind::Node).then(|| certificate.office.clone());
        let held = Span {
            from: certificate.not_before,
            to: certificate.not_after,
        };
        Ok(Box::new(Device {
            certificate,
            former: None,
            signed: signed.clone(),
            enrolled_by: item.id.author.as_admin(),
            enrolled_at: item.time.wall(),
            held: vec![held],
            address: address.clone(),
            ever_offices: office.into_iter().collect(),
            web: None,
            revocation,
        }))
    }

    /// The certificate that ends last is the device's.
    fn list(&mut self, mut device: Box<Device>) -> Result<DeviceId, VoidReason> {
        let id = device.certificate.device;
        match self.devices.entry(id) {
            Entry::Vacant(place) => drop(place.insert(device)),
            Entry::Occupied(mut held) => {
                if held.get().certificate.not_after >= device.certificate.not_after {
                    return Err(VoidReason::DoesNotFit);
                }
                let known = held.get_mut();
                known.ever_offices.append(&mut device.ever_offices);
                known.enrolled_by = device.enrolled_by;
                known.enrolled_at = known.enrolled_at.min(device.enrolled_at);
                known.address = device.address;
                known.renewed(device.certificate, device.signed);
            }
        }
        Ok(id)
    }

    /// Whether its certificate carries a number or Noise key that was revoked with another device.
    fn is_tainted(&self, device: &Device) -> bool {
        device.revocation.is_none() && self.tainted_since(&device.certificate).is_some()
    }

    fn tainted_since(&self, certificate: &Certificate) -> Option<WallTime> {
        let serial = self.revoked_serials.get(&certificate.serial);
        let noise_key = self.revoked_noise_keys.get(&certificate.noise_key);
        serial.into_iter().chain(noise_key).min().copied()
    }

    /// Lists a device that has no other certificate than tainted ones, as revoked with them, so that
    /// what it wrote before counts. One that has a sound certificate is left alone: an enrolment must
    /// not revoke.
    fn list_tainted(&mut self, mut device: Box<Device>) {
        let certificate = &device.certificate;
        let since = self.tainted_since(certificate);
        let mut revocation = Revocation {
            device: certificate.device,
            serial: certificate.serial,
            noise_key: certificate.noise_key,
            ends: Vec::new(),
            at: since.unwrap_or_default(),
        };
        match self.devices.entry(certificate.device) {
            Entry::Vacant(place) => {
                device.revocation = Some(revocation);
                place.insert(device);
            }
            Entry::Occupied(mut held) => {
                let Some(earlier) = &held.get().revocation else {
                    return;
                };
                revocation.at = revocation.at.min(earlier.at);
                device.ever_offices.append(&mut held.get_mut().ever_offices);
                device.revocation = Some(revocation);
                held.insert(device);
            }
        }
    }

    pub(super) fn apply_invitations(&mut self, counted: &[&Item], past: &Past) {
        for item in counted {
            let Act::InvitationIssued { invitation } = &item.statement.act else {
                continue;
            };
            if past.issued.get(&(item.id.author, invitation.id)) != Some(&item.id.seq) {
                self.void(item, VoidReason::DoesNotFit);
            }
            let fresh = || InvitationState {
                terms: invitation.clone(),
                issuer: item.id.author.as_admin(),
                used: false,
                by: None,
            };
            self.invitations.entry(invitation.id).or_insert_with(fresh);
        }
        for ((_, invitation), device) in &past.used {
            if let Some(found) = self.invitations.get_mut(invitation) {
                found.used = true;
                found.by = found.by.or(Some(*device));
            }
        }
        for invitation in past.withdrawn.keys() {
            if let Some(found) = self.invitations.get_mut(invitation) {
                found.used = true;
            }
        }
    }
}

/// A revocation that counts.
struct Said<'a> {
    by: AdminId,
    revocation: &'a Revocation,
    at: WallTime,
}

impl<'a> Said<'a> {
    fn of(item: &'a Item) -> Option<Self> {
        let Act::DeviceRevoked { revocation } = &item.statement.act else {
            return None;
        };
        Some(Self {
            by: item.id.author.as_admin(),
            revocation,
            // Dated later than its own statement, a revocation would leave the device time to write.
            at: revocation.at.min(item.time.wall()),
        })
    }

    /// What several revocations of one device come to.
    fn together(said: &[Self]) -> Option<Revocation> {
        let first = said.first()?.revocation;
        let mut ends = BTreeMap::new();
        for end in said.iter().flat_map(|said| &said.revocation.ends) {
            let least = ends.entry((end.space, end.epoch)).or_insert(end.seq);
            *least = end.seq.min(*least);
        }
        let ends = ends.into_iter();
        let ends = ends.map(|((space, epoch), seq)| LogEnd { space, epoch, seq });
        Some(Revocation {
            device: first.device,
            serial: first.serial,
            noise_key: first.noise_key,
            ends: ends.collect(),
            at: said.iter().map(|said| said.at).min()?,
        })
    }
}

/// What enrolments are judged by: what their signers had done and seen before.
///
/// An invitation is its issuer's own and is spent in the issuer's own log, where numbers decide what
/// came first. So no admin can void another's enrolment by a statement with an earlier time.
pub(super) struct Past {
    /// The first revocation of each device in each log, sorted.
    revoked: Vec<(DeviceId, StatementId)>,
    withdrawn: BTreeMap<InvitationId, Bounds>,
    issued: BTreeMap<(AuthorId, InvitationId), u64>,
    used: BTreeMap<(AuthorId, InvitationId), DeviceId>,
}

impl Past {
    fn of(counted: &[&Item]) -> Self {
        let mut past = Self {
            revoked: Vec::new(),
            withdrawn: BTreeMap::new(),
            issued: BTreeMap::new(),
            used: BTreeMap::new(),
        };
        for item in counted {
            match &item.statement.act {
                Act::DeviceRevoked { revocation } => {
                    past.revoked.push((revocation.device, item.id));
                }
                Act::InvitationUsed {
                    invitation,
                    by: None,
                } => past.withdrawn.entry(*invitation).or_default().note(item.id),
                Act::InvitationIssued { invitation } => {
                    let key = (item.id.author, invitation.id);
                    past.issued.entry(key).or_insert(item.id.seq);
                }
                _ => {}
            }
        }
        past.revoked.sort_unstable();
        past.revoked
            .dedup_by_key(|(device, id)| (*device, id.author));
        past
    }

    /// Whether the signer of `item` had seen a revocation of the device.
    fn had_seen_revoked(&self, item: &Item, device: DeviceId) -> bool {
        let from = self.revoked.partition_point(|(known, _)| *known < device);
        let of_device = self.revoked[from..].iter();
        let mut of_device = of_device.take_while(|(known, _)| *known == device);
        of_device.any(|(_, id)| follows(item, *id))
    }

    fn used(&mut self, item: &Item, invitation: InvitationId, device: DeviceId) {
        let key = (item.id.author, invitation);
        self.used.entry(key).or_insert(device);
    }

    /// A device was let in: its invitation is spent.
    fn enrolled(&mut self, item: &Item, device: DeviceId) {
        if let Act::DeviceEnrolled {
            invitation: Some(invitation),
            ..
        } = item.statement.act
        {
            self.used(item, invitation, device);
        }
    }

    fn judge(
        &self,
        item: &Item,
        device: DeviceId,
        invitation: Option<InvitationId>,
    ) -> Result<(), VoidReason> {
        if self.had_seen_revoked(item, device) {
            return Err(VoidReason::Revoked);
        }
        let Some(invitation) = invitation else {
            return Ok(());
        };
        let key = (item.id.author, invitation);
        if self
            .issued
            .get(&key)
            .is_none_or(|issued| *issued > item.id.seq)
        {
            return Err(VoidReason::DoesNotFit);
        }
        let used_by = self.used.get(&key);
        let withdrawn = self.withdrawn.get(&invitation);
        if used_by.is_some_and(|by| *by != device)
            || withdrawn.is_some_and(|bounds| bounds.any_before(item))
        {
            return Err(VoidReason::InvitationSpent);
        }
        Ok(())
    }
}

/// Renewals by time, then by who signed them and where they stand, each once.
///
/// Of two in one place (the log was forked) the one with the lesser bytes counts on every node.
fn in_order(renewals: &[RenewalItem]) -> Vec<&RenewalItem> {
    let mut items: Vec<&RenewalItem> = renewals.iter().collect();
    items.sort_by(|a, b| {
        let place = (a.time, a.id).cmp(&(b.time, b.id));
        place.then_with(|| a.renewal.to_body().cmp(&b.renewal.to_body()))
    });
    let mut known = BTreeSet::new();
    items.retain(|item| known.insert(item.id));
    items
}

/// The least value of every key. Sorted first: a map of what is in order is built at once, not key by key.
fn least<K: Ord + Copy, V: Ord>(pairs: impl Iterator<Item = (K, V)>) -> BTreeMap<K, V> {
    let mut pairs: Vec<(K, V)> = pairs.collect();
    pairs.sort_unstable();
    pairs.dedup_by_key(|(key, _)| *key);
    pairs.into_iter().collect()
}
