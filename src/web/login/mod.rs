//! Logins: who is signed in, and when that ends.
//!
//! Nothing here reads a clock or hashes a password. A login is known by the hash of its token only, so
//! that nothing in memory or in a crash dump opens a conversation.

mod hashing;
mod sign_in;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

pub(super) use hashing::{Cost, Hashing};
pub(super) use sign_in::{change_password, sign_in};

use crate::domain::id::{Hash, StaffId};
use crate::domain::time::WallTime;
use crate::node::engine::Now;

/// How long a login lasts whatever happens: a long shift.
pub(super) const LIFE: Duration = Duration::from_secs(12 * 60 * 60);

/// Logins per person: the desk, the ward, a phone, and one forgotten.
pub(super) const LOGINS_MAX: usize = 4;

/// Streams of hints per login: one a browser tab.
const STREAMS_EACH: usize = 8;

/// Names a login without opening it: the hash of its token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct LoginKey(Hash);

impl LoginKey {
    /// The key of a token.
    pub(super) fn of(token: &str) -> Self {
        Self(Hash::of("login/v1", &[token.as_bytes()]))
    }
}

/// What a page shows with every act besides the cookie: a page of another site cannot know it.
///
/// It follows from the token, so the node keeps nothing of it.
pub(super) fn proof_of(token: &str) -> String {
    Hash::of("login-proof/v1", &[token.as_bytes()]).to_string()
}

/// Whether a person stands behind a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    /// A person did something.
    Person,
    /// A face asked on its own; that does not put off automatic logoff.
    Background,
}

/// A login that has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ended {
    /// Whose it was.
    pub(super) staff: StaffId,
}

struct Login {
    staff: StaffId,
    began: Now,
    used: Now,
    streams: Arc<Semaphore>,
}

impl Login {
    fn is_over(&self, now: Now, idle: Duration) -> bool {
        since(self.began, now) >= LIFE || since(self.used, now) >= idle
    }
}

/// Everyone who is signed in at this node.
#[derive(Default)]
pub(super) struct Logins {
    live: BTreeMap<LoginKey, Login>,
}

impl Logins {
    /// Begins a login; the person's oldest ends if there would be too many.
    pub(super) fn begin(&mut self, key: LoginKey, staff: StaffId, now: Now) -> Vec<Ended> {
        let login = Login {
            staff,
            began: now,
            used: now,
            streams: Arc::new(Semaphore::new(STREAMS_EACH)),
        };
        self.live.insert(key, login);
        let mut ended = Vec::new();
        while let Some(oldest) = self.oldest_above_limit(&staff) {
            ended.extend(self.end(oldest));
        }
        ended
    }

    /// Whose login this is; a login found to be over ends.
    pub(super) fn check(
        &mut self,
        key: LoginKey,
        now: Now,
        idle: Duration,
        usage: Use,
    ) -> Result<StaffId, Option<Ended>> {
        let login = self.live.get_mut(&key).ok_or(None)?;
        if login.is_over(now, idle) {
            return Err(self.end(key));
        }
        if usage == Use::Person {
            login.used = now;
        }
        Ok(login.staff)
    }

    /// When a login ends whatever happens.
    pub(super) fn ends(&self, key: LoginKey) -> Option<WallTime> {
        self.live.get(&key).map(|login| login.began.wall.plus(LIFE))
    }

    /// Whether a login is live; asking changes nothing.
    pub(super) fn is_live(&self, key: LoginKey) -> bool {
        self.live.contains_key(&key)
    }

    /// The streams that a login may open.
    pub(super) fn streams(&self, key: LoginKey) -> Option<Arc<Semaphore>> {
        self.live.get(&key).map(|login| login.streams.clone())
    }

    /// Ends one login.
    pub(super) fn end(&mut self, key: LoginKey) -> Option<Ended> {
        let login = self.live.remove(&key)?;
        Some(Ended { staff: login.staff })
    }

    /// Ends every login of a person but one.
    pub(super) fn end_others(&mut self, staff: &StaffId, keep: LoginKey) -> Vec<Ended> {
        self.end_where(|key, login| login.staff == *staff && *key != keep)
    }

    /// Ends every login.
    pub(super) fn end_all(&mut self) -> Vec<Ended> {
        self.end_where(|_, _| true)
    }

    /// Ends the logins that are over, and those of people who may not be signed in.
    pub(super) fn sweep(
        &mut self,
        now: Now,
        idle: Duration,
        may: impl Fn(&StaffId) -> bool,
    ) -> Vec<Ended> {
        self.end_where(|_, login| login.is_over(now, idle) || !may(&login.staff))
    }

    /// How many are signed in.
    pub(super) fn count(&self) -> usize {
        self.live.len()
    }

    fn end_where(&mut self, over: impl Fn(&LoginKey, &Login) -> bool) -> Vec<Ended> {
        let due = self.live.iter().filter(|(key, login)| over(key, login));
        let due: Vec<LoginKey> = due.map(|(key, _)| *key).collect();
        due.into_iter().filter_map(|key| self.end(key)).collect()
    }

    fn oldest_above_limit(&self, staff: &StaffId) -> Option<LoginKey> {
        let theirs = self.live.iter().filter(|(_, login)| login.staff == *staff);
        let mut theirs: Vec<_> = theirs
            .map(|(key, login)| (login.began.mono, *key))
            .collect();
        theirs.sort();
        (theirs.len() > LOGINS_MAX).then(|| theirs[0].1)
    }
}

/// Time that has passed, by whichever clock says more.
///
/// The steady clock stands still while a machine sleeps, and the wall clock can be put back; neither
/// may keep a login alive.
fn since(then: Now, now: Now) -> Duration {
    let wall = Duration::from_millis(now.wall.0.saturating_sub(then.wall.0));
    wall.max(now.mono.saturating_sub(then.mono))
}

#[cfg(test)]
mod tests;
