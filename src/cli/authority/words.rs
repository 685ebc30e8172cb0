//! Statements in plain words, to follow the name of their signer.

use crate::api::clinic::{device_name, role_name, staff_name};
use crate::cli::output::when_exactly;
use crate::domain::cert::{Certificate, DeviceKind, Grant};
use crate::domain::record::Clinic;
use crate::domain::statement::{Act, History, Proposal, StaffFacts};

/// What the act says, as a sentence without its subject.
pub(super) fn of(clinic: &Clinic, act: &Act) -> String {
    match act {
        Act::Founded { name } => format!("founded the clinic {name}"),
        Act::AdminGranted { grant } => granted(clinic, grant),
        Act::AdminEnded { admin, last } => {
            let known = clinic.admins.get(admin);
            let name = known.map_or_else(|| admin.short(), |known| known.grant.name.to_string());
            format!("removed admin {name}, whose statements count up to number {last}")
        }
        Act::DeviceEnrolled { certificate, .. } => enrolled(clinic, certificate),
        Act::DeviceRevoked { revocation } => {
            format!("revoked device {}", device_name(clinic, &revocation.device))
        }
        Act::StaffAdded { facts, .. } => format!("added {}", staff(facts)),
        Act::StaffChanged { facts, lifts, .. } => {
            let lifted = if lifts.is_empty() {
                ""
            } else {
                " and lifted the suspension"
            };
            format!("changed {}{lifted}", staff(facts))
        }
        Act::StaffSuspended { staff } => format!("suspended {}", staff_name(clinic, staff)),
        Act::PolicySet { policy } => format!("set policy version {}", policy.version),
        Act::MeshKeyRotated { epoch, .. } => format!("made mesh key {epoch}"),
        Act::MeshKeysPlanned {
            first,
            begins,
            commitments,
        } => {
            let last = u64::from(*first) + commitments.len() as u64 - 1;
            format!("planned mesh keys {first} to {last}, the first from {begins} on")
        }
        Act::RoomCreated {
            name,
            history,
            members,
            ..
        } => {
            let past = match history {
                History::All => "everything",
                History::Nothing => "nothing",
            };
            let who: Vec<_> = members.iter().map(|one| staff_name(clinic, one)).collect();
            format!(
                "made room {name} with {}; new members see {past} of its past",
                list(&who)
            )
        }
        Act::MembersChanged { room, add, remove } => {
            let known = clinic.rooms.get(room);
            let room = known.map_or_else(|| room.short(), |known| known.name.to_string());
            let names = |staff: &[_]| staff.iter().map(|one| staff_name(clinic, one)).collect();
            let (add, remove): (Vec<String>, Vec<String>) = (names(add), names(remove));
            let added = (!add.is_empty()).then(|| format!("added {}", list(&add)));
            let removed = (!remove.is_empty()).then(|| format!("removed {}", list(&remove)));
            let done: Vec<_> = added.into_iter().chain(removed).collect();
            format!("in room {room} {}", list(&done))
        }
        Act::InvitationIssued { invitation } => format!(
            "invited {} {} of office {} until {}",
            kind(invitation.kind),
            invitation.name,
            invitation.office,
            when_exactly(invitation.expires)
        ),
        Act::WebCertified {
            device,
            certificate,
        } => format!(
            "gave {} a certificate for browsers as {}, until {}",
            device_name(clinic, device),
            list(&certificate.names),
            when_exactly(certificate.not_after)
        ),
        Act::Proposed { proposal } => format!("proposed to {}", wanted(clinic, proposal)),
        Act::Approved { proposal, .. } => {
            let known = clinic.admins.get(&proposal.author.as_admin());
            let name = known.map_or_else(
                || proposal.author.short(),
                |known| known.grant.name.to_string(),
            );
            format!(
                "approved what {name} proposed in statement {}",
                proposal.seq
            )
        }
        Act::RootRotated { rotation } => match rotation.open(&clinic.id) {
            Ok(rotation) => format!(
                "signed for root key number {} in the place of number {}, whose statements count up \
                 to number {}",
                rotation.number + 1,
                rotation.number,
                rotation.last
            ),
            Err(_) => "signed for a root key whose rotation does not verify".to_owned(),
        },
        Act::InvitationUsed { by: Some(by), .. } => {
            format!(
                "noted that {} has used its invitation",
                device_name(clinic, by)
            )
        }
        Act::InvitationUsed {
            invitation,
            by: None,
        } => {
            let known = clinic.invitations.get(invitation);
            let name =
                known.map_or_else(|| invitation.short(), |known| known.terms.name.to_string());
            format!("withdrew the invitation for {name}")
        }
    }
}

