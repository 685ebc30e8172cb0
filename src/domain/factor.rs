//! Second factors: what a person shows besides the password, folded from the entries of their private
//! space in whatever order those arrive.

use std::collections::{BTreeMap, BTreeSet};

use super::id::Hash;
use super::message::{Position, StaffItem};
use super::passkey::{Copies, PASSKEYS_MAX, Passkey, PasskeyId};
use super::time::WallTime;

/// Bytes of an authenticator's secret: what RFC 4226 asks for.
pub const TOTP_SECRET: usize = 20;

/// Recovery codes that are handed out at once.
pub const RECOVERY_CODES: usize = 10;

/// Most spent recovery codes, and most passkeys, that are remembered: several lives of an account.
const SPENT_MAX: usize = 1000;

/// A person's password and second factors, as far as this node knows.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Credentials {
    password: Option<(Position, String)>,
    cleared: Option<Position>,
    totp: Option<(Position, [u8; TOTP_SECRET])>,
    totp_removed: Option<Position>,
    step: u64,
    recovery: Option<(Position, BTreeSet<Hash>)>,
    spent: BTreeSet<Hash>,
    passkeys: BTreeMap<PasskeyId, (Position, Passkey)>,
    uses: BTreeMap<PasskeyId, Uses>,
    removed: BTreeSet<PasskeyId>,
}

/// What the uses of a passkey have told.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Uses {
    counter: u32,
    copies: Option<(Position, Copies)>,
}

/// Why a change of second factors is turned down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FactorRefusal {
    /// There is no such factor.
    #[error("there is no such second factor")]
    Unknown,
    /// Without it the person could not sign in.
    #[error("this is the last second factor; set up another one first")]
    Last,
    /// Too many passkeys.
    #[error("a person has at most {PASSKEYS_MAX} passkeys; remove one that is not used any more")]
    TooMany,
    /// The counter of a passkey went back: somebody has a copy.
    #[error(
        "this passkey may have been copied, because its counter went back; sign in another way, remove it, \
         and tell an admin"
    )]
    Copied,
}

impl Credentials {
    /// Takes note of one entry. The order does not matter.
    pub fn learn(&mut self, at: Position, item: StaffItem) {
        match item {
            StaffItem::Password { phc, .. } => keep_newer(&mut self.password, at, phc),
            StaffItem::Totp { secret, step } => {
                keep_newer(&mut self.totp, at, secret);
                self.step = self.step.max(step);
            }
            StaffItem::TotpUsed { step } => self.step = self.step.max(step),
            StaffItem::RecoveryCodes { hashes } => {
                let hashes = hashes.into_iter().take(RECOVERY_CODES).collect();
                keep_newer(&mut self.recovery, at, hashes);
            }
            StaffItem::RecoveryUsed { hash } => {
                if self.spent.len() < SPENT_MAX {
                    self.spent.insert(hash);
                }
            }
            StaffItem::FactorsCleared {} => self.cleared = self.cleared.max(Some(at)),
            StaffItem::PasskeyAdded(passkey) => self.learn_passkey(at, passkey),
            StaffItem::PasskeyUsed {
                passkey,
                counter,
                copies,
            } => self.learn_use(at, passkey, counter, copies),
            StaffItem::PasskeyRemoved { passkey } => {
                if self.removed.len() < SPENT_MAX {
                    self.removed.insert(passkey);
                }
            }
            StaffItem::TotpRemoved {} => self.totp_removed = self.totp_removed.max(Some(at)),
        }
    }

    fn learn_passkey(&mut self, at: Position, passkey: Passkey) {
        let id = passkey.id();
        if self.passkeys.len() >= SPENT_MAX && !self.passkeys.contains_key(&id) {
            return;
        }
        let known = self.passkeys.entry(id);
        let known = known.or_insert_with(|| (at, passkey.clone()));
        if known.0 < at {
            *known = (at, passkey);
        }
    }

    fn learn_use(&mut self, at: Position, passkey: PasskeyId, counter: u32, copies: Copies) {
        if self.uses.len() >= SPENT_MAX && !self.uses.contains_key(&passkey) {
            return;
        }
        let uses = self.uses.entry(passkey).or_default();
        uses.counter = uses.counter.max(counter);
        keep_newer(&mut uses.copies, at, copies);
    }

