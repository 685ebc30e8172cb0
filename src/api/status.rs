//! The state of a node.

mod certificate;

use serde::{Deserialize, Serialize};

use super::backup::{self, BackupView};
use super::clinic::{author_name, device_name};
use super::moment::Moment;
use crate::domain::health::Concern;
use crate::domain::id::DeviceId;
use crate::domain::record::Clinic;
use crate::domain::time::WallTime;

/// The state of a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusView {
    /// The program's version.
    pub version: String,
    /// This device's name.
    pub name: String,
    /// Its office, once the record names it.
    pub office: Option<String>,
    /// Its id.
    pub device: String,
    /// The clinic's id.
    pub clinic: String,
    /// The clinic's name.
    pub clinic_name: Option<String>,
    /// `enrolled`, `unknown` or `revoked`.
    pub standing: String,
    /// Open secure channels.
    pub peers: Vec<PeerView>,
    /// Nodes of the clinic that this one is not connected to.
    pub away: Vec<String>,
    /// Spaces held.
    pub spaces: usize,
    /// Entries held.
    pub entries: u64,
    /// First day still alive.
    pub horizon: String,
    /// Digest of the clinic record: equal on nodes that know the same.
    pub record: String,
    /// Logs with two histories.
    pub forks: Vec<ForkView>,
    /// Who has signed for this node's audit trail.
    pub witnesses: Vec<WitnessView>,
    /// The audit trail's newest number in this run of the node.
    pub trail: u64,
    /// People signed in at this node.
    pub logins: usize,
    /// When this device's certificate ends, once the record lists it.
    pub certificate_until: Option<Moment>,
    /// Peers' median clock minus this node's, in milliseconds; none while nobody has told.
    pub mesh_offset_ms: Option<i64>,
    /// How this node's backups stand; none where a program that embeds the node makes them otherwise.
    pub backup: Option<BackupView>,
    /// What somebody should look at, worst first.
    pub warnings: Vec<WarningView>,
}

/// Something that somebody should look at before it becomes an outage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WarningView {
    /// `revoked`, `disk`, `contact`, `certificate`, `grant`, `renewers`, `web_certificate`, `web_ca`,
    /// `mesh_key`, `clock`, `backup` or `backup_elsewhere`.
    pub kind: String,
    /// What is the matter, in a sentence.
    pub message: String,
    /// What to do about it.
    pub remedy: String,
    /// Whether every screen of this node says it to everybody, and not only to whoever looks after the clinic.
    ///
    /// A node that was started before its program was replaced does not say it.
    #[serde(default)]
    pub everybody: bool,
}

