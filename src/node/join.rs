//! Becoming a node of a clinic: fresh keys, a request, and the checked answer.
//!
//! A node's store appears in one of two ways. Whoever is enrolled at once gets it when the answer is
//! good ([`create`](super::create)). Whoever asks by a file first gets a store with nothing but the
//! keys in it ([`prepare`]), so that they are sealed at rest while the stick travels, and the rest
//! with the answer ([`finish`]).

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use zeroize::Zeroizing;

use crate::domain::cert::DeviceKind;
use crate::domain::codec::CodecError;
use crate::domain::enrol::{
    self, AnswerError, EnrolmentAnswer, EnrolmentRequest, Promise, SealedAnswer, SignedRequest,
};
use crate::domain::id::{ClinicId, Hash, InvitationId, NoiseKey};
use crate::domain::invitation::InvitationSecret;
use crate::domain::name::Name;
use crate::domain::time::WallTime;
use crate::domain::trust::Credentials;
use crate::net;
use crate::net::enrol::{Dialled, JoinError, Waiting};
use crate::platform::{entropy, sealed};
use crate::store::{Batch, Meta, Options, Store, StoreError, Unlock};

use super::boot::{self, Enrolled};
use super::identity::{DeviceKeys, Identity, IdentityError};

/// The keys of a machine that has asked by a file, in its store.
const PENDING: &str = "pending-keys";

/// How long discovery is given to find the node that hosts an invitation.
///
/// Ten seconds: mDNS answers within one, if multicast gets through at all.
pub const SEARCH: Duration = Duration::from_secs(10);

/// What a machine says of itself when it asks.
#[derive(Clone, Debug)]
pub struct Wish {
    /// What it would like to be called; the authority decides.
    pub name: Name,
    /// Where it may be reached besides discovery, as `host:port`.
    pub address: Option<String>,
}

