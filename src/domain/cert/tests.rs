use super::*;
use crate::domain::codec::{self, CodecError};
use crate::domain::id::unhex;
use crate::domain::sign::{BadSignature, Signature, SigningKey};
use crate::domain::testing::{ADMIN, NOON, SampleClinic, days, minutes};

fn clinic() -> SampleClinic {
    SampleClinic::of(["front-desk"])
}

/// The certificate of a node that has not been enrolled.
fn draft(clinic: &SampleClinic) -> Certificate {
    clinic.draft("ward-2")
}

fn open(clinic: &SampleClinic, certificate: &Certificate) -> Result<Certificate, CertificateError> {
    Certificate::open(&clinic.certify(ADMIN, certificate), &clinic.id)
}

fn admin_key(clinic: &SampleClinic) -> &SigningKey {
    &clinic.admins[ADMIN].key
}

/// Signs any bytes as if they were a certificate.
fn sign_bytes(clinic: &SampleClinic, body: Vec<u8>) -> Signed {
    let key = admin_key(clinic);
    Signed {
        signer: key.id(),
        signature: key.sign(Label::Certificate, &clinic.id, &body),
        body,
    }
}

/// What becomes of a certificate whose bytes were changed before an admin signed them.
fn open_changed(change: impl FnOnce(&mut Vec<u8>)) -> Result<Certificate, CertificateError> {
    let clinic = clinic();
    let mut body = codec::encode(&draft(&clinic));
    change(&mut body);
    Certificate::open(&sign_bytes(&clinic, body), &clinic.id)
}

fn codec_error(error: CodecError) -> Result<Certificate, CertificateError> {
    Err(SignedError::Codec(error).into())
}

const BAD_SIGNATURE: Result<Certificate, CertificateError> = Err(CertificateError::Signed(
    SignedError::Signature(BadSignature),
));

fn key_of(hex: &str) -> [u8; 32] {
    let bytes = unhex(hex).expect("hex");
    bytes.try_into().expect("32 bytes")
}

#[test]
fn a_certificate_that_an_admin_signed_is_read_back() {
    let clinic = clinic();
    assert_eq!(open(&clinic, &draft(&clinic)), Ok(draft(&clinic)));
}

#[test]
fn a_lifetime_over_the_cap_is_refused() {
    let clinic = clinic();
    let longest = Certificate {
        not_after: NOON.plus(LIFETIME_MAX),
        ..draft(&clinic)
    };
    assert_eq!(open(&clinic, &longest), Ok(longest.clone()));
    let longer = Certificate {
        not_after: WallTime(longest.not_after.0 + 1),
        ..longest
    };
    assert_eq!(open(&clinic, &longer), Err(CertificateError::Lifetime));
}

#[test]
fn a_lifetime_that_ends_before_it_begins_is_refused() {
    let clinic = clinic();
    for not_after in [NOON, NOON.minus(days(1)), WallTime(0)] {
        let certificate = Certificate {
            not_after,
            ..draft(&clinic)
        };
        assert_eq!(open(&clinic, &certificate), Err(CertificateError::Lifetime));
    }
}

#[test]
fn a_lifetime_at_the_end_of_time_does_not_overflow() {
    let clinic = clinic();
    let certificate = Certificate {
        not_before: WallTime(u64::MAX - 1),
        not_after: WallTime(u64::MAX),
        ..draft(&clinic)
    };
    assert!(open(&clinic, &certificate).is_ok());
}

#[test]
fn another_clinics_certificate_is_refused_even_when_our_admin_signed_it() {
    let clinic = clinic();
    let certificate = Certificate {
        clinic: ClinicId::new([8; 32]),
        ..draft(&clinic)
    };
    let opened = open(&clinic, &certificate);
    assert_eq!(opened, Err(CertificateError::OtherClinic));
}

#[test]
fn a_certificate_signed_for_another_clinic_is_refused() {
    let clinic = clinic();
    let other = ClinicId::new([8; 32]);
    let signed = Signed::new(&draft(&clinic), &other, admin_key(&clinic));
    assert_eq!(Certificate::open(&signed, &clinic.id), BAD_SIGNATURE);
}

