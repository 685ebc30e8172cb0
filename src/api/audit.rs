//! Audit trails: for reading, and as signed for checking elsewhere.

use serde::{Deserialize, Serialize};

use super::clinic::{author_name, device_name, space_name, staff_name};
use super::moment::Moment;
use crate::domain::audit::{Actor, AuditRecord, Deed, Origin, Outcome};
use crate::domain::id::SpaceId;
use crate::domain::log::Entry;
use crate::domain::record::Clinic;
use crate::domain::space::Space;

/// The epochs of an audit trail held at a node, and who has signed for them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrailView {
    /// Whose trail.
    pub device: String,
    /// Its name.
    pub name: String,
    /// Its epochs, oldest first.
    pub epochs: Vec<EpochView>,
    /// What devices sign for these epochs, each in base64.
    pub attestations: Vec<String>,
}

/// One epoch: one run of the node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EpochView {
    /// The epoch, in hex.
    pub epoch: String,
    /// When it began.
    pub began: Moment,
    /// Number of its newest record held here.
    pub seq: u64,
    /// Hash of that record's header.
    pub hash: String,
}

/// Audit records for reading.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrailRecords {
    /// In order.
    pub records: Vec<RecordView>,
    /// The `from` of the next part, if there is one.
    pub next: Option<u64>,
}

/// Audit records as signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrailSegments {
    /// Segments in order, each in base64.
    pub segments: Vec<String>,
    /// The `from` of the next part, if there is one.
    pub next: Option<u64>,
}

/// One audit record, in words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordView {
    /// Its number in its epoch.
    pub seq: u64,
    /// When.
    pub at: Moment,
    /// Who.
    pub who: String,
    /// From where.
    pub from: String,
    /// What was done, as one word for programs.
    pub deed: String,
    /// What was done, in words.
    pub what: String,
    /// `done` or `refused`.
    pub outcome: String,
}

/// Puts an entry of an audit trail into words.
pub fn record_view(clinic: &Clinic, spaces: &Names, seq: u64, entry: &Entry) -> RecordView {
    let body = entry
        .payload
        .as_ref()
        .map(|payload| payload.body.as_slice());
    let blank = |what: &str| RecordView {
        seq,
        at: entry.header.time.into(),
        who: String::new(),
        from: String::new(),
        deed: String::new(),
        what: what.to_owned(),
        outcome: String::new(),
    };
    let Some(body) = body else {
        return blank("(purged under policy)");
    };
    let Ok(record) = AuditRecord::from_body(body) else {
        return blank("(not an audit record)");
    };
    RecordView {
        who: actor_name(clinic, &record.actor),
        from: origin_name(record.origin).to_owned(),
        deed: deed_name(&record.deed).to_owned(),
        what: deed_words(clinic, spaces, &record.deed),
        outcome: match record.outcome {
            Outcome::Done => "done".to_owned(),
            Outcome::Refused => "refused".to_owned(),
        },
        ..blank("")
    }
}

/// Names of the spaces that a clinic's record can name, by their ids.
///
/// A direct conversation's id is a hash of its two people, so with few staff all pairs are named; in
/// a large clinic only as many as `NAMED_MAX`.
#[derive(Clone, Debug, Default)]
pub struct Names {
    spaces: std::collections::BTreeMap<SpaceId, String>,
}

/// Most conversations whose names are worked out for one look at a trail: 200 people's pairs.
const NAMED_MAX: usize = 20_000;

impl Names {
    /// The names that this clinic's record gives.
    pub fn of(clinic: &Clinic) -> Self {
        let rooms = clinic.rooms.keys().map(|room| Space::Room(*room));
        let staff: Vec<_> = clinic.staff.keys().copied().collect();
        let settings = staff.iter().map(|one| Space::Staff(*one));
        let trails = clinic.devices.keys().map(|device| Space::Audit(*device));
        let pairs = staff.iter().enumerate().flat_map(|(at, one)| {
            let others = &staff[at + 1..];
            others
                .iter()
                .filter_map(|other| Space::direct(*one, *other))
        });
        let all = std::iter::once(Space::Record)
            .chain(rooms)
            .chain(settings)
            .chain(trails);
        let named = all.chain(pairs.take(NAMED_MAX));
        let spaces = named.map(|space| (space.id(&clinic.id), space_name(clinic, &space)));
        Self {
            spaces: spaces.collect(),
        }
    }

    fn get(&self, space: &SpaceId) -> String {
        self.spaces
            .get(space)
            .cloned()
            .unwrap_or_else(|| space.short())
    }
}

fn actor_name(clinic: &Clinic, actor: &Actor) -> String {
    match actor {
        Actor::Node => "the node".to_owned(),
        Actor::Operator => "the operator".to_owned(),
        Actor::Staff(staff) => staff_name(clinic, staff),
        Actor::Device(device) => format!("device {}", device_name(clinic, device)),
        Actor::Admin(author) => author_name(clinic, author),
        Actor::Stranger => "a stranger".to_owned(),
    }
}

const fn origin_name(origin: Origin) -> &'static str {
    match origin {
        Origin::Inside => "inside",
        Origin::Socket => "socket",
        Origin::Mesh => "mesh",
        Origin::Browser => "browser",
    }
}