impl WarningView {
    /// The words for a concern, at the node of the device `own`.
    pub fn of(clinic: &Clinic, own: &DeviceId, concern: &Concern) -> Self {
        let everybody = concern.is_for_everybody(own);
        let (kind, message, remedy) = match concern {
            Concern::Contact { since, read_only } => {
                let (message, remedy) = contact(clinic, *since, *read_only);
                return Self {
                    kind: "contact".to_owned(),
                    message,
                    remedy,
                    everybody,
                };
            }
            Concern::ShutOut { by } => (
                "revoked",
                format!(
                    "{} says that this machine was revoked: it gets and gives nothing there any more.",
                    by.map_or_else(|| "An office".to_owned(), |by| device_name(clinic, &by))
                ),
                "Ask an admin whether that is so; `clinic-mesh doctor` says more. If the machine is to be \
                 used again, an admin invites it anew.",
            ),
            Concern::Certificate {
                device,
                freshness,
                until,
            } => {
                let (message, remedy) = certificate::words(clinic, own, device, *freshness, *until);
                ("certificate", message, remedy)
            }
            Concern::FewRenewers { count } => (
                "renewers",
                format!("Only {count} of the clinic's nodes can renew certificates."),
                "Enrol a second node, so that no certificate ends while one office is closed.",
            ),
            Concern::Grant {
                admin,
                until,
                over,
                alone,
            } => {
                let name = author_name(clinic, &(*admin).into());
                let (message, remedy) = grant(&name, ends(*until, *over), *alone);
                ("grant", message, remedy)
            }
            Concern::Web {
                device,
                until,
                over,
                others,
            } => (
                "web_certificate",
                web(&device_name(clinic, device), ends(*until, *over), *others),
                "Have an admin run `clinic-mesh web certify`: it makes all of them anew, for every office.",
            ),
            Concern::WebCa { until, over } => (
                "web_ca",
                format!(
                    "The web CA that this clinic's browsers trust {}.",
                    ends(*until, *over)
                ),
                "Have an admin put the file `web-NAME.ca` aside, run `clinic-mesh authority web-ca` and \
                 `clinic-mesh web certify`, and make every PC trust the new one (`clinic-mesh web trust`).",
            ),
            Concern::OldMeshKey { since, shut_out } => (
                "mesh_key",
                match shut_out {
                    true => format!(
                        "The mesh key was not changed when a machine was revoked on {}, and may be known there.",
                        since.day()
                    ),
                    false => format!("The mesh key has been in use since {}.", since.day()),
                },
                "Have an admin change it: `clinic-mesh authority rotate-mesh-key`. It plans the \
                 next ones, too, once every node's program can read that.",
            ),
            Concern::Clock { offset_ms } => (
                "clock",
                format!(
                    "This node's clock is {} its peers' clocks.",
                    apart(*offset_ms)
                ),
                "Set the clock of this machine, or of the others, by a time server.",
            ),
            Concern::DiskNearlyFull => (
                "disk",
                "This node's disk is nearly full: it takes no new messages.".to_owned(),
                "Delete what is not needed on this disk, or make it larger; the node goes on by itself \
                 within seconds.",
            ),
            Concern::BackupElsewhere {
                device,
                last,
                failed,
                heard,
                others,
            } => {
                let place = place(clinic, device);
                let (message, remedy) = backup::elsewhere(&place, *last, *failed);
                let heard = heard.map(|at| format!(" So it was heard on {}.", minute(at)));
                return Self {
                    kind: "backup_elsewhere".to_owned(),
                    message: message + &heard.unwrap_or_default() + &too(*others),
                    remedy,
                    everybody,
                };
            }
            Concern::Backup { last, failed } => {
                let (message, remedy) = backup::concern(*last, *failed);
                ("backup", message, remedy)
            }
        };
        Self {
            kind: kind.to_owned(),
            message,
            remedy: remedy.to_owned(),
            everybody,
        }
    }
}

/// A machine by its name and its office.
fn place(clinic: &Clinic, device: &DeviceId) -> String {
    let name = device_name(clinic, device);
    let known = clinic.devices.get(device);
    let office = known.map(|known| known.certificate.office.to_string());
    match office.filter(|office| *office != name) {
        Some(office) => format!("{name} (office {office})"),
        None => name,
    }
}

/// That it is so with other nodes as well.
fn too(others: usize) -> String {
    match others {
        0 => String::new(),
        1 => " With another office's node it is alike.".to_owned(),
        _ => format!(" With {others} other offices' nodes it is alike."),
    }
}

fn contact(clinic: &Clinic, since: WallTime, read_only: bool) -> (String, String) {
    let heard = format!(
        "This office's node has been up to date with no other since {}",
        minute(since)
    );
    if read_only {
        return (
            format!("{heard}: conversations with people of other offices can only be read."),
            "Connect this machine to another office's node; that ends it within seconds."
                .to_owned(),
        );
    }
    let hours = u64::from(clinic.policy.staleness.read_only_hours);
    let end = since.plus(std::time::Duration::from_secs(hours * 3600));
    (
        format!("{heard}: what was revoked since then may not be known here."),
        format!(
            "Look whether this machine is on the network and the others run; from {} on conversations \
             with people of other offices can only be read.",
            minute(end)
        ),
    )
}

/// A moment to the minute, as text.
fn minute(at: WallTime) -> String {
    let text: String = at.to_string().chars().take(16).collect();
    format!("{} UTC", text.replace('T', " "))
}

/// When something ends, or that it has.
fn ends(until: WallTime, over: bool) -> String {
    let verb = if over { "ended" } else { "ends" };
    format!("{verb} on {}", until.day())
}

fn grant(name: &str, ends: String, alone: bool) -> (String, &'static str) {
    let message = format!("The grant of {name} {ends}: what is signed after that does not count.");
    if alone {
        return (
            format!("{message} No other admin may do all of the same."),
            "Whoever keeps the root key prolongs it: `clinic-mesh authority change-admin NAME --days DAYS`.",
        );
    }
    (
        message,
        "Whoever keeps the root key prolongs it (`clinic-mesh authority change-admin NAME --days DAYS`) or \
         ends it (`clinic-mesh authority end-admin NAME`).",
    )
}