/// Why a machine did not become a node.
#[derive(Debug, thiserror::Error)]
pub enum BecomeError {
    /// The node that invited it did not let it in.
    #[error(transparent)]
    Join(#[from] JoinError),
    /// The answer is not good.
    #[error(transparent)]
    Answer(#[from] AnswerError),
    /// Whoever answered is no device of the clinic.
    #[error(
        "whoever answered is not a node of this clinic: somebody sits between; tell the admin to withdraw the invitation"
    )]
    NotAMember,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is no request to answer.
    #[error("no request was made in this directory; run `clinic-mesh node request` first")]
    NothingPending,
    /// The pending keys cannot be read.
    #[error("the keys of the request cannot be read ({0}); make a request in another directory")]
    Unreadable(#[from] CodecError),
    /// Discovery does not work.
    #[error(transparent)]
    Discovery(#[from] net::discovery::DiscoveryError),
}

impl DeviceKeys {
    /// Fresh keys from the operating system.
    pub fn fresh() -> Self {
        Self::new(&entropy::secret(), &entropy::secret())
    }

    /// The public half of the Noise key.
    pub fn noise_key(&self) -> NoiseKey {
        net::enrol::public_half(&self.noise_secret())
    }

    /// A request to be enrolled, outside any channel.
    pub fn request(&self, clinic: Option<ClinicId>, wish: &Wish, now: WallTime) -> SignedRequest {
        self.ask(clinic, wish, None, now)
    }

    fn ask(
        &self,
        clinic: Option<ClinicId>,
        wish: &Wish,
        through: Option<(InvitationId, Hash)>,
        now: WallTime,
    ) -> SignedRequest {
        let request = EnrolmentRequest {
            version: enrol::VERSION,
            device: self.device(),
            noise_key: self.noise_key(),
            name: wish.name.clone(),
            address: wish.address.clone(),
            invitation: through.map(|(invitation, _)| invitation),
            binding: through.map(|(_, binding)| binding),
            made_at: now,
            web_key: Some(self.web_key().public()),
        };
        request.sign(clinic, &self.signing_key())
    }

    /// Checks an answer to a request of these keys: chain to the root, own keys, record, mesh keys.
    pub fn accept(
        self,
        clinic: Option<ClinicId>,
        answer: &EnrolmentAnswer,
        now: WallTime,
    ) -> Result<Enrolled, AnswerError> {
        let promise = Promise {
            device: self.device(),
            noise_key: self.noise_key(),
            clinic,
            office: None,
            name: None,
            // What is made here is a node, and other nodes would turn a client away.
            kind: Some(DeviceKind::Node),
        };
        let (record, clinic) = answer.check(&promise, now)?;
        let shared = answer.mesh_keys.iter();
        Ok(Enrolled {
            identity: Identity {
                clinic: answer.clinic,
                keys: self,
                credentials: Credentials {
                    certificate: answer.certificate.clone(),
                    grant: answer.grant.clone(),
                    chain: clinic.chain(),
                },
            },
            record: record.segments().cloned().collect(),
            mesh_keys: shared
                .map(|shared| (shared.epoch, shared.key.clone()))
                .collect(),
        })
    }
}

/// A machine that has reached the node that invited it.
pub struct Joining {
    keys: DeviceKeys,
    node: NoiseKey,
    short_code: String,
    waiting: Waiting,
}

/// A machine that was let in; the node waits to hear that it is durable.
pub struct LetIn {
    /// What to make the store from.
    pub enrolled: Enrolled,
    waiting: Waiting,
}

/// Looks on the LAN for the node that hosts the invitation.
pub async fn find(
    discovery: &net::discovery::Settings,
    secret: &InvitationSecret,
) -> Result<Vec<SocketAddr>, BecomeError> {
    Ok(net::discovery::find_enrolment(discovery, secret.tag(), SEARCH).await?)
}

/// Dials the node that hosts the invitation and asks to be enrolled.
pub async fn ask(
    addresses: &[SocketAddr],
    secret: &InvitationSecret,
    keys: DeviceKeys,
    wish: &Wish,
    now: WallTime,
) -> Result<Joining, BecomeError> {
    let psk = Zeroizing::new(secret.psk());
    let dialled = net::enrol::dial(addresses, &keys.noise_secret(), &psk).await?;
    let Dialled { node, .. } = dialled;
    let short_code = dialled.short_code.clone();
    let request = keys.ask(None, wish, Some((secret.id(), dialled.binding)), now);
    let waiting = dialled.ask(&request).await?;
    Ok(Joining {
        keys,
        node,
        short_code,
        waiting,
    })
}

impl Joining {
    /// The six digits that must stand on the admin's screen too.
    pub fn short_code(&self) -> &str {
        &self.short_code
    }

    /// Waits for the admin's word and checks everything that comes with it.
    pub async fn answer(mut self, now: impl Fn() -> WallTime) -> Result<LetIn, BecomeError> {
        let bytes = self.waiting.answer().await?;
        let answer = EnrolmentAnswer::from_bytes(&bytes).map_err(AnswerError::from)?;
        let enrolled = self.keys.accept(None, &answer, now())?;
        if !is_a_members(&self.node, &enrolled) {
            return Err(BecomeError::NotAMember);
        }
        Ok(LetIn {
            enrolled,
            waiting: self.waiting,
        })
    }
}

impl LetIn {
    /// Tells the node that this machine is durable. A failure changes nothing here.
    pub async fn confirm(self) -> (Enrolled, Result<(), JoinError>) {
        (self.enrolled, self.waiting.taken().await)
    }
}

/// Whether the key that the other end proved is a device's of the clinic that it let us into.
fn is_a_members(key: &NoiseKey, enrolled: &Enrolled) -> bool {
    let mut copy = crate::domain::copy::RecordCopy::new(enrolled.identity.clinic);
    let merged = copy.merge(enrolled.record.iter().cloned());
    let me = enrolled.identity.keys.device();
    let clinic = copy.clinic();
    merged.is_ok()
        && clinic
            .members()
            .any(|(id, device)| *id != me && device.certificate.noise_key == *key)
}

/// Makes a store that holds a machine's keys and nothing else yet; on failure nothing is left in `dir`.
pub fn prepare(
    dir: &Path,
    options: &Options,
    unlock: &Unlock,
    keys: &DeviceKeys,
) -> Result<Store, StoreError> {
    boot::filled(dir, options, unlock, keys_batch(keys))
}

/// Keeps the keys of a machine that is not enrolled.
fn keys_batch(keys: &DeviceKeys) -> Batch {
    let meta = Meta {
        name: PENDING.to_owned(),
        value: Some(keys.to_bytes().to_vec()),
    };
    Batch {
        metas: vec![meta],
        ..Batch::default()
    }
}

/// How far the making of a node came before it was cut off.
#[derive(Debug)]
pub enum CutOff {
    /// The store is there, with the keys; whether they are certified, the authority knows.
    Prepared(DeviceKeys),
    /// Everything is in the store.
    Finished(Box<Identity>),
}

/// Opens what the power left of a node that was being made, to go on with it.
///
/// A store in which there are no keys yet gets some: it was made and not filled.
pub fn resume(
    dir: &Path,
    options: &Options,
    unlock: &Unlock,
    fresh: impl FnOnce() -> DeviceKeys,
) -> Result<(Store, CutOff), BecomeError> {
    let store = Store::open(dir, options, unlock)?;
    match Identity::load(&store) {
        Ok(identity) => return Ok((store, CutOff::Finished(Box::new(identity)))),
        Err(IdentityError::NotEnrolled) => {}
        Err(IdentityError::Unreadable(why)) => return Err(why.into()),
        Err(IdentityError::Store(why)) => return Err(why.into()),
    }
    let keys = match pending(&store) {
        Err(BecomeError::NothingPending) => {
            let keys = fresh();
            store.commit(keys_batch(&keys))?;
            keys
        }
        kept => kept?,
    };
    Ok((store, CutOff::Prepared(keys)))
}

/// The keys of the request that was made with this store.
pub fn pending(store: &Store) -> Result<DeviceKeys, BecomeError> {
    let bytes = store.meta(PENDING)?.map(Zeroizing::new);
    let bytes = bytes.ok_or(BecomeError::NothingPending)?;
    DeviceKeys::from_bytes(&bytes).ok_or(BecomeError::Unreadable(CodecError::Malformed))
}

/// Opens an answer from a file with the keys of the request; it is still to be
/// [accepted](DeviceKeys::accept).
pub fn open_answer(file: &[u8], keys: &DeviceKeys) -> Result<EnrolmentAnswer, AnswerError> {
    let sealed = SealedAnswer::from_file(file)?;
    sealed::open_answer(&sealed, keys.device(), &keys.noise_secret())
}

/// Makes a prepared store the store of an enrolled node.
pub fn finish(store: &Store, enrolled: &Enrolled, now: WallTime) -> Result<(), StoreError> {
    let mut batch = boot::first_batch(enrolled, now);
    batch.metas.push(Meta {
        name: PENDING.to_owned(),
        value: None,
    });
    store.commit(batch)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::testing::SampleClinic;

    /// What a machine named `me` would have after it was let in.
    fn enrolled(clinic: &SampleClinic, me: &str) -> Enrolled {
        let device = clinic.device(me);
        let keys = DeviceKeys::new(&device.key.seed(), &device.noise_secret);
        Enrolled {
            identity: Identity {
                clinic: clinic.id,
                keys,
                credentials: device.credentials(),
            },
            record: clinic.segments.clone(),
            mesh_keys: Vec::new(),
        }
    }

    #[test]
    fn only_a_device_of_the_clinic_can_have_let_a_machine_in() {
        let mut clinic = SampleClinic::of(["front-desk", "ward-2", "lost"]);
        let key = |clinic: &SampleClinic, office: &str| clinic.device(office).certificate.noise_key;
        let (front, ward, lost) = (
            key(&clinic, "front-desk"),
            key(&clinic, "ward-2"),
            key(&clinic, "lost"),
        );
        assert!(is_a_members(&lost, &enrolled(&clinic, "ward-2")));
        clinic.revoke("lost");
        let machine = enrolled(&clinic, "ward-2");
        assert!(is_a_members(&front, &machine));
        assert!(!is_a_members(&lost, &machine), "a revoked device");
        assert!(!is_a_members(&ward, &machine), "the machine itself");
        let nobody = net::enrol::public_half(&[66; 32]);
        assert!(!is_a_members(&nobody, &machine), "somebody between");
    }

    #[test]
    fn keys_that_wait_in_a_store_for_an_answer_are_found_again() {
        let keys = DeviceKeys::fresh();
        let read = DeviceKeys::from_bytes(&*keys.to_bytes()).expect("64 bytes");
        assert_eq!(read.device(), keys.device());
        assert_eq!(read.noise_key(), keys.noise_key());
        assert!(DeviceKeys::from_bytes(&[0; 63]).is_none());
    }
}
