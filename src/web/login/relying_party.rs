//! Our side of WebAuthn: what browsers are asked about passkeys, and whether what they show is right.
//!
//! The library judges signatures, challenges, origins and domains. Whether a counter may follow the last
//! one is judged with everything else that a person's entries say, so the library is told none.

use serde::de::DeserializeOwned;
use serde_json::Value;
use webauthn_rs::prelude::{
    AttestationFormat, AttestationMetadata, AuthenticationResult, COSEAlgorithm, COSEEC2Key,
    COSEKey, COSEKeyType, COSERSAKey, Credential, DiscoverableAuthentication, ECDSACurve,
    ParsedAttestation, ParsedAttestationData, PasskeyAuthentication, PasskeyRegistration,
    PublicKeyCredential, Url, Uuid, Webauthn, WebauthnBuilder,
};
use webauthn_rs_proto::{RegisteredExtensions, ResidentKeyRequirement, UserVerificationPolicy};

use crate::api::problem::{Code, Problem};
use crate::domain::id::StaffId;
use crate::domain::name::Name;
use crate::domain::passkey::{Copies, Passkey, PasskeyId, PasskeyKey};
use crate::web::door::Site;

/// One door for browsers, as passkeys see it.
pub(super) struct RelyingParty {
    webauthn: Webauthn,
    domain: String,
}

/// Which passkey was shown, and what it told of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Used {
    /// Which.
    pub(super) passkey: PasskeyId,
    /// How often it has signed.
    pub(super) counter: u32,
    /// Whether there may be copies.
    pub(super) copies: Copies,
}

impl RelyingParty {
    /// The door of this site, at this clinic.
    pub(super) fn of(site: &Site, clinic: &str) -> Result<Self, Problem> {
        let origins = site.origins();
        let mut origins = origins.iter().filter_map(|origin| Url::parse(origin).ok());
        let first = origins.next().ok_or_else(unusable)?;
        let domain = site.passkey_domain();
        let builder = WebauthnBuilder::new(domain, &first).map_err(|_| unusable())?;
        let builder = origins.fold(builder.rp_name(clinic), |builder, origin| {
            builder.append_allowed_origin(&origin)
        });
        let webauthn = builder.build().map_err(|_| unusable())?;
        let domain = domain.to_owned();
        Ok(Self { webauthn, domain })
    }

    /// Whether a passkey works here.
    pub(super) fn knows(&self, passkey: &Passkey) -> bool {
        passkey.domain == self.domain
    }

    /// Asks for a passkey to be made for this person, unless the device has one of these.
    pub(super) fn ask_for_another(
        &self,
        (staff, name): (StaffId, &str),
        known: &[Passkey],
    ) -> Result<(Value, PasskeyRegistration), Problem> {
        let id = Uuid::from_bytes(*staff.as_bytes());
        let known = known.iter().map(|passkey| passkey.credential.clone());
        let started =
            self.webauthn
                .start_passkey_registration(id, name, name, Some(known.collect()));
        let (mut asked, state) = started.map_err(|_| unusable())?;
        let selection = asked
            .public_key
            .authenticator_selection
            .get_or_insert_default();
        // One that its device does not find by itself could not sign in alone: somebody would have to be
        // told its id before it is known who that is.
        selection.resident_key = Some(ResidentKeyRequirement::Required);
        selection.require_resident_key = true;
        Ok((public(&asked.public_key)?, state))
    }

    /// The passkey that was made; nothing if what is shown is not right.
    pub(super) fn take(
        &self,
        state: &PasskeyRegistration,
        shown: &Value,
        name: Name,
    ) -> Option<Passkey> {
        let shown = read(shown)?;
        let made = self.webauthn.finish_passkey_registration(&shown, state);
        let made = Credential::from(made.ok()?);
        let copies = copies(made.backup_eligible, made.backup_state);
        Some(Passkey {
            key: key_of(&made.cred)?,
            credential: made.cred_id,
            domain: self.domain.clone(),
            name,
            counter: made.counter,
            copies,
        })
    }

    /// Asks for one of these passkeys.
    pub(super) fn ask_for_one_of(
        &self,
        passkeys: &[Passkey],
    ) -> Result<(Value, PasskeyAuthentication), Problem> {
        let known = passkeys.iter().map(|passkey| credential(passkey).into());
        let known: Vec<webauthn_rs::prelude::Passkey> = known.collect();
        let started = self.webauthn.start_passkey_authentication(&known);
        let (asked, state) = started.map_err(|_| unusable())?;
        Ok((public(&asked.public_key)?, state))
    }

    /// Whether one of those that were asked for was shown.
    pub(super) fn judge_one_of(
        &self,
        state: &PasskeyAuthentication,
        shown: &Value,
    ) -> Option<Used> {
        let shown = read(shown)?;
        let judged = self.webauthn.finish_passkey_authentication(&shown, state);
        judged.ok().map(|result| used(&result))
    }

    /// Asks for any passkey, of whomever it is.
    pub(super) fn ask_for_any(&self) -> Result<(Value, DiscoverableAuthentication), Problem> {
        let started = self.webauthn.start_discoverable_authentication();
        let (asked, state) = started.map_err(|_| unusable())?;
        Ok((public(&asked.public_key)?, state))
    }

    /// Whose passkey is shown, and which; nothing is proven yet.
    pub(super) fn claimed(&self, shown: &PublicKeyCredential) -> Option<(StaffId, PasskeyId)> {
        let claimed = self.webauthn.identify_discoverable_authentication(shown);
        let (staff, credential) = claimed.ok()?;
        Some((StaffId::new(staff.into_bytes()), PasskeyId::of(credential)))
    }

