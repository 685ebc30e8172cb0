//! What a change means to those whom it concerns.

use crate::api::clinic::{author_name, device_name, space_name, staff_name};
use crate::api::conversation::id_of;
use crate::api::event::Hint;
use crate::domain::id::{DeviceId, StaffId};
use crate::domain::record::Clinic;
use crate::domain::space::Space;
use crate::node::engine::Changed;

/// Whom a change concerns, besides the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Whom {
    /// No staff member.
    Nobody,
    /// These people.
    These(Vec<StaffId>),
    /// Every staff member.
    Everybody,
}

/// Whom a change concerns: what happens in a conversation is for its members.
pub(super) fn whom(clinic: &Clinic, changed: &Changed) -> Whom {
    match changed {
        Changed::Space(space)
        | Changed::Receipts { space, .. }
        | Changed::PurgeAttested { space, .. } => members(clinic, space),
        Changed::Stored { log, .. } => members(clinic, &log.space),
        Changed::Typing { space, staff } => match members(clinic, space) {
            Whom::These(mut people) => {
                people.retain(|one| one != staff);
                Whom::These(people)
            }
            whom => whom,
        },
        Changed::Presence { .. }
        | Changed::Connected { .. }
        | Changed::Disconnected { .. }
        | Changed::Discovered { .. }
        | Changed::Record
        | Changed::Purged { .. }
        | Changed::Revoked => Whom::Everybody,
        Changed::Fork(_) => Whom::Nobody,
    }
}

fn members(clinic: &Clinic, space: &Space) -> Whom {
    if !space.is_conversation() {
        return Whom::Nobody;
    }
    let mut people = clinic.people(space);
    people.retain(|staff| clinic.is_in(staff, space));
    Whom::These(people)
}

/// A change in words. Changes of spaces that no face shows are left out.
pub(super) fn hint_of(clinic: &Clinic, changed: Changed) -> Option<Hint> {
    let device = |device: &DeviceId| device_name(clinic, device);
    let hint = match changed {
        Changed::Space(space) => on_space(clinic, &space)?,
        Changed::Receipts {
            space,
            by,
            author,
            epoch,
            seq,
        } => match id_of(&space) {
            Some(conversation) => Hint::Receipts {
                conversation,
                name: space_name(clinic, &space),
                by: author_name(clinic, &by),
                of: author_name(clinic, &author),
                epoch: format!("{:x}", epoch.0),
                seq,
            },
            None => on_trail(clinic, &space, Some(author_name(clinic, &by)))?,
        },
        Changed::Stored { log, seq } => match id_of(&log.space) {
            Some(conversation) => Hint::Stored {
                conversation,
                name: space_name(clinic, &log.space),
                of: author_name(clinic, &log.author),
                epoch: format!("{:x}", log.epoch.0),
                seq,
            },
            None => on_trail(clinic, &log.space, None)?,
        },
        Changed::Typing { space, staff } => Hint::Typing {
            conversation: id_of(&space)?,
            staff: staff.to_string(),
            by: staff_name(clinic, &staff),
        },
        Changed::Presence { staff } => Hint::Presence {
            staff: staff.to_string(),
        },
        Changed::Discovered { peer } => Hint::Discovered {
            peer: peer.map(|peer| device(&peer)),
        },
        Changed::Connected { peer } => Hint::Connected {
            peer: device(&peer),
            device: peer.to_string(),
        },
        Changed::Disconnected { peer, why } => Hint::Disconnected {
            peer: device(&peer),
            device: peer.to_string(),
            why: why.map(|why| why.to_string()),
        },
        Changed::Record => Hint::Record,
        Changed::Fork(log) => Hint::Fork {
            author: author_name(clinic, &log.author),
            place: space_name(clinic, &log.space),
        },
        Changed::Purged { horizon } => Hint::Purged {
            horizon: horizon.to_string(),
        },
        Changed::PurgeAttested { by, space, horizon } => Hint::PurgeAttested {
            by: author_name(clinic, &by),
            place: space_name(clinic, &space),
            horizon: horizon.to_string(),
        },
        Changed::Revoked => Hint::Revoked,
    };
    Some(hint)
}

fn on_space(clinic: &Clinic, space: &Space) -> Option<Hint> {
    match id_of(space) {
        Some(conversation) => Some(Hint::Conversation {
            conversation,
            name: space_name(clinic, space),
        }),
        None => on_trail(clinic, space, None),
    }
}

fn on_trail(clinic: &Clinic, space: &Space, by: Option<String>) -> Option<Hint> {
    let Space::Audit(device) = space else {
        return None;
    };
    Some(Hint::Trail {
        of: device_name(clinic, device),
        by,
    })
}