const fn deed_name(deed: &Deed) -> &'static str {
    match deed {
        Deed::NodeStarted { .. } => "node_started",
        Deed::NodeStopped => "node_stopped",
        Deed::StoreUnlocked => "store_unlocked",
        Deed::SignedIn => "signed_in",
        Deed::SignedOut => "signed_out",
        Deed::PasswordSet => "password_set",
        Deed::FactorSet => "factor_set",
        Deed::PasskeyCopied => "passkey_copied",
        Deed::LoginsEnded { .. } => "logins_ended",
        Deed::ConversationOpened { .. } => "conversation_opened",
        Deed::MessagesRead { .. } => "messages_read",
        Deed::MessagesSent { .. } => "messages_sent",
        Deed::MessagesPurged { .. } => "messages_purged",
        Deed::SpaceDropped { .. } => "space_dropped",
        Deed::Statement { .. } => "statement",
        Deed::PeerAccepted => "peer_accepted",
        Deed::PeerRefused { .. } => "peer_refused",
        Deed::ForkFound { .. } => "fork_found",
        Deed::Quarantined { .. } => "quarantined",
        Deed::TrailRead { .. } => "trail_read",
        Deed::EnrolmentRefused => "enrolment_refused",
        Deed::RollbackFound { .. } => "rollback_found",
        Deed::ClockShifted { .. } => "clock_shifted",
        Deed::MessageRetracted { .. } => "message_retracted",
        Deed::BodyDestroyed { .. } => "body_destroyed",
        Deed::CertificateRenewed { .. } => "certificate_renewed",
        Deed::BackedUp { .. } => "backed_up",
    }
}

fn deed_words(clinic: &Clinic, names: &Names, deed: &Deed) -> String {
    match deed {
        Deed::NodeStarted { previous: None, .. } => "started, for the first time".to_owned(),
        Deed::NodeStarted { seq, .. } => format!("started, after record {seq} of the run before"),
        Deed::NodeStopped => "stopped in order".to_owned(),
        Deed::StoreUnlocked => "unlocked the store".to_owned(),
        Deed::SignedIn => "signed in".to_owned(),
        Deed::SignedOut => "signed out".to_owned(),
        Deed::PasswordSet => "set a password".to_owned(),
        Deed::FactorSet => "changed the second factor".to_owned(),
        Deed::PasskeyCopied => {
            "used a passkey whose counter went back: it may be a copy".to_owned()
        }
        Deed::LoginsEnded { staff, count } => format!(
            "ended {} of {}",
            counted(*count, "login"),
            staff_name(clinic, staff)
        ),
        Deed::CertificateRenewed { device } => {
            format!("renewed the certificate of {}", device_name(clinic, device))
        }
        Deed::ConversationOpened { space } => format!("opened {}", names.get(space)),
        Deed::MessagesRead { space, count, .. } => {
            format!(
                "read {} in {}",
                counted(*count, "message"),
                names.get(space)
            )
        }
        Deed::MessagesSent { space, first, last } => {
            let count = u32::try_from(last - first + 1).unwrap_or(u32::MAX);
            format!("sent {} in {}", counted(count, "message"), names.get(space))
        }
        Deed::MessagesPurged { space, horizon } => {
            format!("purged {} up to {horizon}", names.get(space))
        }
        Deed::SpaceDropped { space } => format!("dropped {}", names.get(space)),
        Deed::Statement { author, seq } => {
            format!("statement {seq} of {}", author_name(clinic, author))
        }
        Deed::PeerAccepted => "connected".to_owned(),
        Deed::PeerRefused { why, count } => format!("turned away {}: {why}", times(*count)),
        Deed::ForkFound {
            space, author, seq, ..
        } => format!(
            "found two histories of {} in {} at entry {seq}",
            author_name(clinic, author),
            names.get(space)
        ),
        Deed::Quarantined { space, author } => format!(
            "held back entries of {} in {}: too far ahead of the clock",
            author_name(clinic, author),
            names.get(space)
        ),
        Deed::TrailRead { device } => {
            format!("read the audit trail of {}", device_name(clinic, device))
        }
        Deed::EnrolmentRefused => "refused an enrolment".to_owned(),
        Deed::RollbackFound { space, seq, .. } => format!(
            "found its own disk put back: a peer holds {} up to entry {seq}",
            names.get(space)
        ),
        Deed::ClockShifted { days } => format!("moved its clock by {}", counted(*days, "day")),
        Deed::MessageRetracted {
            space, author, seq, ..
        } => format!(
            "took back message {seq} of {} in {}",
            author_name(clinic, author),
            names.get(space)
        ),
        Deed::BackedUp { keys } => format!(
            "gave out a backup of everything, sealed to {}",
            counted(u32::from(*keys), "key")
        ),
        Deed::BodyDestroyed {
            space, author, seq, ..
        } => format!(
            "destroyed what message {seq} of {} in {} said, because it was taken back",
            author_name(clinic, author),
            names.get(space)
        ),
    }
}

fn counted(count: u32, what: &str) -> String {
    let end = if count == 1 { "" } else { "s" };
    format!("{count} {what}{end}")
}

fn times(count: u32) -> String {
    match count {
        1 => "once".to_owned(),
        count => format!("{count} times"),
    }
}
