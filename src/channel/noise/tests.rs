use super::*;
use crate::domain::id::{hex, unhex};

/// "Randomness" that is one known ephemeral secret.
#[derive(Clone)]
struct Known([u8; 32]);

impl Random for Known {
    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Error> {
        bytes.copy_from_slice(&self.0);
        Ok(())
    }
}

/// One vector of `vectors.txt`.
#[derive(Default)]
struct Vector {
    name: String,
    fields: std::collections::BTreeMap<String, Vec<u8>>,
    messages: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Vector {
    fn key(&self, field: &str) -> [u8; 32] {
        self.fields[field].as_slice().try_into().unwrap()
    }

    fn machine(&self, side: Side) -> HandshakeState {
        let who = if side == Side::Initiator {
            "initiator"
        } else {
            "responder"
        };
        let key = StaticKey::from_secret(&self.key(&format!("{who}_static")));
        let ephemeral = Known(self.key(&format!("{who}_ephemeral")));
        start_with(
            side,
            &key,
            &self.key("psk"),
            &self.fields["prologue"],
            ephemeral,
        )
        .unwrap()
    }
}

fn bytes(text: &str) -> Vec<u8> {
    if text == "-" {
        Vec::new()
    } else {
        unhex(text).unwrap()
    }
}

fn vectors() -> Vec<Vector> {
    let mut all: Vec<Vector> = Vec::new();
    for line in include_str!("vectors.txt")
        .lines()
        .filter(|line| !line.starts_with('#'))
    {
        match line.split(' ').collect::<Vec<_>>()[..] {
            ["vector", name] => all.push(Vector {
                name: name.into(),
                ..Vector::default()
            }),
            ["message", payload, message] => {
                all.last_mut()
                    .unwrap()
                    .messages
                    .push((bytes(payload), bytes(message)));
            }
            [field, value] => {
                all.last_mut()
                    .unwrap()
                    .fields
                    .insert(field.into(), bytes(value));
            }
            _ => assert!(line.is_empty(), "{line}"),
        }
    }
    all
}

#[test]
fn every_byte_is_what_independent_implementations_of_noise_write() {
    let vectors = vectors();
    assert_eq!(vectors.len(), 3);
    for vector in vectors {
        let mut ends = [
            vector.machine(Side::Initiator),
            vector.machine(Side::Responder),
        ];
        let (handshake, transport) = vector.messages.split_at(3);
        let mut buffer = vec![0; 65_535];
        for (turn, (payload, message)) in handshake.iter().enumerate() {
            let n = ends[turn % 2].write_message(payload, &mut buffer).unwrap();
            assert_eq!(
                hex(&buffer[..n]),
                hex(message),
                "{} message {turn}",
                vector.name
            );
            let n = ends[(turn + 1) % 2]
                .read_message(message, &mut buffer)
                .unwrap();
            assert_eq!(&buffer[..n], payload);
        }
        for end in &ends {
            assert_eq!(end.get_handshake_hash(), vector.fields["hash"]);
        }
        let mut ends = ends.map(|end| end.into_transport_mode().unwrap());
        for (turn, (payload, message)) in transport.iter().enumerate() {
            let n = ends[turn % 2].write_message(payload, &mut buffer).unwrap();
            assert_eq!(
                hex(&buffer[..n]),
                hex(message),
                "{} transport {turn}",
                vector.name
            );
            let n = ends[(turn + 1) % 2]
                .read_message(message, &mut buffer)
                .unwrap();
            assert_eq!(&buffer[..n], payload);
        }
    }
}

/// The points of small order, in every encoding that X25519 takes.
///
/// From "May the Fourth Be With You" (Genkin, Valenta, Yarom 2017) and cr.yp.to/ecdh.html.
pub(in crate::channel) const LOW_ORDER: [&str; 7] = [
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
];

#[test]
fn every_low_order_point_is_refused_with_and_without_the_ignored_bit() {
    let pair = StaticKey::from_secret(&[7; 32]);
    let dh = X25519 {
        own: pair.clone(),
        pair,
    };
    let mut shared = [0; 32];
    for point in LOW_ORDER {
        let mut point = unhex(point).unwrap();
        assert_eq!(dh.dh(&point, &mut shared), Err(Error::Dh));
        point[31] |= 0x80;
        assert_eq!(dh.dh(&point, &mut shared), Err(Error::Dh));
        assert_eq!(shared, [0; 32]);
    }
    assert_eq!(
        dh.dh(
            StaticKey::from_secret(&[8; 32]).0.public.as_bytes(),
            &mut shared
        ),
        Ok(())
    );
}

#[test]
fn the_key_that_is_set_is_the_key_that_is_used() {
    let (own, other) = (
        StaticKey::from_secret(&[7; 32]),
        StaticKey::from_secret(&[8; 32]),
    );
    let mut dh = X25519 {
        own: own.clone(),
        pair: other.clone(),
    };
    dh.set(&[7; 32]);
    assert_eq!(dh.pubkey(), own.0.public.as_bytes());
    dh.set(&[8; 32]);
    assert_eq!(dh.pubkey(), other.0.public.as_bytes());
    assert_eq!(dh.privkey(), [8; 32]);
}

#[test]
fn two_handshakes_never_send_one_ephemeral_key() {
    let key = StaticKey::from_secret(&[1; 32]);
    let first = || {
        let mut message = [0; FIRST_MESSAGE];
        let mut state = start(Side::Initiator, &key, &[2; 32], b"").unwrap();
        assert_eq!(state.write_message(&[], &mut message), Ok(FIRST_MESSAGE));
        message
    };
    assert_ne!(first()[..32], first()[..32]);
}

/// Which of its keys a hostile end chooses badly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::channel) enum BadKey {
    Ephemeral,
    Static,
}