#[test]
fn an_unknown_version_is_refused() {
    let clinic = clinic();
    for version in [0, 2, 255] {
        let certificate = Certificate {
            version,
            ..draft(&clinic)
        };
        let opened = open(&clinic, &certificate);
        assert_eq!(opened, Err(CertificateError::Version(version)));
    }
}

#[test]
fn an_unknown_critical_field_is_refused() {
    let opened = open_changed(|body| {
        body[0] += 1;
        body.extend([11, 1]);
    });
    assert_eq!(opened, codec_error(CodecError::NotDeterministic));
}

#[test]
fn a_missing_field_is_refused() {
    let opened = open_changed(|body| {
        body[0] -= 1;
        body.drain(1..3);
    });
    assert_eq!(opened, codec_error(CodecError::Malformed));
}

#[test]
fn a_non_shortest_integer_is_refused() {
    let opened = open_changed(|body| {
        assert_eq!(body[2], VERSION);
        body.splice(2..3, [0x18, VERSION]);
    });
    assert_eq!(opened, codec_error(CodecError::NotDeterministic));
}

#[test]
fn a_non_shortest_length_is_refused() {
    let opened = open_changed(|body| {
        assert_eq!(body[4..6], [0x58, 32]);
        body.splice(4..6, [0x59, 0, 32]);
    });
    assert_eq!(opened, codec_error(CodecError::NotDeterministic));
}

#[test]
fn unsorted_map_keys_are_refused() {
    let opened = open_changed(|body| {
        let version: Vec<u8> = body.drain(1..3).collect();
        body.extend(version);
    });
    assert_eq!(opened, codec_error(CodecError::NotDeterministic));
}

#[test]
fn duplicate_map_keys_are_refused() {
    let opened = open_changed(|body| {
        body[0] += 1;
        body.splice(1..1, [0, VERSION]);
    });
    assert_eq!(opened, codec_error(CodecError::NotDeterministic));
}

#[test]
fn a_map_of_indefinite_length_is_refused() {
    let opened = open_changed(|body| {
        body[0] = 0xbf;
        body.push(0xff);
    });
    assert_eq!(opened, codec_error(CodecError::NotDeterministic));
}

#[test]
fn a_string_of_indefinite_length_is_refused() {
    let opened = open_changed(|body| {
        // The clinic's id, in one chunk.
        body.insert(4, 0x5f);
        body.insert(4 + 1 + 2 + 32, 0xff);
    });
    assert!(matches!(
        opened,
        Err(CertificateError::Signed(SignedError::Codec(_)))
    ));
}

#[test]
fn trailing_bytes_are_refused() {
    let opened = open_changed(|body| body.push(0));
    assert_eq!(opened, codec_error(CodecError::Trailing));
}

#[test]
fn every_truncation_is_refused() {
    let clinic = clinic();
    let whole = codec::encode(&draft(&clinic));
    for len in 0..whole.len() {
        let signed = sign_bytes(&clinic, whole[..len].to_vec());
        assert!(Certificate::open(&signed, &clinic.id).is_err(), "{len}");
    }
}

#[test]
fn an_oversize_certificate_is_refused_before_its_signature_is_looked_at() {
    let clinic = clinic();
    for len in [Certificate::MAX + 1, 65_537] {
        let signed = Signed {
            body: vec![0; len],
            ..clinic.certify(ADMIN, &draft(&clinic))
        };
        let refused = codec_error(CodecError::TooLong {
            actual: len,
            limit: Certificate::MAX,
        });
        assert_eq!(Certificate::open(&signed, &clinic.id), refused);
    }
}

#[test]
fn the_largest_certificate_there_can_be_fits_the_cap() {
    let clinic = clinic();
    let certificate = Certificate {
        name: Name::new("x".repeat(64)).expect("fits"),
        office: Name::new("x".repeat(64)).expect("fits"),
        capabilities: Capabilities::of(Capabilities::ALL),
        not_before: WallTime(u64::MAX - 1),
        not_after: WallTime(u64::MAX),
        ..draft(&clinic)
    };
    assert!(open(&clinic, &certificate).is_ok());
}

