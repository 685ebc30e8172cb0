//! Why nodes do not find each other: rules that take what was observed on a machine and name the cause,
//! what speaks for it, and the remedy.
//!
//! Pure. Others observe: the command of the doctor, and the node that runs. What cannot be told apart
//! from one machine is not guessed at: the diagnosis names what it could be, and the step that tells.

mod compare;
pub mod facts;
mod local;
mod network;
mod trust;
mod ways;

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

pub use compare::{compare, is_own};
use facts::{Asked, Facts, Peer};

/// What is the matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// There is no node in the directory.
    NoNode,
    /// The directory is refused.
    DirectoryRefused,
    /// The settings cannot be read.
    SettingsUnreadable,
    /// The node belongs to another account.
    OtherAccount,
    /// The store is locked: nothing at hand opens it.
    StoreLocked,
    /// Another program has the store open.
    StoreInUse,
    /// Another program has the port.
    PortTaken,
    /// An address to listen on is not this machine's.
    AddressNotHere,
    /// The disk is nearly full.
    DiskNearlyFull,
    /// The node is there and does not answer.
    NotAnswering,
    /// The node does not run.
    NotRunning,
    /// The machine was revoked.
    Revoked,
    /// A certificate has ended.
    CertificateExpired,
    /// A certificate should have been renewed.
    CertificateEnding,
    /// A clock is wrong.
    ClockOff,
    /// No network at all.
    NoNetwork,
    /// Another machine has the same address.
    DuplicateAddress,
    /// A VPN or a container bridge is used instead of the office's network.
    WrongInterface,
    /// The router does not answer.
    RouterSilent,
    /// A firewall drops mDNS.
    MdnsBlocked,
    /// Discovery is switched off.
    DiscoveryOff,
    /// A firewall drops the port.
    PortBlocked,
    /// The machine is there, and no node listens.
    NotListening,
    /// The machines are in different networks.
    DifferentSubnets,
    /// There is no way to the address.
    NoRoute,
    /// The Wi-Fi keeps its machines apart.
    ClientIsolation,
    /// The machine does not answer at all.
    MachineOff,
    /// The machine is not found.
    NotFound,
    /// The other machine is of another clinic.
    OtherClinic,
    /// A machine's mesh key is too old.
    OldMeshKey,
    /// Another device answers at the address.
    OtherMachine,
    /// Policy does not allow the address.
    NetworkNotAllowed,
    /// The other machine is no node.
    NotANode,
    /// Refused for another reason.
    Refused,
    /// Being connected.
    Connecting,
}

/// How sure a diagnosis is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Likelihood {
    /// It was seen.
    Certain,
    /// Everything that was seen speaks for it.
    Likely,
    /// It may be something else.
    Possible,
}

/// One thing that is the matter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnosis {
    /// What.
    pub cause: Cause,
    /// How sure that is.
    pub likelihood: Likelihood,
    /// The device that it is about, if it is not this machine.
    pub about: Option<String>,
    /// The cause in a sentence.
    pub message: String,
    /// What speaks for it.
    pub evidence: Vec<String>,
    /// What it could be instead, the likeliest first.
    pub could_be: Vec<Cause>,
    /// What helps, or the step that tells the causes apart.
    pub remedy: String,
}

/// What was found on one machine, or on two.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Findings {
    /// What is the matter, the likeliest first.
    pub diagnoses: Vec<Diagnosis>,
    /// What is as it should be and good to know.
    pub notes: Vec<String>,
    /// What could not be seen from here.
    pub unseen: Vec<String>,
}

impl Diagnosis {
    fn new(cause: Cause, likelihood: Likelihood, message: impl Into<String>) -> Self {
        Self {
            cause,
            likelihood,
            about: None,
            message: message.into(),
            evidence: Vec::new(),
            could_be: Vec::new(),
            remedy: String::new(),
        }
    }

    fn about(mut self, peer: &Peer) -> Self {
        self.about = Some(peer.device.clone());
        self
    }

    fn seen(mut self, evidence: impl Into<String>) -> Self {
        self.evidence.push(evidence.into());
        self
    }

    fn or(mut self, causes: &[Cause]) -> Self {
        self.could_be = causes.to_vec();
        self
    }

    fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = remedy.into();
        self
    }
}

impl Findings {
    fn found(&mut self, diagnosis: Diagnosis) {
        let known = |other: &Diagnosis| {
            other.cause == diagnosis.cause
                && other.about == diagnosis.about
                && other.message == diagnosis.message
        };
        if !self.diagnoses.iter().any(known) {
            self.diagnoses.push(diagnosis);
        }
    }

    fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }

    fn unseen(&mut self, what: impl Into<String>) {
        self.unseen.push(what.into());
    }

    /// Whether something is the matter.
    pub fn is_ill(&self) -> bool {
        !self.diagnoses.is_empty()
    }
}

/// Whether a cause on this machine explains that others cannot be reached.
const fn explains_absence(cause: Cause) -> bool {
    matches!(
        cause,
        Cause::Revoked | Cause::NoNetwork | Cause::DuplicateAddress | Cause::WrongInterface
    )
}

/// Judges what was observed on one machine.
pub fn diagnose(facts: &Facts) -> Findings {
    let mut findings = Findings::default();
    local::judge(facts, &mut findings);
    network::judge(facts, &mut findings);
    trust::judge(facts, &mut findings);
    ways::judge(facts, &mut findings);
    settle(facts, &mut findings);
    findings
}

/// Puts the likeliest first, and leaves out what follows from something that is certain, or is not what
/// was asked for.
fn settle(facts: &Facts, findings: &mut Findings) {
    let certain = |d: &Diagnosis| d.likelihood == Likelihood::Certain && d.about.is_none();
    let explained = findings
        .diagnoses
        .iter()
        .any(|d| certain(d) && explains_absence(d.cause));
    let focus = match &facts.asked {
        Some(Asked::Device(device)) => Some(device),
        Some(Asked::Address(_)) | None => None,
    };
    findings.diagnoses.retain(|diagnosis| {
        let follows =
            explained && diagnosis.likelihood == Likelihood::Possible && diagnosis.about.is_some();
        let other = match (focus, &diagnosis.about) {
            (Some(wanted), Some(about)) => wanted != about,
            _ => false,
        };
        !follows && !other
    });
    findings
        .diagnoses
        .sort_by_key(|d| (d.likelihood, d.about.is_some(), d.cause));
}
