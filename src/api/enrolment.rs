//! Enrolment at a node, for admins' tools: the node hears the machine, the tool decides and signs.

use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::record::MeshKeyText;

/// An invitation to be hosted. The node learns what the secret was derived to, never the secret.
#[derive(Clone, Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
#[serde(deny_unknown_fields)]
pub struct InvitationOpening {
    /// The invitation's id.
    pub invitation: String,
    /// The key of its handshake, in base64.
    pub psk: String,
    /// What discovery shows of it, in hex.
    pub tag: String,
    /// How long it is good for.
    pub seconds: u64,
}

impl std::fmt::Debug for InvitationOpening {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "InvitationOpening({})", self.invitation)
    }
}

/// Where an invited machine is heard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InvitationOpened {
    /// Address and port that the node listens on.
    pub listening: String,
    /// Port of the same.
    pub port: u16,
}

/// Where an invitation stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InvitationView {
    /// `open`, `asking`, `asked`, `answering`, `done`, `declined`, `left`, `garbled`, `undecided`,
    /// `expired` or `withdrawn`.
    pub stage: String,
    /// What to give as `seen` to wait for something else.
    pub mark: String,
    /// Who waits for a decision.
    pub candidate: Option<CandidateView>,
    /// How often the code was tried again after its use.
    pub second_uses: u32,
    /// Where the latest of them came from.
    pub second_from: Option<String>,
}

/// A machine that waits for a decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CandidateView {
    /// Its signed request, in base64.
    pub request: String,
    /// The handshake that the request must name, in hex.
    pub binding: String,
    /// The Noise key that the handshake proved, in hex.
    pub proven: String,
    /// The six digits that must stand on its screen.
    pub short_code: String,
    /// Where it came from.
    pub address: String,
}

/// The admin's decision.
#[derive(Clone, Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
#[serde(deny_unknown_fields)]
pub struct Decision {
    /// The answer to hand over, in base64, without the clinic record, which the node adds; none to
    /// send the machine away.
    pub answer: Option<String>,
}

impl std::fmt::Debug for Decision {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.answer.is_some() {
            "Decision(answer)"
        } else {
            "Decision(refuse)"
        })
    }
}

/// The accepted mesh keys.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct MeshKeysView {
    /// Each with its number.
    pub mesh_keys: Vec<MeshKeyText>,
}