#[test]
fn a_signature_made_under_another_types_label_is_refused() {
    let clinic = clinic();
    let body = codec::encode(&draft(&clinic));
    for label in [Label::Grant, Label::Attestation, Label::Enrolment] {
        let key = admin_key(&clinic);
        let signed = Signed {
            signer: key.id(),
            signature: key.sign(label, &clinic.id, &body),
            body: body.clone(),
        };
        assert_eq!(Certificate::open(&signed, &clinic.id), BAD_SIGNATURE);
    }
}

/// Whoever signs the deterministic form but sends another finds that the bytes sent are what counts.
#[test]
fn a_signature_over_re_encoded_bytes_is_refused() {
    let clinic = clinic();
    let mut signed = clinic.certify(ADMIN, &draft(&clinic));
    assert_eq!(signed.body[2], VERSION);
    signed.body.splice(2..3, [0x18, VERSION]);
    assert_eq!(Certificate::open(&signed, &clinic.id), BAD_SIGNATURE);
}

#[test]
fn a_signature_by_another_key_is_refused() {
    let clinic = clinic();
    let signed = Signed {
        signer: clinic.root.id(),
        ..clinic.certify(ADMIN, &draft(&clinic))
    };
    assert_eq!(Certificate::open(&signed, &clinic.id), BAD_SIGNATURE);
}

#[test]
fn any_flipped_bit_of_the_body_is_refused() {
    let clinic = clinic();
    let good = clinic.certify(ADMIN, &draft(&clinic));
    for at in 0..good.body.len() {
        let mut signed = good.clone();
        signed.body[at] ^= 1;
        assert_eq!(
            Certificate::open(&signed, &clinic.id),
            BAD_SIGNATURE,
            "{at}"
        );
    }
}

/// The order of the group, little-endian: S and S + L satisfy the same equation.
const L: &str = "edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010";

#[test]
fn a_signature_with_s_not_below_the_group_order_is_refused() {
    let clinic = clinic();
    let good = clinic.certify(ADMIN, &draft(&clinic));
    let mut bytes = *good.signature.as_bytes();
    let mut carry = 0;
    for (s, l) in bytes[32..].iter_mut().zip(key_of(L)) {
        let sum = u16::from(*s) + u16::from(l) + carry;
        *s = (sum & 255) as u8;
        carry = sum >> 8;
    }
    assert_eq!(carry, 0, "S + L fits 256 bits");
    let signed = Signed {
        signature: Signature::new(bytes),
        ..good
    };
    assert_eq!(Certificate::open(&signed, &clinic.id), BAD_SIGNATURE);
}

/// The eight points of small order in their canonical encodings, then the six other encodings that
/// lenient decoders take for them ("Taming the many EdDSAs", table 6).
const SMALL_ORDER: [&str; 14] = [
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "0100000000000000000000000000000000000000000000000000000000000080",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
];

#[test]
fn no_small_order_key_is_a_devices_identity() {
    let clinic = clinic();
    for key in SMALL_ORDER {
        let certificate = Certificate {
            device: DeviceId::new(key_of(key)),
            ..draft(&clinic)
        };
        let opened = open(&clinic, &certificate);
        assert_eq!(opened, Err(CertificateError::WeakIdentityKey), "{key}");
    }
}

#[test]
fn no_small_order_key_is_an_admins() {
    let clinic = clinic();
    for key in SMALL_ORDER {
        let grant = Grant {
            admin: AdminId::new(key_of(key)),
            ..clinic.admins[ADMIN].grant.clone()
        };
        let signed = Signed::new(&grant, &clinic.id, &clinic.root);
        let opened = Grant::open(&signed, &clinic.id);
        assert_eq!(opened, Err(GrantError::WeakKey), "{key}");
    }
}

