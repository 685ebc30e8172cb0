//! Staff passwords as ways to unlock this node, while it runs: kept as people sign in, taken away when
//! they may no longer be.

use std::path::{Path, PathBuf};

use tracing::{info, warn};
use zeroize::Zeroizing;

use super::door::LockedDoor;
use super::login::throttle_name;
use super::state::{Api, may_sign_in};
use crate::domain::audit::{Actor, AuditRecord, Deed, Origin};
use crate::domain::id::{DeviceId, StaffId};
use crate::domain::record::{Clinic, StaffMember};
use crate::domain::time::WallTime;
use crate::domain::web::WebCertificate;
use crate::node::{
    SlotOwner, StaffSecret, StaffSlotError, StaffSlots, plain_name, remove_staff_slots,
};
use crate::platform::web_key::WebKey;

use super::locked::Unlocked;

/// What lets staff unlock a node; nothing where that is switched off.
#[derive(Clone, Default)]
pub struct Unlocking(Option<On>);

#[derive(Clone)]
struct On {
    slots: StaffSlots,
    dir: PathBuf,
}

impl Unlocking {
    /// Switched on for the node in `dir`, with the staff slots of its open store. Blocks on the disk.
    pub fn on(dir: &Path, slots: StaffSlots) -> Self {
        if let Err(error) = slots.load() {
            warn!(%error, "the staff slots cannot be read");
        }
        let dir = dir.to_owned();
        Self(Some(On { slots, dir }))
    }

    /// Switched off: what an earlier start with the switch on has left in `dir` is taken away.
    pub fn off(dir: &Path) -> Result<Self, StaffSlotError> {
        remove_staff_slots(dir)?;
        LockedDoor::remove(dir)?;
        Ok(Self::default())
    }

    /// Lets a password that has just proven right unlock this node, unless it does so already.
    ///
    /// In the background: whoever signs in does not wait for it.
    pub(super) fn keep(&self, api: &Api, (staff, set): (StaffId, Option<WallTime>), typed: &str) {
        let (Some(on), Some(set)) = (self.0.clone(), set) else {
            return;
        };
        let (api, typed) = (api.clone(), Zeroizing::new(typed.to_owned()));
        tokio::spawn(async move {
            let Ok(clinic) = api.clinic().await else {
                return;
            };
            let Some(member) = clinic.staff.get(&staff) else {
                return;
            };
            let name = member.facts.name.as_str();
            let owner = SlotOwner::new(staff, name, set);
            if on.slots.owners().contains(&owner) {
                return;
            }
            let secret = StaffSecret::new(name, &typed);
            let kept = tokio::task::spawn_blocking(move || on.slots.keep(&secret, &owner)).await;
            match kept {
                Ok(Ok(())) => info!("a staff member can unlock this node"),
                Ok(Err(error)) => warn!(%error, "a staff slot was not kept"),
                Err(_) => warn!("a staff slot was not kept: its making failed"),
            }
        });
    }

    /// Takes away the slots of passwords that are not their owners' any more, and of people who may
    /// not sign in here.
    pub(super) async fn sweep(&self, api: &Api, clinic: &Clinic, device: &DeviceId) {
        let Some(on) = self.0.clone() else {
            return;
        };
        let mut over = Vec::new();
        for owner in on.slots.owners() {
            // A node that cannot say is stopping.
            let Ok(known) = api.credentials(owner.staff).await else {
                return;
            };
            let set = known.password().map(|(_, set)| set);
            if !stays(&owner, clinic, device, set) {
                over.push(owner);
            }
        }
        if over.is_empty() {
            return;
        }
        let slots = on.slots;
        let retained = move || slots.retain(|owner| !over.contains(owner));
        match tokio::task::spawn_blocking(retained).await {
            Ok(Ok(())) => info!("a staff member can no longer unlock this node"),
            Ok(Err(error)) => warn!(%error, "a staff slot was not taken away"),
            Err(_) => warn!("a staff slot was not taken away: it failed"),
        }
    }