/// A machine that sends `point` as one of its public keys and knows that every secret made with it
/// is zero.
pub(in crate::channel) fn machine_with_bad_key(
    side: Side,
    psk: &[u8; 32],
    prologue: &[u8],
    which: BadKey,
    point: [u8; 32],
) -> HandshakeState {
    let resolver = Resolver {
        key: StaticKey::from_secret(&[1; 32]),
        random: System,
    };
    let builder = snow::Builder::with_resolver(
        PROTOCOL.parse().unwrap(),
        Box::new(Hostile {
            resolver,
            which,
            point,
        }),
    )
    .local_private_key(&[1; 32])
    .and_then(|builder| builder.psk(0, psk))
    .and_then(|builder| builder.prologue(prologue))
    .unwrap();
    match side {
        Side::Initiator => builder.build_initiator().unwrap(),
        Side::Responder => builder.build_responder().unwrap(),
    }
}

struct Hostile {
    resolver: Resolver<System>,
    which: BadKey,
    point: [u8; 32],
}

impl CryptoResolver for Hostile {
    fn resolve_rng(&self) -> Option<Box<dyn Random>> {
        self.resolver.resolve_rng()
    }

    fn resolve_dh(&self, choice: &DHChoice) -> Option<Box<dyn Dh>> {
        let honest = self.resolver.resolve_dh(choice)?;
        Some(Box::new(HostileDh {
            honest,
            which: self.which,
            point: self.point,
            bad: false,
        }))
    }

    fn resolve_hash(&self, choice: &HashChoice) -> Option<Box<dyn Hash>> {
        self.resolver.resolve_hash(choice)
    }

    fn resolve_cipher(&self, choice: &CipherChoice) -> Option<Box<dyn Cipher>> {
        self.resolver.resolve_cipher(choice)
    }
}

struct HostileDh {
    honest: Box<dyn Dh>,
    which: BadKey,
    point: [u8; 32],
    bad: bool,
}

impl Dh for HostileDh {
    fn name(&self) -> &'static str {
        self.honest.name()
    }

    fn pub_len(&self) -> usize {
        32
    }

    fn priv_len(&self) -> usize {
        32
    }

    /// Static keys are set, ephemeral ones generated.
    fn set(&mut self, secret: &[u8]) {
        self.bad = self.which == BadKey::Static;
        self.honest.set(secret);
    }

    fn generate(&mut self, random: &mut dyn Random) -> Result<(), Error> {
        self.bad = self.which == BadKey::Ephemeral;
        self.honest.generate(random)
    }

    fn pubkey(&self) -> &[u8] {
        if self.bad {
            &self.point
        } else {
            self.honest.pubkey()
        }
    }

    fn privkey(&self) -> &[u8] {
        self.honest.privkey()
    }

    fn dh(&self, theirs: &[u8], shared: &mut [u8]) -> Result<(), Error> {
        if self.bad {
            shared[..32].fill(0);
            return Ok(());
        }
        self.honest.dh(theirs, shared)
    }
}
