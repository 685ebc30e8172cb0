//! What audit trails say, and of whom.

use super::{ANA, AUTHOR, DEVICE, HASH, SPACE, Vectors, frozen};
use crate::domain::audit::{Actor, AuditRecord, Deed, Origin};
use crate::domain::codec;
use crate::domain::id::StaffId;
use crate::domain::log::Epoch;
use crate::domain::time::Day;
use crate::domain::trust::Refusal;

fn deeds() -> Vec<(&'static str, Deed)> {
    let (author, epoch, seq, space) = (AUTHOR, Epoch(7), 70_000, SPACE);
    let previous = Some(epoch);
    vec![
        (
            "node-started",
            Deed::NodeStarted {
                previous,
                seq,
                hash: HASH,
            },
        ),
        ("node-stopped", Deed::NodeStopped),
        ("store-unlocked", Deed::StoreUnlocked),
        ("signed-in", Deed::SignedIn),
        ("signed-out", Deed::SignedOut),
        ("password-set", Deed::PasswordSet),
        ("conversation-opened", Deed::ConversationOpened { space }),
        (
            "messages-read",
            Deed::MessagesRead {
                space,
                count: 25,
                entries: HASH,
            },
        ),
        (
            "messages-sent",
            Deed::MessagesSent {
                space,
                first: 1,
                last: 1000,
            },
        ),
        (
            "messages-purged",
            Deed::MessagesPurged {
                space,
                horizon: Day(20_778),
            },
        ),
        ("space-dropped", Deed::SpaceDropped { space }),
        ("statement", Deed::Statement { author, seq }),
        ("peer-accepted", Deed::PeerAccepted),
        (
            "peer-refused",
            Deed::PeerRefused {
                why: Refusal::Revoked,
                count: 3,
            },
        ),
        (
            "fork-found",
            Deed::ForkFound {
                space,
                author,
                epoch,
                seq,
            },
        ),
        ("quarantined", Deed::Quarantined { space, author }),
        ("trail-read", Deed::TrailRead { device: DEVICE }),
        ("enrolment-refused", Deed::EnrolmentRefused),
        ("rollback-found", Deed::RollbackFound { space, epoch, seq }),
        ("clock-shifted", Deed::ClockShifted { days: 31 }),
        ("factor-set", Deed::FactorSet),
        ("passkey-copied", Deed::PasskeyCopied),
        (
            "logins-ended",
            Deed::LoginsEnded {
                staff: StaffId::new([0xa1; 16]),
                count: 2,
            },
        ),
        ("backed-up", Deed::BackedUp { keys: 2 }),
        (
            "certificate-renewed",
            Deed::CertificateRenewed { device: DEVICE },
        ),
        (
            "message-retracted",
            Deed::MessageRetracted {
                space,
                author,
                epoch,
                seq,
            },
        ),
        (
            "body-destroyed",
            Deed::BodyDestroyed {
                space,
                author,
                epoch,
                seq,
            },
        ),
    ]
}

fn actors() -> [(&'static str, Actor); 6] {
    [
        ("node", Actor::Node),
        ("operator", Actor::Operator),
        ("staff", Actor::Staff(ANA)),
        ("device", Actor::Device(DEVICE)),
        ("admin", Actor::Admin(AUTHOR)),
        ("stranger", Actor::Stranger),
    ]
}

pub(super) fn vectors() -> Vectors {
    let mut found = Vectors::new();
    for (what, deed) in deeds() {
        let record = AuditRecord::done(Actor::Staff(ANA), Origin::Socket, deed);
        found.push((format!("audit {what}"), record.to_body()));
    }
    for (what, actor) in actors() {
        let record = AuditRecord::refused(actor, Origin::Mesh, Deed::PeerAccepted);
        found.push((format!("audit by {what}"), record.to_body()));
    }
    found
}

#[test]
fn every_frozen_audit_record_is_read_back() {
    for (what, deed) in deeds() {
        let read = AuditRecord::from_body(&frozen(&format!("audit {what}")));
        assert_eq!(read.map(|record| record.deed), Ok(deed));
    }
    for (what, actor) in actors() {
        let read = AuditRecord::from_body(&frozen(&format!("audit by {what}")));
        assert_eq!(read.map(|record| record.actor), Ok(actor));
    }
}

#[test]
fn every_kind_of_deed_is_frozen() {
    let deeds: Vec<u8> = deeds()
        .into_iter()
        .map(|(_, deed)| codec::encode(&deed)[1])
        .collect();
    assert_eq!(deeds, (0..23).chain([0x18; 4]).collect::<Vec<u8>>());
}