    /// Keeps what TLS shows where it can be read before the store is unlocked.
    pub(super) fn show_while_locked(&self, certificate: &WebCertificate, key: &WebKey) {
        let Some(on) = &self.0 else {
            return;
        };
        if let Err(error) = LockedDoor::keep(&on.dir, certificate, key) {
            warn!(%error, "the page of the locked node will not be shown by TLS");
        }
    }
}

/// Whose slot this name opens; nobody's if several people are called so.
fn staff_of_slot(clinic: &Clinic, name: &str) -> Option<StaffId> {
    let called =
        |(_, member): &(&StaffId, &StaffMember)| plain_name(member.facts.name.as_str()) == name;
    let mut people = clinic.staff.iter().filter(called);
    let (staff, _) = people.next()?;
    people.next().is_none().then_some(*staff)
}

/// Whether a slot may stay: of somebody who may sign in here, under the name and with the password
/// (told by when it was set) that count.
fn stays(owner: &SlotOwner, clinic: &Clinic, device: &DeviceId, set: Option<WallTime>) -> bool {
    let member = clinic.staff.get(&owner.staff);
    let current = member
        .zip(set)
        .map(|(member, set)| SlotOwner::new(owner.staff, member.facts.name.as_str(), set));
    may_sign_in(clinic, device, &owner.staff) && current == Some(*owner)
}

impl Api {
    /// Goes on counting where the locked node was: whoever has guessed there has no fresh tries here.
    /// To be called before any door is opened.
    pub async fn count_on(&self, unlocked: &Unlocked) {
        // A node that cannot say is stopping.
        let Ok(clinic) = self.clinic().await else {
            return;
        };
        let renamed = |name: &str| throttle_name(staff_of_slot(&clinic, name), name);
        self.tries().take_over(&unlocked.tries, renamed);
    }

    /// Puts on record who has unlocked the node, and what was tried before.
    pub async fn note_unlocked(&self, unlocked: &Unlocked) {
        let (origin, deed) = (unlocked.origin, Deed::StoreUnlocked);
        let refused = AuditRecord::refused(Actor::Stranger, Origin::Browser, deed);
        let refused = (0..unlocked.refused).map(|_| refused);
        let done = AuditRecord::done(Actor::Staff(unlocked.staff), origin, deed);
        for record in refused.chain([done]) {
            if let Err(error) = self.note(record).await {
                return warn!(%error, "the unlocking is not in the audit trail");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::testing::SampleClinic;

    const SET: WallTime = WallTime(5_000);

    #[test]
    fn a_slot_stays_for_the_person_the_name_and_the_password_it_was_made_for() {
        let mut sample = SampleClinic::of(["front", "ward"]);
        let ana = sample.staff("Ana", ["front"]);
        let (front, ward) = (sample.device("front").id, sample.device("ward").id);
        let mut clinic = sample.record();
        let owner = SlotOwner::new(ana, "Ana", SET);
        assert!(stays(&owner, &clinic, &front, Some(SET)));
        assert!(
            !stays(&owner, &clinic, &front, Some(WallTime(6_000))),
            "another password"
        );
        assert!(!stays(&owner, &clinic, &front, None), "no password");
        assert!(
            !stays(&owner, &clinic, &ward, Some(SET)),
            "not at home there"
        );
        let renamed = SlotOwner::new(ana, "Anna", SET);
        assert!(!stays(&renamed, &clinic, &front, Some(SET)));
        let stranger = SlotOwner::new(StaffId::new([9; 16]), "Ana", SET);
        assert!(!stays(&stranger, &clinic, &front, Some(SET)));

        let member = clinic.staff.get_mut(&ana).expect("employed");
        member.status = crate::domain::record::Status::Suspended;
        assert!(!stays(&owner, &clinic, &front, Some(SET)));
    }
}