    /// Whether an entry may be written, as far as this node knows.
    pub fn admits(&self, item: &StaffItem) -> Result<(), FactorRefusal> {
        match item {
            StaffItem::PasskeyAdded(_) if self.passkeys().count() >= PASSKEYS_MAX => {
                Err(FactorRefusal::TooMany)
            }
            StaffItem::PasskeyUsed {
                passkey, counter, ..
            } => {
                let (_, passkey) = self.passkey(passkey).ok_or(FactorRefusal::Unknown)?;
                let follows = passkey.may_follow(*counter);
                follows.then_some(()).ok_or(FactorRefusal::Copied)
            }
            StaffItem::PasskeyRemoved { passkey } => self.may_go(self.passkey(passkey).map(|_| ())),
            StaffItem::TotpRemoved {} => self.may_go(self.totp().map(|_| ())),
            StaffItem::Password { .. }
            | StaffItem::Totp { .. }
            | StaffItem::TotpUsed { .. }
            | StaffItem::RecoveryCodes { .. }
            | StaffItem::RecoveryUsed { .. }
            | StaffItem::FactorsCleared {}
            | StaffItem::PasskeyAdded(_) => Ok(()),
        }
    }

    fn may_go(&self, found: Option<()>) -> Result<(), FactorRefusal> {
        found.ok_or(FactorRefusal::Unknown)?;
        let factors = usize::from(self.totp().is_some()) + self.passkeys().count();
        (factors > 1).then_some(()).ok_or(FactorRefusal::Last)
    }

    /// The password in PHC form, and when it was set.
    pub fn password(&self) -> Option<(&str, WallTime)> {
        let (at, phc) = self.password.as_ref()?;
        Some((phc, at.time.wall()))
    }

    /// The authenticator's secret, if there is one.
    pub fn totp(&self) -> Option<&[u8; TOTP_SECRET]> {
        let kept = self
            .totp
            .as_ref()
            .filter(|(at, _)| Some(*at) > self.totp_removed);
        self.if_kept(kept)
    }

    /// The last time step whose code was taken; only later ones are.
    pub const fn last_step(&self) -> u64 {
        self.step
    }

    /// Whether this is the hash of a recovery code that is good.
    pub fn is_recovery_code(&self, hash: &Hash) -> bool {
        let known = self.if_kept(self.recovery.as_ref());
        known.is_some_and(|hashes| hashes.contains(hash)) && !self.spent.contains(hash)
    }

    /// How many recovery codes are left.
    pub fn recovery_left(&self) -> usize {
        let known = self.if_kept(self.recovery.as_ref());
        known.map_or(0, |hashes| hashes.difference(&self.spent).count())
    }

    /// The passkeys that are good, as their last use left them, and when each was set up.
    pub fn passkeys(&self) -> impl Iterator<Item = (WallTime, Passkey)> {
        self.passkeys.keys().filter_map(|id| self.passkey(id))
    }

    /// One of them.
    pub fn passkey(&self, id: &PasskeyId) -> Option<(WallTime, Passkey)> {
        let known = self.passkeys.get(id);
        let known = known.filter(|(at, _)| Some(*at) > self.cleared && !self.removed.contains(id));
        let (at, mut passkey) = known.cloned()?;
        let uses = self.uses.get(id).copied().unwrap_or_default();
        passkey.counter = passkey.counter.max(uses.counter);
        passkey.copies = uses.copies.map_or(passkey.copies, |(_, copies)| copies);
        Some((at.time.wall(), passkey))
    }

    /// Whether there is anything besides the password.
    pub fn has_factor(&self) -> bool {
        self.totp().is_some() || self.passkeys().next().is_some()
    }

    /// What was set after the last clearing.
    fn if_kept<'a, T>(&self, found: Option<&'a (Position, T)>) -> Option<&'a T> {
        let (_, thing) = found.filter(|(at, _)| Some(*at) > self.cleared)?;
        Some(thing)
    }
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Credentials(..)")
    }
}

fn keep_newer<T>(place: &mut Option<(Position, T)>, at: Position, thing: T) {
    if place.as_ref().is_none_or(|(known, _)| *known < at) {
        *place = Some((at, thing));
    }
}

#[cfg(test)]
mod tests;