/// What a proposal is about, to follow "wants to".
pub(super) fn wanted(clinic: &Clinic, proposal: &Proposal) -> String {
    let Proposal::Policy { policy } = proposal;
    let now = &clinic.policy;
    let days = [
        ("direct messages", now.direct_days, policy.direct_days),
        ("messages in rooms", now.room_days, policy.room_days),
        ("audit records", now.audit_days, policy.audit_days),
    ];
    let shorter = days.iter().filter(|(_, now, then)| then < now);
    let mut changes: Vec<String> = shorter
        .map(|(what, now, then)| format!("keep {what} {then} days, not {now}"))
        .collect();
    if now.two_admins.is_some() && policy.two_admins.is_none() {
        changes.push("do without a second admin from then on".to_owned());
    }
    changes.insert(0, format!("set policy version {}", policy.version));
    list(&changes)
}

fn granted(clinic: &Clinic, grant: &crate::domain::sign::Signed) -> String {
    let opened = Grant::open_by(grant, &clinic.id, &grant.signer.as_admin());
    let Some(grant) = opened.ok().filter(|_| clinic.is_root(&grant.signer)) else {
        return "appointed an admin whose grant does not verify".to_owned();
    };
    let scopes: Vec<_> = grant.scopes.iter().map(|scope| scope.to_string()).collect();
    format!(
        "appointed admin {} to {} until {}",
        grant.name,
        list(&scopes),
        when_exactly(grant.not_after)
    )
}

fn enrolled(clinic: &Clinic, certificate: &crate::domain::sign::Signed) -> String {
    let Ok(certificate) = Certificate::open(certificate, &clinic.id) else {
        return "enrolled a device whose certificate does not verify".to_owned();
    };
    format!(
        "enrolled {} {} of office {} until {}",
        kind(certificate.kind),
        certificate.name,
        certificate.office,
        when_exactly(certificate.not_after)
    )
}

const fn kind(kind: DeviceKind) -> &'static str {
    match kind {
        DeviceKind::Node => "node",
        DeviceKind::Client => "client",
    }
}

fn staff(facts: &StaffFacts) -> String {
    let homes: Vec<_> = facts.homes.iter().map(ToString::to_string).collect();
    let roles: Vec<_> = facts
        .roles
        .iter()
        .map(|role| role_name(*role).to_owned())
        .collect();
    let at = if homes.is_empty() {
        "nowhere".to_owned()
    } else {
        list(&homes)
    };
    let code = if facts.sign_in.is_some() {
        ", with a sign-in code"
    } else {
        ""
    };
    format!("{} ({}), at home in {at}{code}", facts.name, list(&roles))
}

/// "a", "a and b", "a, b and c".
pub(super) fn list(items: &[String]) -> String {
    match items {
        [] => "nobody".to_owned(),
        [only] => only.clone(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::Hash;
    use crate::domain::policy::TwoAdmins;
    use crate::domain::statement::StatementId;
    use crate::domain::testing::SampleClinic;

    #[test]
    fn every_statement_of_a_clinic_reads_as_a_sentence() {
        let mut clinic = SampleClinic::of(["front-desk"]);
        let ana = clinic.staff("Ana", ["front-desk"]);
        clinic.room("rounds", [ana]);
        let record = clinic.record();
        let mut copy = crate::domain::copy::RecordCopy::new(clinic.id);
        copy.merge(clinic.segments.clone())
            .expect("the sample is sound");
        let said: Vec<String> = copy
            .items()
            .map(|item| of(&record, &item.statement.act))
            .collect();
        for expected in [
            "founded the clinic Sample Clinic",
            "appointed admin Robin",
            "enrolled node front-desk of office front-desk",
            "added Ana",
            "made room rounds with Ana; new members see",
        ] {
            assert!(
                said.iter().any(|line| line.contains(expected)),
                "{expected}: {said:#?}"
            );
        }
    }

    #[test]
    fn a_proposal_says_what_would_be_kept_shorter_and_that_a_rule_is_given_up() {
        let clinic = SampleClinic::of([]);
        let mut record = clinic.record();
        record.policy.two_admins = Some(TwoAdmins::ShorterRetention);
        let mut policy = record.policy.clone();
        (policy.version, policy.room_days, policy.two_admins) = (2, 7, None);
        let said = wanted(&record, &Proposal::Policy { policy });
        assert_eq!(
            said,
            "set policy version 2, keep messages in rooms 7 days, not 30 and do without a second \
             admin from then on"
        );
        let robin = record.admins.values().next().expect("Robin");
        let proposal = StatementId {
            author: robin.grant.admin.into(),
            seq: 12,
        };
        let digest = Hash::ZERO;
        let approved = of(&record, &Act::Approved { proposal, digest });
        assert_eq!(approved, "approved what Robin proposed in statement 12");
    }

    #[test]
    fn lists_are_read_aloud() {
        let items = |names: &[&str]| {
            list(
                &names
                    .iter()
                    .map(|name| (*name).to_owned())
                    .collect::<Vec<_>>(),
            )
        };
        assert_eq!(items(&["a"]), "a");
        assert_eq!(items(&["a", "b", "c"]), "a, b and c");
    }
}
