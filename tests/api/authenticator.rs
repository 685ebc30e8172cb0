//! An authenticator with one passkey, as a phone or a security key has it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use minicbor::Encoder;
use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{Signature, SigningKey};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// Its owner is there.
const PRESENT: u8 = 0x01;
/// It has checked that it is its owner.
const VERIFIED: u8 = 0x04;
/// What follows tells of a passkey just made.
const MADE: u8 = 0x40;

/// One passkey and whoever holds it. Cloning it is what no good authenticator lets anybody do.
#[derive(Clone)]
pub(crate) struct Authenticator {
    pub(crate) key: SigningKey,
    pub(crate) id: Vec<u8>,
    pub(crate) owner: Vec<u8>,
    pub(crate) domain: String,
    /// How often it has signed; one without a counter says 0 for ever.
    pub(crate) counter: Option<u32>,
    /// Whether it checks fingerprint, face or PIN.
    pub(crate) verifies: bool,
    /// The page that it believes to be on.
    pub(crate) origin: String,
}

impl Authenticator {
    /// An empty one, for pages of the loopback door at this port.
    pub(crate) fn at(port: u16, number: u8) -> Self {
        Self {
            key: SigningKey::from_slice(&[number; 32]).expect("within the order"),
            id: vec![number; 32],
            owner: Vec::new(),
            domain: String::new(),
            counter: Some(0),
            verifies: true,
            origin: format!("http://localhost:{port}"),
        }
    }

    /// Makes the passkey that a page asks for.
    pub(crate) fn make(&mut self, asked: &Value) -> Value {
        let asked = &asked["public_key"];
        self.domain = text(&asked["rp"]["id"]);
        self.owner = bytes(&asked["user"]["id"]);
        let mut data = self.data(MADE);
        data.extend([0; 16]);
        data.extend(u16::try_from(self.id.len()).expect("short").to_be_bytes());
        data.extend(&self.id);
        data.extend(self.public_key());
        let client = self.client_data("webauthn.create", asked);
        json!({
            "id": written(&self.id),
            "rawId": written(&self.id),
            "type": "public-key",
            "response": { "attestationObject": written(&object(&data)), "clientDataJSON": written(&client) },
            "clientExtensionResults": {},
        })
    }

    /// Shows it.
    pub(crate) fn show(&mut self, asked: &Value) -> Value {
        let asked = &asked["public_key"];
        self.counter = self.counter.map(|counter| counter + 1);
        let data = self.data(0);
        let client = self.client_data("webauthn.get", asked);
        let mut signed = data.clone();
        signed.extend(Sha256::digest(&client));
        let signature: Signature = self.key.sign(&signed);
        json!({
            "id": written(&self.id),
            "rawId": written(&self.id),
            "type": "public-key",
            "response": {
                "authenticatorData": written(&data),
                "clientDataJSON": written(&client),
                "signature": written(signature.to_der().as_bytes()),
                "userHandle": written(&self.owner),
            },
            "clientExtensionResults": {},
        })
    }

    fn data(&self, more: u8) -> Vec<u8> {
        let verified = if self.verifies { VERIFIED } else { 0 };
        let mut data = Sha256::digest(self.domain.as_bytes()).to_vec();
        data.push(PRESENT | verified | more);
        data.extend(self.counter.unwrap_or(0).to_be_bytes());
        data
    }

    fn client_data(&self, kind: &str, asked: &Value) -> Vec<u8> {
        let data = json!({
            "type": kind, "challenge": asked["challenge"], "origin": self.origin, "crossOrigin": false,
        });
        data.to_string().into_bytes()
    }

    /// The public half as COSE has it.
    fn public_key(&self) -> Vec<u8> {
        let point = self.key.verifying_key().to_sec1_point(false);
        let point = point.as_bytes();
        let mut out = Vec::new();
        Encoder::new(&mut out)
            .map(5)
            .and_then(|e| e.i8(1)?.i8(2)?.i8(3)?.i8(-7)?.i8(-1)?.i8(1))
            .and_then(|e| e.i8(-2)?.bytes(&point[1..33])?.i8(-3)?.bytes(&point[33..]))
            .expect("room");
        out
    }
}

fn object(data: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    Encoder::new(&mut out)
        .map(3)
        .and_then(|e| e.str("fmt")?.str("none")?.str("attStmt")?.map(0))
        .and_then(|e| e.str("authData")?.bytes(data))
        .expect("room");
    out
}

fn text(value: &Value) -> String {
    value.as_str().expect("text").to_owned()
}

fn written(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn bytes(value: &Value) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text(value)).expect("base64")
}
