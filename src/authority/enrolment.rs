//! The authority's side of enrolment: judge a request, certify the device, make the answer.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::domain::cert::{
    self, Capabilities, Capability, Certificate, DeviceKind, LIFETIME_MAX, SKEW,
};
use crate::domain::codec;
use crate::domain::enrol::{
    self, ANSWER_MAX, Arrival, BOOTSTRAP_MAX, Bootstrap, EnrolError, EnrolmentAnswer,
    EnrolmentRequest, SignedRequest, Terms,
};
use crate::domain::id::{AuthorId, DeviceId, InvitationId, Serial};
use crate::domain::log::Segment;
use crate::domain::record::Device;
use crate::domain::sign::Signed;
use crate::domain::statement::Act;
use crate::domain::time::WallTime;
use crate::platform::sealed;

use super::{Authority, AuthorityError};

/// How long an invitation is good for, unless the admin says otherwise.
///
/// A quarter of an hour: one sets the machine up while on the phone with the admin.
pub const INVITATION_LIFE: Duration = Duration::from_secs(15 * 60);

/// Largest record that goes into an answer whole; of a longer one only what the answer is checked by.
const WHOLE_RECORD_MAX: usize = ANSWER_MAX / 2;

/// A device that was enrolled just now.
#[derive(Debug)]
pub struct Enrolled {
    /// Its certificate.
    pub certificate: Certificate,
    /// The statement to give to a node.
    pub segment: Segment,
    /// The statement that gives the device a certificate for browsers, if this admin can make one.
    pub web: Option<Segment>,
}

impl Authority {
    /// Judges a request without doing anything, so that a person can look at it first.
    ///
    /// A request that names an invitation gets the invitation's terms; `given` is for files that name
    /// none.
    pub fn judge(
        &self,
        signed: &SignedRequest,
        arrival: Arrival,
        given: Option<Terms>,
        now: WallTime,
    ) -> Result<(EnrolmentRequest, Terms), AuthorityError> {
        let request = signed.open(&self.clinic_id())?;
        let terms = match request.invitation {
            Some(id) => self.judge_invitation(id, now)?,
            None => given.ok_or(AuthorityError::NoTerms)?,
        };
        enrol::judge_request(&self.clinic, &request, arrival, now)?;
        Ok((request, terms))
    }

    /// The certificate of a machine that has this very place by these very keys: its answer may be made once
    /// more, for nothing in it is used up and only that machine opens it.
    pub fn answered_before(
        &self,
        signed: &SignedRequest,
        terms: &Terms,
        now: WallTime,
    ) -> Result<Option<Certificate>, AuthorityError> {
        let request = signed.open(&self.clinic_id())?;
        let known = self.clinic.devices.get(&request.device);
        let known = known.filter(|known| {
            let certificate = &known.certificate;
            known.revocation.is_none()
                && certificate.not_after >= now
                && certificate.noise_key == request.noise_key
                && (&certificate.office, &certificate.name) == (&terms.office, &terms.name)
                && certificate.kind == terms.kind
        });
        Ok(known.map(|known| known.certificate.clone()))
    }

    /// An invitation is spent in its issuer's own log, so only its issuer enrols by it.
    fn judge_invitation(
        &self,
        invitation: InvitationId,
        now: WallTime,
    ) -> Result<Terms, EnrolError> {
        let terms = enrol::judge(invitation, self.clinic.invitations.get(&invitation), now)?;
        let mut own = self
            .record
            .items()
            .filter(|item| item.id.author == self.id());
        let issued = own.any(|item| match &item.statement.act {
            Act::InvitationIssued { invitation: issued } => issued.id == invitation,
            _ => false,
        });
        match issued {
            true => Ok(terms),
            false => Err(EnrolError::OtherIssuer { invitation }),
        }
    }

    /// Judges the request (again) and certifies the device; [`answer`](Self::answer) it next.
    pub fn approve(
        &mut self,
        signed: &SignedRequest,
        arrival: Arrival,
        given: Option<Terms>,
        now: WallTime,
    ) -> Result<Enrolled, AuthorityError> {
        let (request, terms) = self.judge(signed, arrival, given, now)?;
        let certificate = self.certificate(&request, &terms, now);
        let act = Act::DeviceEnrolled {
            certificate: Signed::new(&certificate, &self.clinic_id(), &self.key),
            invitation: terms.invitation,
            address: request.address,
        };
        let segment = self.sign(act, now)?;
        let key = request.web_key.filter(|_| self.web_ca.is_some());
        let web = match key.filter(|_| terms.kind == DeviceKind::Node) {
            Some(key) => Some(self.certify_web(request.device, key, now)?),
            None => None,
        };
        Ok(Enrolled {
            certificate,
            segment,
            web,
        })
    }

