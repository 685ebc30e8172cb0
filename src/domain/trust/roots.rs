//! Who vouches for a peer, and what the changes of the root key are worth that it shows.
//!
//! Every device shows the changes of the root key that its record knows. A node that was given a thief's
//! record refuses the honest ones by it: their admins are ended there, they are revoked. So a peer whom
//! the record would refuse may explain itself if what it shows would be taken before what is known here:
//! its statements are heard and nothing is given. Nobody counts admins' signatures for that; the record
//! does, once it has them.

use std::collections::BTreeSet;

use super::{AdminTrust, Reach, Refusal, TrustView};
use crate::domain::cert::Certificate;
use crate::domain::id::{AdminId, DeviceId, NoiseKey, Serial};
use crate::domain::renewal;
use crate::domain::rotation::{RootPlace, Step};
use crate::domain::statement::Revocation;
use crate::planted::planted;

/// Who signed a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signer {
    /// An admin.
    Admin(AdminId),
    /// A node that renewed it.
    Node(DeviceId),
}

/// Who vouches for a peer's certificate, as the peer can prove.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issuer {
    /// Who signed it.
    pub signer: Signer,
    /// How many roots came before the one that signed the grant beside it.
    pub granted_by: usize,
    /// The roots after the first that the peer knows, at most
    /// [`ROTATIONS_MAX`](crate::domain::rotation::ROTATIONS_MAX).
    pub chain: Vec<Step>,
}

impl Issuer {
    /// An admin of the first root, where nothing is known of another.
    pub const fn admin(admin: AdminId) -> Self {
        Self {
            signer: Signer::Admin(admin),
            granted_by: 0,
            chain: Vec::new(),
        }
    }
}

/// What one admin's statements revoke.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Withdrawn {
    /// Devices.
    pub devices: BTreeSet<DeviceId>,
    /// Numbers of certificates.
    pub serials: BTreeSet<Serial>,
    /// Noise keys.
    pub noise_keys: BTreeSet<NoiseKey>,
}

impl Withdrawn {
    /// What these revocations withdraw.
    pub fn of(revocations: &[&Revocation]) -> Self {
        let revocations = revocations.iter();
        Self {
            devices: revocations.clone().map(|one| one.device).collect(),
            serials: revocations.clone().map(|one| one.serial).collect(),
            noise_keys: revocations.map(|one| one.noise_key).collect(),
        }
    }

    fn names(&self, certificate: &Certificate) -> bool {
        self.devices.contains(&certificate.device)
            || self.serials.contains(&certificate.serial)
            || self.noise_keys.contains(&certificate.noise_key)
    }
}

impl AdminTrust {
    /// Whether this admin was in office when a root had said so much.
    fn is_in_office_at(&self, end: RootPlace) -> bool {
        self.appointed <= end && self.ended.is_none_or(|ended| ended > end)
    }
}

/// What is shown of the roots, beside what is known.
enum Weighed {
    /// It would be taken here, were the admins' signatures known; what the roots said beyond that place would
    /// be void.
    Wins(RootPlace),
    /// It is what is known here, or the beginning of that.
    Agrees,
    /// What is known here was taken before it.
    Loses,
}

impl TrustView {
    /// What the record here says of a peer; and where that would turn it away, whether it may explain
    /// itself.
    pub fn vouched(&self, certificate: &Certificate, issuer: &Issuer) -> Result<Reach, Refusal> {
        let verdict = self.by_record(certificate, issuer);
        // Who believes to be revoked itself gives nothing, and is told otherwise by peers who let it in: the admin who
        // signed that may have been ended since.
        let is_out = self.revoked_devices.contains(&self.me);
        match verdict {
            Ok(Reach::All) if is_out => Ok(Reach::Unlisted),
            Err(_) if self.may_explain_itself(certificate, issuer) => Ok(Reach::Unlisted),
            verdict => verdict,
        }
    }

    /// Whether the device stays out whatever becomes of the root key: the admin who was appointed first
    /// revoked it, and no change counts that leaves the old root less than that admin.
    pub fn is_out_for_good(&self, device: &DeviceId) -> bool {
        let first = self.admins.values().min_by_key(|admin| admin.appointed);
        first.is_some_and(|admin| admin.withdrawn.devices.contains(device))
    }

    /// Whether the record may yet come to know an admin whom this root appointed.
    ///
    /// What an earlier root signed up to its end is in the record, so an admin of its who is not there
    /// was appointed by a thief. Of a root that the record does not know it may be about to hear; one
    /// that would have had to come before the one it knows, and did not, is refused.
    pub(super) fn check_root(&self, issuer: &Issuer) -> Result<Reach, Refusal> {
        match self.weigh(&issuer.chain) {
            Weighed::Wins(_) => Ok(Reach::Unlisted),
            Weighed::Agrees if issuer.granted_by + 1 >= self.roots.len() => Ok(Reach::All),
            Weighed::Agrees | Weighed::Loses => Err(Refusal::UnknownIssuer),
        }
    }

    /// Compares, root by root, by the record's own rule.
    fn weigh(&self, chain: &[Step]) -> Weighed {
        for (root, step) in chain.iter().enumerate() {
            let end = RootPlace {
                root,
                seq: step.rank.last,
            };
            let Some(known) = self.roots.get(root + 1) else {
                return Weighed::Wins(end);
            };
            if known.rank.is_some_and(|taken| step.rank < taken) {
                return Weighed::Wins(end);
            }
            if known.key != step.key {
                return Weighed::Loses;
            }
        }
        Weighed::Agrees
    }

    /// Whether the peer shows a change of the root key that could make the refusal void.
    ///
    /// Not if nobody was in office then who could have carried it, not if the peer was revoked by somebody
    /// who was, and only for a device that somebody in office vouches for.
    fn may_explain_itself(&self, certificate: &Certificate, issuer: &Issuer) -> bool {
        if planted!("deceived-for-good") {
            return false;
        }
        let Weighed::Wins(end) = self.weigh(&issuer.chain) else {
            return false;
        };
        let mut admins = self.admins.values();
        let could_count = admins.any(|admin| admin.is_in_office_at(end));
        let mut admins = self.admins.values();
        let stays_revoked =
            admins.any(|admin| admin.appointed <= end && admin.withdrawn.names(certificate));
        could_count && !stays_revoked && self.was_vouched_for(certificate, issuer, end)
    }

    /// Whether a device could be one of the clinic's if the roots had said no more than up to `end`.
    fn was_vouched_for(&self, certificate: &Certificate, issuer: &Issuer, end: RootPlace) -> bool {
        match issuer.signer {
            Signer::Admin(admin) => {
                let known = self.admins.get(&admin);
                issuer.granted_by > end.root
                    || known.is_none_or(|known| known.is_in_office_at(end))
                    || self
                        .ever_listed(&certificate.device)
                        .any(|one| one == certificate)
            }
            Signer::Node(by) => {
                let mut listed = self.ever_listed(&certificate.device);
                by != certificate.device
                    && listed.any(|one| renewal::check_rights(one, certificate).is_ok())
            }
        }
    }

    /// The certificates of a device that the record lists, and those in statements that do not count.
    fn ever_listed(&self, device: &DeviceId) -> impl Iterator<Item = &Certificate> {
        let listed = self.enrolled.get(device).into_iter();
        let former = self.former.get(device);
        let once = self.once_listed.get(device).into_iter().flatten();
        listed.chain(former).chain(once)
    }
}