    /// Whether it is this passkey that was shown.
    pub(super) fn judge(
        &self,
        state: DiscoverableAuthentication,
        shown: &PublicKeyCredential,
        passkey: &Passkey,
    ) -> Option<Used> {
        let judged =
            self.webauthn
                .finish_discoverable_authentication_v2(shown, state, credential(passkey));
        judged.ok().map(|result| used(&result))
    }
}

/// What a browser shows, as the library takes it.
pub(super) fn read<T: DeserializeOwned>(shown: &Value) -> Option<T> {
    T::deserialize(shown).ok()
}

fn public(asked: &impl serde::Serialize) -> Result<Value, Problem> {
    serde_json::to_value(asked).map_err(|_| unusable())
}

fn unusable() -> Problem {
    Problem::new(Code::Internal, "passkeys do not work at this address")
        .remedy("use an authenticator app, and please report this as a bug")
}

fn used(result: &AuthenticationResult) -> Used {
    Used {
        passkey: PasskeyId::of(result.cred_id()),
        counter: result.counter(),
        copies: copies(result.backup_eligible(), result.backup_state()),
    }
}

const fn copies(eligible: bool, made: bool) -> Copies {
    match (eligible, made) {
        (_, true) => Copies::Made,
        (true, false) => Copies::NotYet,
        (false, false) => Copies::Never,
    }
}

/// A passkey as the library knows it.
fn credential(passkey: &Passkey) -> Credential {
    Credential {
        cred_id: passkey.credential.clone(),
        cred: cose(&passkey.key),
        counter: 0,
        transports: None,
        user_verified: true,
        backup_eligible: passkey.copies != Copies::Never,
        backup_state: passkey.copies == Copies::Made,
        registration_policy: UserVerificationPolicy::Required,
        extensions: RegisteredExtensions::none(),
        attestation: ParsedAttestation {
            data: ParsedAttestationData::None,
            metadata: AttestationMetadata::None,
        },
        attestation_format: AttestationFormat::None,
    }
}

fn cose(key: &PasskeyKey) -> COSEKey {
    let point = |curve, x: &[u8], y: &[u8]| {
        let (x, y) = (x.to_vec(), y.to_vec());
        COSEKeyType::EC_EC2(COSEEC2Key { curve, x, y })
    };
    let (type_, key) = match key {
        PasskeyKey::P256 { x, y } => (COSEAlgorithm::ES256, point(ECDSACurve::SECP256R1, x, y)),
        PasskeyKey::P384 { x, y } => (COSEAlgorithm::ES384, point(ECDSACurve::SECP384R1, x, y)),
        PasskeyKey::Rsa { modulus, exponent } => {
            let (n, e) = (modulus.clone(), *exponent);
            (COSEAlgorithm::RS256, COSEKeyType::RSA(COSERSAKey { n, e }))
        }
    };
    COSEKey { type_, key }
}

/// Keys of the algorithms that browsers were asked for; there are no others.
fn key_of(cose: &COSEKey) -> Option<PasskeyKey> {
    match (&cose.type_, &cose.key) {
        (COSEAlgorithm::ES256, COSEKeyType::EC_EC2(key)) => Some(PasskeyKey::P256 {
            x: key.x.as_slice().try_into().ok()?,
            y: key.y.as_slice().try_into().ok()?,
        }),
        (COSEAlgorithm::ES384, COSEKeyType::EC_EC2(key)) => Some(PasskeyKey::P384 {
            x: key.x.as_slice().try_into().ok()?,
            y: key.y.as_slice().try_into().ok()?,
        }),
        (COSEAlgorithm::RS256, COSEKeyType::RSA(key)) => Some(PasskeyKey::Rsa {
            modulus: key.n.clone(),
            exponent: key.e,
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::testing::passkey;

    fn party() -> RelyingParty {
        let site = Site::network(&["ward.sample-clinic.internal".to_owned()], 443);
        RelyingParty::of(&site, "Sample Clinic").expect("a name")
    }

    #[test]
    fn keys_of_every_algorithm_are_the_same_after_the_library_has_had_them() {
        let rsa = PasskeyKey::Rsa {
            modulus: vec![7; 256],
            exponent: [1, 0, 1],
        };
        let (x, y) = ([1; 48], [2; 48]);
        for key in [passkey(1).key, PasskeyKey::P384 { x, y }, rsa] {
            assert_eq!(key_of(&cose(&key)), Some(key));
        }
    }

    #[test]
    fn a_passkey_is_asked_for_that_finds_itself_and_checks_that_its_owner_is_there() {
        let staff = (StaffId::new([3; 16]), "Ana");
        let (asked, _) = party()
            .ask_for_another(staff, &[passkey(1)])
            .expect("asked");
        assert_eq!(asked["rp"]["id"], "sample-clinic.internal");
        assert_eq!(asked["authenticatorSelection"]["residentKey"], "required");
        assert_eq!(
            asked["authenticatorSelection"]["userVerification"],
            "required"
        );
        assert_eq!(asked["attestation"], "none");
        assert_eq!(
            asked["excludeCredentials"].as_array().map(Vec::len),
            Some(1)
        );
    }

    #[test]
    fn who_has_not_said_a_name_is_asked_the_same_as_anybody() {
        let (asked, _) = party().ask_for_any().expect("asked");
        let listed = asked["allowCredentials"].as_array();
        assert!(listed.is_none_or(Vec::is_empty), "{asked}");
        assert_eq!(asked["userVerification"], "required");
        let (asked, _) = party().ask_for_one_of(&[passkey(1)]).expect("asked");
        assert_eq!(asked["allowCredentials"].as_array().map(Vec::len), Some(1));
    }
}