fn web(name: &str, ends: String, others: usize) -> String {
    let too = match others {
        0 => String::new(),
        1 => ", and another node's soon or before now".to_owned(),
        _ => format!(", and those of {others} other nodes soon or before now"),
    };
    format!(
        "The certificate of {name} for browsers {ends}{too}: browsers refuse its page from then on."
    )
}

/// How far apart two clocks are, in the words of a person.
pub(crate) fn apart(peers_minus_ours: i64) -> String {
    let minutes = peers_minus_ours.unsigned_abs() / 60_000;
    let span = match minutes {
        0..120 => format!("{minutes} minutes"),
        120..2880 => format!("{} hours", minutes / 60),
        _ => format!("{} days", minutes / 1440),
    };
    if peers_minus_ours > 0 {
        format!("{span} behind")
    } else {
        format!("{span} ahead of")
    }
}

/// One open secure channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerView {
    /// Name.
    pub name: String,
    /// Office.
    pub office: Option<String>,
    /// Device id.
    pub device: String,
    /// Its clock minus ours, in milliseconds.
    pub offset_ms: i64,
    /// Whether both clinic records agree.
    pub in_sync: bool,
}

/// A log with two histories.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForkView {
    /// Its author.
    pub author: String,
    /// Where.
    pub place: String,
    /// Epoch, in hex.
    pub epoch: String,
}

/// Who signed for this node's audit trail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WitnessView {
    /// Name.
    pub name: String,
    /// Up to which number.
    pub seq: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::backup::Trouble;
    use crate::domain::testing::{ADMIN, NOON, SampleClinic};

    fn warning(clinic: &SampleClinic, concern: &Concern) -> WarningView {
        WarningView::of(&clinic.record(), &DeviceId::new([0; 32]), concern)
    }

    #[test]
    fn whoever_refuses_a_machine_as_revoked_is_quoted_and_not_believed() {
        let clinic = SampleClinic::of(["ward-2"]);
        let by = Some(clinic.device("ward-2").id);
        for (by, who) in [(by, "ward-2"), (None, "An office")] {
            let view = warning(&clinic, &Concern::ShutOut { by });
            let begin = format!("{who} says that this machine was revoked");
            assert!(view.message.starts_with(&begin), "{}", view.message);
        }
    }

    #[test]
    fn a_late_backup_elsewhere_is_named_with_its_office_its_day_and_when_that_was_heard() {
        let clinic = SampleClinic::of(["ward-2"]);
        let concern = |last, failed, others| Concern::BackupElsewhere {
            device: clinic.device("ward-2").id,
            last,
            failed,
            heard: (others == 0).then_some(NOON),
            others,
        };
        let late = warning(&clinic, &concern(Some(NOON), None, 0));
        assert_eq!(
            late.message,
            "The newest backup of ward-2 is of 2026-11-21. So it was heard on 2026-11-21 12:00 UTC."
        );
        assert!(late.remedy.contains("backup make"), "{}", late.remedy);
        let failed = warning(&clinic, &concern(None, Some(Trouble::NoRoom), 2));
        let begin =
            "No backup of ward-2 is known, and the last try failed: There is too little room";
        assert!(failed.message.starts_with(begin), "{}", failed.message);
        assert!(!failed.message.contains("heard on"), "it is heard");
        assert!(
            failed
                .message
                .ends_with("With 2 other offices' nodes it is alike.")
        );
        assert!(failed.remedy.contains("`keep`"), "{}", failed.remedy);
    }

    #[test]
    fn a_grant_that_ends_is_named_with_what_helps() {
        let clinic = SampleClinic::of(["ward-2"]);
        let grant = |over, alone| Concern::Grant {
            admin: clinic.admins[ADMIN].id(),
            until: NOON,
            over,
            alone,
        };
        let last = warning(&clinic, &grant(false, true));
        let expected = format!("The grant of admin {ADMIN} ends on 2026-11-21");
        assert!(last.message.starts_with(&expected), "{}", last.message);
        assert!(last.message.contains("No other admin"));
        assert!(last.remedy.contains("authority change-admin"));
        let other = warning(&clinic, &grant(true, false));
        assert!(other.message.contains("ended on"), "{}", other.message);
        assert!(!other.message.contains("No other admin"));
    }
}
