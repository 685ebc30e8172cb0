//! Second factors: what a person shows besides the password, folded from the entries of their private
//! space in whatever order those arrive.

use std::collections::BTreeSet;

use super::id::Hash;
use super::message::{Position, StaffItem};
use super::time::WallTime;

/// Bytes of an authenticator's secret: what RFC 4226 asks for.
pub const TOTP_SECRET: usize = 20;

/// Recovery codes that are handed out at once.
pub const RECOVERY_CODES: usize = 10;

/// Most spent recovery codes that are remembered: several lives of an account.
const SPENT_MAX: usize = 1000;

/// A person's password and second factors, as far as this node knows.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Credentials {
    password: Option<(Position, String)>,
    cleared: Option<Position>,
    totp: Option<(Position, [u8; TOTP_SECRET])>,
    step: u64,
    recovery: Option<(Position, BTreeSet<Hash>)>,
    spent: BTreeSet<Hash>,
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
        }
    }

    /// The password in PHC form, and when it was set.
    pub fn password(&self) -> Option<(&str, WallTime)> {
        let (at, phc) = self.password.as_ref()?;
        Some((phc, at.time.wall()))
    }

    /// The authenticator's secret, if there is one.
    pub fn totp(&self) -> Option<&[u8; TOTP_SECRET]> {
        self.if_kept(self.totp.as_ref())
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

    /// Whether there is anything besides the password.
    pub fn has_factor(&self) -> bool {
        self.totp().is_some()
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
mod tests {
    use super::*;
    use crate::domain::id::AuthorId;
    use crate::domain::log::Epoch;
    use crate::domain::testing::NOON;
    use crate::domain::time::Hlc;

    fn at(minute: u64) -> Position {
        Position {
            time: Hlc::at(NOON.plus(std::time::Duration::from_secs(60 * minute))),
            author: AuthorId::new([1; 32]),
            epoch: Epoch(1),
            seq: minute,
        }
    }

    fn hash(n: u8) -> Hash {
        Hash::new([n; 32])
    }

    fn items() -> Vec<(Position, StaffItem)> {
        let password = |phc: &str| StaffItem::Password {
            phc: phc.to_owned(),
            at: NOON,
        };
        let codes = |from: u8| StaffItem::RecoveryCodes {
            hashes: (from..from + 10).map(hash).collect(),
        };
        let totp = |n: u8, step| StaffItem::Totp {
            secret: [n; TOTP_SECRET],
            step,
        };
        vec![
            (at(1), password("old")),
            (at(2), totp(1, 100)),
            (at(3), codes(1)),
            (at(4), StaffItem::TotpUsed { step: 120 }),
            (at(5), StaffItem::FactorsCleared {}),
            (at(6), password("new")),
            (at(7), totp(2, 110)),
            (at(8), codes(50)),
            (at(9), StaffItem::RecoveryUsed { hash: hash(52) }),
        ]
    }

    fn fold(items: impl IntoIterator<Item = (Position, StaffItem)>) -> Credentials {
        let mut credentials = Credentials::default();
        for (at, item) in items {
            credentials.learn(at, item);
        }
        credentials
    }

    #[test]
    fn credentials_are_the_same_in_whatever_order_their_entries_arrive() {
        let forward = fold(items());
        assert_eq!(forward, fold(items().into_iter().rev()));
        assert_eq!(forward.password().map(|(phc, _)| phc), Some("new"));
        assert_eq!(forward.totp(), Some(&[2; TOTP_SECRET]));
        assert_eq!((forward.last_step(), forward.recovery_left()), (120, 9));
    }

    #[test]
    fn a_recovery_code_works_once_and_only_of_the_newest_ten() {
        let credentials = fold(items());
        assert!(credentials.is_recovery_code(&hash(50)));
        assert!(!credentials.is_recovery_code(&hash(52)), "spent");
        assert!(!credentials.is_recovery_code(&hash(2)), "of the ten before");
    }

    #[test]
    fn clearing_takes_every_factor_and_leaves_the_password() {
        let mut credentials = fold(items());
        assert!(credentials.has_factor());
        credentials.learn(at(10), StaffItem::FactorsCleared {});
        assert!(!credentials.has_factor() && credentials.recovery_left() == 0);
        assert_eq!(
            credentials.last_step(),
            120,
            "no code is taken twice all the same"
        );
        assert!(credentials.password().is_some());
    }
}
