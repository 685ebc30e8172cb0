//! Who may no longer sign in at this node, and what the logins that end with that are told.

use std::collections::VecDeque;

use super::{LIFE, LoginKey, since};
use crate::api::problem::{Code, Problem};
use crate::domain::cert::Scope;
use crate::domain::id::{DeviceId, StaffId};
use crate::domain::record::{Clinic, Status};
use crate::node::engine::Now;
use crate::web::state::Api;

/// Logins of which it is remembered that they were withdrawn: those of sixteen people who leave in one
/// shift. Older ones are told that they have ended, as any other.
const WITHDRAWN_MAX: usize = 64;

/// Why somebody may not be signed in at a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::web) enum TurnedOut {
    /// An admin has suspended them, or they are not of this clinic.
    Suspended,
    /// It is none of the offices where they sign in.
    NotAtHome,
}

/// Why somebody may not be signed in at a node, unless they may.
pub(in crate::web) fn turned_out(
    clinic: &Clinic,
    device: &DeviceId,
    staff: &StaffId,
) -> Option<TurnedOut> {
    let member = clinic.staff.get(staff);
    let active = member.is_some_and(|member| member.status == Status::Active);
    match (active, clinic.is_home(device, staff)) {
        (true, true) => None,
        (false, _) => Some(TurnedOut::Suspended),
        (true, false) => Some(TurnedOut::NotAtHome),
    }
}

/// The logins that an admin has withdrawn lately.
///
/// They are known by the hashes of their tokens, so only who had such a login is told why it ended.
#[derive(Default)]
pub(super) struct Withdrawn(VecDeque<(LoginKey, StaffId, Now)>);

impl Withdrawn {
    pub(super) fn keep(&mut self, logins: Vec<(LoginKey, StaffId)>, now: Now) {
        self.0.retain(|(_, _, then)| since(*then, now) < LIFE);
        let kept = logins.into_iter().map(|(key, staff)| (key, staff, now));
        self.0.extend(kept);
        let over = self.0.len().saturating_sub(WITHDRAWN_MAX);
        self.0.drain(..over);
    }

    pub(super) fn whose(&self, key: LoginKey, now: Now) -> Option<StaffId> {
        let lately = |then: &Now| since(*then, now) < LIFE;
        let mut found = self.0.iter();
        let found = found.find(|(known, _, then)| *known == key && lately(then));
        found.map(|(_, staff, _)| *staff)
    }
}

/// What a login that has ended is told.
pub(in crate::web) async fn why_ended(api: &Api, key: LoginKey) -> Problem {
    let whose = api.logins().withdrawn(key, api.now());
    let told = match whose {
        Some(staff) => withdrawn(api, &staff).await.ok().flatten(),
        None => None,
    };
    told.unwrap_or_else(|| {
        Problem::new(Code::LoginEnded, "the login has ended").remedy("sign in again")
    })
}

/// Why, if it is so still.
async fn withdrawn(api: &Api, staff: &StaffId) -> Result<Option<Problem>, Problem> {
    let (clinic, device) = (api.clinic().await?, api.device().await?);
    let message = match turned_out(&clinic, &device, staff) {
        None => return Ok(None),
        Some(TurnedOut::Suspended) => "an admin has suspended your account",
        Some(TurnedOut::NotAtHome) => "an admin has ended your signing in at this office",
    };
    let problem = Problem::new(Code::LoginWithdrawn, message);
    Ok(Some(problem.remedy(whom_to_ask(&clinic))))
}

/// The admins who look after staff, by the names that everybody in the clinic sees.
fn whom_to_ask(clinic: &Clinic) -> String {
    let admins = clinic.admins.values();
    let admins = admins.filter(|admin| admin.last.is_none());
    let admins = admins.filter(|admin| admin.grant.scopes.has(Scope::Staff));
    let names: Vec<&str> = admins.map(|admin| admin.grant.name.as_str()).collect();
    match names.as_slice() {
        [] => "ask an admin of the clinic".to_owned(),
        names => format!("ask an admin of the clinic: {}", names.join(", ")),
    }
}
