//! Passwords and second factors of the people whose home this node is.

use std::collections::BTreeMap;

use crate::domain::audit::{Actor, AuditRecord, Deed, Origin};
use crate::domain::factor::{Credentials, FactorRefusal};
use crate::domain::id::StaffId;
use crate::domain::message::{Position, StaffItem};
use crate::domain::space::Space;

use super::{CommandRefusal, Engine, Reply, Ticket};

/// Everyone's credentials, as the store has them.
pub(super) fn of(items: Vec<(StaffId, Position, StaffItem)>) -> BTreeMap<StaffId, Credentials> {
    let mut all: BTreeMap<StaffId, Credentials> = BTreeMap::new();
    for (staff, position, item) in items {
        all.entry(staff).or_default().learn(position, item);
    }
    all
}

impl Engine {
    pub(super) fn credentials_of(&mut self, ticket: Ticket, staff: StaffId) {
        let known = self.credentials.get(&staff).cloned().unwrap_or_default();
        self.reply(ticket, Reply::Credentials(Box::new(known)));
    }

    /// Stores what a person signs in with; the answer comes once all of it is durable.
    pub(super) fn keep_credentials(
        &mut self,
        ticket: Ticket,
        staff: StaffId,
        items: Vec<StaffItem>,
        origin: Origin,
    ) {
        if let Err(why) = self.admit_person(&staff) {
            self.refuse(ticket, why);
            return;
        }
        if self.is_departing(&Space::Staff(staff)) {
            self.refuse(ticket, CommandRefusal::Busy);
            return;
        }
        if let Err(why) = self.admit_items(staff, &items) {
            if why == FactorRefusal::Copied {
                self.audit(AuditRecord::refused(
                    Actor::Staff(staff),
                    origin,
                    Deed::PasskeyCopied,
                ));
            }
            self.refuse(ticket, why.into());
            return;
        }
        for item in items {
            self.write(Space::Staff(staff), item.to_body());
            if let Some(deed) = deed(&item) {
                self.note(Actor::Staff(staff), origin, deed);
            }
        }
        self.batch.reply(ticket, Reply::Done);
    }

    /// Each by itself: no caller brings two that depend on each other.
    fn admit_items(&self, staff: StaffId, items: &[StaffItem]) -> Result<(), FactorRefusal> {
        let nothing = Credentials::default();
        let known = self.credentials.get(&staff).unwrap_or(&nothing);
        items.iter().try_for_each(|item| known.admits(item))
    }
}

/// What the audit trail says of it; the use of a factor is part of signing in.
const fn deed(item: &StaffItem) -> Option<Deed> {
    match item {
        StaffItem::Password { .. } => Some(Deed::PasswordSet),
        StaffItem::Totp { .. }
        | StaffItem::RecoveryCodes { .. }
        | StaffItem::FactorsCleared {}
        | StaffItem::PasskeyAdded(_)
        | StaffItem::PasskeyRemoved { .. }
        | StaffItem::TotpRemoved {} => Some(Deed::FactorSet),
        StaffItem::TotpUsed { .. }
        | StaffItem::RecoveryUsed { .. }
        | StaffItem::PasskeyUsed { .. } => None,
    }
}