/// With S = 0 and any of these points as R, lenient verification accepts one message in eight.
#[test]
fn no_small_order_key_signs_a_certificate() {
    let clinic = clinic();
    for key in SMALL_ORDER {
        for r in SMALL_ORDER {
            let mut signature = [0; 64];
            signature[..32].copy_from_slice(&key_of(r));
            let signed = Signed {
                signer: AuthorId::new(key_of(key)),
                body: codec::encode(&draft(&clinic)),
                signature: Signature::new(signature),
            };
            assert_eq!(
                Certificate::open(&signed, &clinic.id),
                BAD_SIGNATURE,
                "{key} {r}"
            );
        }
    }
}

#[test]
fn a_key_that_is_no_point_of_the_curve_is_refused() {
    let clinic = clinic();
    let mut off_curve = [0; 32];
    off_curve[0] = 2;
    let certificate = Certificate {
        device: DeviceId::new(off_curve),
        ..draft(&clinic)
    };
    let opened = open(&clinic, &certificate);
    assert_eq!(opened, Err(CertificateError::WeakIdentityKey));
}

/// The public keys whose X25519 secret is zero with everyone: 0, 1, two of order 8, p-1, p, p+1.
const LOW_ORDER: [&str; 7] = [
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
];

#[test]
fn no_low_order_noise_key_is_certified_whatever_its_high_bit() {
    let clinic = clinic();
    for key in LOW_ORDER {
        for high_bit in [0, 0x80] {
            let mut noise_key = key_of(key);
            noise_key[31] |= high_bit;
            let secret = x25519_dalek::StaticSecret::from([7; 32]);
            let shared = secret.diffie_hellman(&noise_key.into());
            assert!(!shared.was_contributory(), "{key} is of low order");

            let certificate = Certificate {
                noise_key: NoiseKey::new(noise_key),
                ..draft(&clinic)
            };
            let opened = open(&clinic, &certificate);
            assert_eq!(opened, Err(CertificateError::WeakNoiseKey), "{key}");
        }
    }
}

/// X25519 ignores the highest bit and reduces modulo p, so a revoked key would have a second name.
#[test]
fn a_noise_key_in_another_encoding_is_refused() {
    let clinic = clinic();
    let mut high_bit = *draft(&clinic).noise_key.as_bytes();
    high_bit[31] |= 0x80;
    // p + 9: another way to write the base point.
    let mut over_p = [0xff; 32];
    (over_p[0], over_p[31]) = (0xf6, 0x7f);
    for noise_key in [high_bit, over_p] {
        let certificate = Certificate {
            noise_key: NoiseKey::new(noise_key),
            ..draft(&clinic)
        };
        let opened = open(&clinic, &certificate);
        assert_eq!(opened, Err(CertificateError::WeakNoiseKey));
    }
}

/// Replaces the office, whose text is as long as that of the bad one.
fn open_with_office(text: &str) -> Result<Certificate, CertificateError> {
    let clinic = clinic();
    let mut body = codec::encode(&draft(&clinic));
    let office = [&[6, 0x66][..], b"ward-2"].concat();
    let at = body
        .windows(office.len())
        .position(|window| window == office)
        .expect("the office is in it");
    let head = 0x60 + u8::try_from(text.len()).expect("short");
    let bad = [&[6, head][..], text.as_bytes()].concat();
    body.splice(at..at + office.len(), bad);
    Certificate::open(&sign_bytes(&clinic, body), &clinic.id)
}

#[test]
fn a_bidi_override_in_a_name_is_refused() {
    assert!(open_with_office("ward-3").is_ok());
    for bad in ["a\u{202e}b", "a\u{2066}b", "a\u{200f}b"] {
        assert_eq!(open_with_office(bad), codec_error(CodecError::Malformed));
    }
}

#[test]
fn a_zero_width_a_control_and_an_unnormalised_name_are_refused() {
    for bad in ["a\u{200b}b", "a\u{feff}b", "a\nb", "e\u{301}", "", " a"] {
        assert_eq!(open_with_office(bad), codec_error(CodecError::Malformed));
    }
}