    fn certificate(
        &mut self,
        request: &EnrolmentRequest,
        terms: &Terms,
        now: WallTime,
    ) -> Certificate {
        // Five minutes earlier, for machines whose clock is behind.
        let not_before = now.minus(SKEW);
        Certificate {
            version: cert::VERSION,
            clinic: self.clinic_id(),
            serial: Serial::new(self.rng.array()),
            device: request.device,
            noise_key: request.noise_key,
            name: terms.name.clone(),
            office: terms.office.clone(),
            kind: terms.kind,
            capabilities: capabilities(terms.kind),
            not_before,
            not_after: not_before.plus(LIFETIME_MAX),
        }
    }

    /// The answer for an enrolled device, as often as it is needed: nothing in it is used up.
    pub fn answer(
        &self,
        device: DeviceId,
        now: WallTime,
    ) -> Result<EnrolmentAnswer, AuthorityError> {
        let enrolled = self.enrolled(device)?;
        let issuer = enrolled.signed.signer.as_admin();
        let grant = self.clinic.admins.get(&issuer);
        let grant = grant.ok_or(AuthorityError::NotEnrolled { device })?;
        let mesh_keys = self.mesh_keys();
        if let Some((epoch, _)) = self.clinic.mesh_keys.newest(now)
            && !mesh_keys.iter().any(|shared| shared.epoch == epoch)
        {
            return Err(AuthorityError::NoMeshKey { epoch });
        }
        Ok(EnrolmentAnswer {
            version: enrol::VERSION,
            clinic: self.clinic_id(),
            root: self.record.root().ok_or(AuthorityError::NoRecord)?,
            certificate: enrolled.signed.clone(),
            grant: grant.signed.clone(),
            mesh_keys,
            record: self.record_for(issuer.into(), WHOLE_RECORD_MAX),
            bootstrap: self.bootstrap_for(device),
        })
    }

    /// The answer as a file for a stick, which only that machine can open.
    pub fn answer_file(
        &mut self,
        device: DeviceId,
        now: WallTime,
    ) -> Result<Vec<u8>, AuthorityError> {
        let answer = self.answer(device, now)?;
        check_length(&answer, ANSWER_MAX)?;
        let noise_key = self.enrolled(device)?.certificate.noise_key;
        let sealed = sealed::seal_answer(&answer, device, &noise_key, &mut *self.rng.0)?;
        Ok(sealed.to_file())
    }

    fn enrolled(&self, device: DeviceId) -> Result<&Device, AuthorityError> {
        let found = self.clinic.devices.get(&device);
        let found = found.filter(|found| found.revocation.is_none());
        let found = found.map(|found| &**found);
        found.ok_or(AuthorityError::NotEnrolled { device })
    }

    /// The whole record, or of a long one the logs that the answer is checked by.
    pub(super) fn record_for(&self, issuer: AuthorId, whole_max: usize) -> Vec<Segment> {
        let whole: Vec<Segment> = self.record.segments().cloned().collect();
        if codec::encode(&whole).len() <= whole_max {
            return whole;
        }
        let needed = self.needed_logs(issuer);
        let kept = whole.into_iter();
        kept.filter(|segment| needed.contains(&segment.log.author))
            .collect()
    }

    /// The roots and who signed for them, issuer, and whoever made a mesh key.
    ///
    /// Of admins only: the log of somebody whom a root appointed that lost to another is a stranger's
    /// where that root's own log is not.
    fn needed_logs(&self, issuer: AuthorId) -> BTreeSet<AuthorId> {
        let makers = self.record.items().filter_map(|item| {
            let rotated = matches!(
                item.statement.act,
                Act::MeshKeyRotated { .. } | Act::MeshKeysPlanned { .. } | Act::RootRotated { .. }
            );
            let author = item.id.author;
            let is_admin = self.clinic.admins.contains_key(&author.as_admin());
            (rotated && is_admin).then_some(author)
        });
        let roots = self.clinic.roots.iter();
        let roots = roots.map(|root| AuthorId::from(root.key));
        makers.chain(roots).chain([issuer]).collect()
    }

    /// Nodes with a known address.
    fn bootstrap_for(&self, device: DeviceId) -> Vec<Bootstrap> {
        let others = self.clinic.nodes().filter(|(id, _)| **id != device);
        others
            .filter_map(|(id, found)| {
                let address = found.address.clone()?;
                Some(Bootstrap {
                    device: *id,
                    address,
                })
            })
            .take(BOOTSTRAP_MAX)
            .collect()
    }
}

/// Refuses an answer that its reader would refuse.
pub(super) fn check_length(answer: &EnrolmentAnswer, limit: usize) -> Result<(), AuthorityError> {
    match answer.to_bytes().len() > limit {
        true => Err(AuthorityError::AnswerTooLong),
        false => Ok(()),
    }
}

/// Every node attests others' audit trails and renews certificates; a client does neither.
fn capabilities(kind: DeviceKind) -> Capabilities {
    match kind {
        DeviceKind::Node => Capabilities::of([Capability::Witness, Capability::Renew]),
        DeviceKind::Client => Capabilities::default(),
    }
}