#[test]
fn an_unknown_capability_bit_is_refused() {
    let opened = open_changed(|body| {
        let at = body.len() - 2 * 10 - 2;
        assert_eq!(body[at..at + 2], [8, 0]);
        body[at + 1] = 8;
    });
    assert_eq!(opened, codec_error(CodecError::Malformed));
}

#[test]
fn an_unknown_kind_is_refused() {
    let opened = open_changed(|body| {
        let at = body.len() - 2 * 10 - 4;
        assert_eq!(body[at..at + 2], [7, 0]);
        body[at + 1] = 2;
    });
    assert_eq!(opened, codec_error(CodecError::Malformed));
}

mod grants {
    use super::*;

    fn open(clinic: &SampleClinic, grant: &Grant) -> Result<Grant, GrantError> {
        Grant::open(&Signed::new(grant, &clinic.id, &clinic.root), &clinic.id)
    }

    fn sample(clinic: &SampleClinic) -> Grant {
        clinic.admins[ADMIN].grant.clone()
    }

    #[test]
    fn a_grant_that_the_root_signed_is_read_back() {
        let clinic = clinic();
        assert_eq!(open(&clinic, &sample(&clinic)), Ok(sample(&clinic)));
    }

    #[test]
    fn a_grant_that_an_admin_signed_is_refused() {
        let clinic = clinic();
        let signed = Signed::new(&sample(&clinic), &clinic.id, admin_key(&clinic));
        let opened = Grant::open(&signed, &clinic.id);
        assert_eq!(opened, Err(GrantError::NotTheRoots));
    }

    #[test]
    fn a_grant_that_names_the_root_but_that_an_admin_signed_is_refused() {
        let clinic = clinic();
        let signed = Signed {
            signer: clinic.root.id(),
            ..Signed::new(&sample(&clinic), &clinic.id, admin_key(&clinic))
        };
        let opened = Grant::open(&signed, &clinic.id);
        let bad = GrantError::Signed(SignedError::Signature(BadSignature));
        assert_eq!(opened, Err(bad));
    }

    #[test]
    fn a_certificate_is_never_taken_for_a_grant() {
        let clinic = clinic();
        let signed = Signed::new(&draft(&clinic), &clinic.id, &clinic.root);
        assert!(Grant::open(&signed, &clinic.id).is_err());
    }

    #[test]
    fn another_clinics_grant_is_refused() {
        let clinic = clinic();
        let grant = Grant {
            clinic: ClinicId::new([8; 32]),
            ..sample(&clinic)
        };
        assert_eq!(open(&clinic, &grant), Err(GrantError::NotTheRoots));
        let other_root = SigningKey::from_seed(&[3; 32]);
        let other = ClinicId::of_root(&other_root.id().as_admin());
        let signed = Signed::new(&sample(&clinic), &other, &other_root);
        let opened = Grant::open(&signed, &clinic.id);
        assert_eq!(opened, Err(GrantError::NotTheRoots));
    }

    #[test]
    fn an_unknown_version_of_a_grant_is_refused() {
        let clinic = clinic();
        let grant = Grant {
            version: 2,
            ..sample(&clinic)
        };
        assert_eq!(open(&clinic, &grant), Err(GrantError::NotTheRoots));
    }

    #[test]
    fn an_unknown_scope_bit_is_refused() {
        let clinic = clinic();
        let grant = Grant {
            scopes: Scopes(1 << 6),
            ..sample(&clinic)
        };
        let malformed = SignedError::Codec(CodecError::Malformed);
        assert_eq!(open(&clinic, &grant), Err(malformed.into()));
    }

    #[test]
    fn a_set_of_scopes_holds_what_was_put_in() {
        let some = Scopes::of([Scope::Revoke, Scope::Enrol]);
        let listed: Vec<Scope> = some.iter().collect();
        assert_eq!(listed, [Scope::Enrol, Scope::Revoke]);
        assert!(!some.has(Scope::Audit));
    }
}

#[test]
fn minutes_of_skew_are_those_of_the_design() {
    assert_eq!(SKEW, minutes(5));
}
