//! Logins: who is signed in, and when that ends.
//!
//! Nothing here reads a clock or hashes a password. A login is known by the hash of its token only, so
//! that nothing in memory or in a crash dump opens a conversation.

mod ceremonies;
mod change;
mod factor;
mod hashing;
mod passkey;
mod relying_party;
mod sign_in;
mod step_up;
mod tries;
mod turned_out;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use webauthn_rs::prelude::{PasskeyAuthentication, PasskeyRegistration};
use zeroize::Zeroizing;

pub(super) use ceremonies::Ceremonies;
pub(super) use change::{change_password, factors, remove_factor, renew_recovery};
pub(super) use factor::{begin_totp, factors_of, finish_totp, show_factor};
pub(super) use hashing::{Cost, Hashing};
pub(super) use passkey::{
    ask_for_passkey, begin_passkey, begin_passkey_sign_in, finish_passkey, passkey_sign_in,
};
pub(super) use sign_in::{Admitted, sign_in, throttle_name, unlock};
pub(super) use step_up::step_up;
pub(super) use tries::Tries;
pub(super) use turned_out::{TurnedOut, turned_out, why_ended};

use turned_out::Withdrawn;

use super::agent::Agent;
use crate::domain::audit::Origin;
use crate::domain::factor::TOTP_SECRET;
use crate::domain::id::{Hash, StaffId};
use crate::domain::time::WallTime;
use crate::node::engine::Now;

/// How long a login lasts whatever happens: a long shift.
pub(super) const LIFE: Duration = Duration::from_secs(12 * 60 * 60);

/// Logins per person: the desk, the ward, a phone, and one forgotten.
pub(super) const LOGINS_MAX: usize = 4;

/// Streams of hints per login: one a browser tab.
const STREAMS_EACH: usize = 8;

/// How long a person may take between the password and the second factor.
///
/// Five minutes: long enough to find the phone, or to set one up for the first time.
const HALF_LIFE: Duration = Duration::from_secs(5 * 60);

/// How long after a person has proven who they are they may change what they sign in with.
///
/// Five minutes: long enough to find the settings, too short for a screen that was left.
const FRESH: Duration = Duration::from_secs(5 * 60);

/// Names a login without opening it: the hash of its token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct LoginKey(Hash);

impl LoginKey {
    /// The key of a token.
    pub(super) fn of(token: &str) -> Self {
        Self(Hash::of("login/v1", &[token.as_bytes()]))
    }

    /// How faces name the login in a list.
    pub(super) fn name(self) -> String {
        self.0.to_string()[..16].to_owned()
    }
}

/// What a page shows with every act besides the cookie: a page of another site cannot know it.
///
/// It follows from the token, so the node keeps nothing of it.
pub(super) fn proof_of(token: &str) -> String {
    Hash::of("login-proof/v1", &[token.as_bytes()]).to_string()
}

/// How far a login has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Everything the person may do.
    Ready,
    /// The person has stepped away; the password opens it again.
    Locked,
    /// The password was right; the second factor is still to be shown.
    Factor,
    /// The password was right; the person has no second factor yet and has to set one up.
    Enrol,
}

impl Stage {
    /// As faces name it.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Locked => "locked",
            Self::Factor => "factor",
            Self::Enrol => "enrol",
        }
    }

    /// Whether the person has signed in to the end.
    pub(super) const fn is_whole(self) -> bool {
        matches!(self, Self::Ready | Self::Locked)
    }
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

/// What a beginning login is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Beginning {
    /// Whose.
    pub(super) staff: StaffId,
    /// How far it has come.
    pub(super) stage: Stage,
    /// Through which kind of door.
    pub(super) origin: Origin,
    /// From which address, if the door has such a thing.
    pub(super) address: Option<IpAddr>,
    /// With what kind of browser.
    pub(super) agent: Option<Agent>,
}

/// A login as its owner sees it in a list.
#[derive(Clone, Debug)]
pub(super) struct Line {
    /// Names it, and opens nothing.
    pub(super) key: LoginKey,
    /// When it began.
    pub(super) began: WallTime,
    /// When the person last did something.
    pub(super) used: WallTime,
    /// Through which kind of door.
    pub(super) origin: Origin,
    /// From which address it began.
    pub(super) address: Option<IpAddr>,
    /// With what kind of browser it began.
    pub(super) agent: Option<Agent>,
}

struct Login {
    staff: StaffId,
    stage: Stage,
    origin: Origin,
    address: Option<IpAddr>,
    agent: Option<Agent>,
    began: Now,
    used: Now,
    /// When the person last showed everything that signing in asks for.
    proven: Now,
    streams: Arc<Semaphore>,
    /// What is between its two steps, and since when.
    pending: Option<(Now, Pending)>,
}

/// What is between its two steps.
pub(super) enum Pending {
    /// The secret that an authenticator is to take.
    Totp(Zeroizing<[u8; TOTP_SECRET]>),
    /// A passkey that a browser was asked to make.
    PasskeyToBe(Box<PasskeyRegistration>),
    /// A passkey of the person that a browser was asked for.
    PasskeyAsked(Box<PasskeyAuthentication>),
}

impl Login {
    fn is_over(&self, now: Now, idle: Duration) -> bool {
        let half = !self.stage.is_whole() && since(self.began, now) >= HALF_LIFE;
        half || since(self.began, now) >= LIFE || since(self.used, now) >= idle
    }
}

/// Everyone who is signed in at this node.
#[derive(Default)]
pub(super) struct Logins {
    live: BTreeMap<LoginKey, Login>,
    withdrawn: Withdrawn,
}

impl Logins {
    /// Begins a login; the person's oldest ends if there would be too many.
    ///
    /// Whole ones and half ones are counted apart: who knows the password alone ends no login.
    pub(super) fn begin(&mut self, key: LoginKey, begins: Beginning, now: Now) -> Vec<Ended> {
        let Beginning {
            staff,
            stage,
            origin,
            address,
            agent,
        } = begins;
        let login = Login {
            staff,
            stage,
            origin,
            address,
            agent,
            began: now,
            used: now,
            proven: now,
            streams: Arc::new(Semaphore::new(STREAMS_EACH)),
            pending: None,
        };
        self.live.insert(key, login);
        let mut ended = Vec::new();
        while let Some(oldest) = self.oldest_above_limit(key) {
            ended.extend(self.end(oldest));
        }
        ended
    }

    /// Gives a login that has come further another key, so that whoever knew the one before (it may
    /// have been planted) has nothing.
    pub(super) fn move_on(&mut self, from: LoginKey, to: LoginKey, now: Now) {
        if let Some(mut login) = self.live.remove(&from) {
            if !login.stage.is_whole() {
                login.began = now;
                login.proven = now;
            }
            login.stage = Stage::Ready;
            login.used = now;
            login.pending = None;
            self.live.insert(to, login);
        }
    }

    /// The same after its owner has proven once more who they are.
    pub(super) fn prove_again(&mut self, from: LoginKey, to: LoginKey, now: Now) {
        self.move_on(from, to, now);
        if let Some(login) = self.live.get_mut(&to) {
            login.proven = now;
        }
    }

    /// Locks a login until its owner shows the password again.
    pub(super) fn lock(&mut self, key: LoginKey) {
        if let Some(login) = self.live.get_mut(&key) {
            login.stage = Stage::Locked;
        }
    }

    /// Keeps what is being set up until its second step.
    pub(super) fn keep_pending(&mut self, key: LoginKey, pending: Pending, now: Now) {
        if let Some(login) = self.live.get_mut(&key) {
            login.pending = Some((now, pending));
        }
    }

    /// Takes what is between its two steps; it is good for one try, and for five minutes.
    pub(super) fn take_pending(&mut self, key: LoginKey, now: Now) -> Option<Pending> {
        let (began, pending) = self.live.get_mut(&key)?.pending.take()?;
        (since(began, now) < HALF_LIFE).then_some(pending)
    }

    /// Whether the person proved so lately who they are that nobody else can have sat down in between.
    pub(super) fn is_fresh(&self, key: LoginKey, now: Now) -> bool {
        let login = self.live.get(&key);
        login.is_some_and(|login| since(login.proven, now) < FRESH)
    }

    /// The whole logins of a person, the oldest first.
    pub(super) fn of_person(&self, staff: &StaffId) -> Vec<Line> {
        let theirs = self.live.iter();
        let theirs = theirs.filter(|(_, login)| login.staff == *staff && login.stage.is_whole());
        let mut lines: Vec<Line> = theirs
            .map(|(key, login)| Line {
                key: *key,
                began: login.began.wall,
                used: login.used.wall,
                origin: login.origin,
                address: login.address,
                agent: login.agent,
            })
            .collect();
        lines.sort_by_key(|line| (line.began, line.key));
        lines
    }

    /// Whose login this is; a login found to be over ends.
    pub(super) fn check(
        &mut self,
        key: LoginKey,
        now: Now,
        idle: Duration,
        usage: Use,
    ) -> Result<(StaffId, Stage), Option<Ended>> {
        let login = self.live.get_mut(&key).ok_or(None)?;
        if login.is_over(now, idle) {
            return Err(self.end(key));
        }
        // Nobody is there while it is locked.
        if usage == Use::Person && login.stage != Stage::Locked {
            login.used = now;
        }
        Ok((login.staff, login.stage))
    }

    /// When a login ends whatever happens.
    pub(super) fn ends(&self, key: LoginKey) -> Option<WallTime> {
        self.live.get(&key).map(|login| login.began.wall.plus(LIFE))
    }

    /// Whether there is such a login; asking changes nothing.
    pub(super) fn is_live(&self, key: LoginKey) -> bool {
        self.live.contains_key(&key)
    }

    /// Whether a login may see what changes; asking changes nothing.
    pub(super) fn may_watch(&self, key: LoginKey) -> bool {
        let login = self.live.get(&key);
        login.is_some_and(|login| login.stage == Stage::Ready)
    }

    /// The streams that a login may open.
    pub(super) fn streams(&self, key: LoginKey) -> Option<Arc<Semaphore>> {
        self.live.get(&key).map(|login| login.streams.clone())
    }

    /// Ends one login.
    pub(super) fn end(&mut self, key: LoginKey) -> Option<Ended> {
        let login = self.live.remove(&key)?;
        // Who never signed in to the end does not sign out.
        login
            .stage
            .is_whole()
            .then_some(Ended { staff: login.staff })
    }

    /// Ends every login of a person but one.
    pub(super) fn end_others(&mut self, staff: &StaffId, keep: LoginKey) -> Vec<Ended> {
        self.end_where(|key, login| login.staff == *staff && *key != keep)
    }

    /// Ends every login of a person, whole or half.
    pub(super) fn end_of(&mut self, staff: &StaffId) -> Vec<Ended> {
        self.end_where(|_, login| login.staff == *staff)
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
        // Who has shown a password alone is told no more than at any other try.
        let whole = self.live.iter().filter(|(_, login)| login.stage.is_whole());
        let out = whole.filter(|(_, login)| !may(&login.staff));
        let out = out.map(|(key, login)| (*key, login.staff)).collect();
        self.withdrawn.keep(out, now);
        self.end_where(|_, login| login.is_over(now, idle) || !may(&login.staff))
    }

    /// Whose login this was, if it was withdrawn.
    pub(super) fn withdrawn(&self, key: LoginKey, now: Now) -> Option<StaffId> {
        self.withdrawn.whose(key, now)
    }

    /// How many are signed in.
    pub(super) fn count(&self) -> usize {
        self.live
            .values()
            .filter(|login| login.stage.is_whole())
            .count()
    }

    fn end_where(&mut self, over: impl Fn(&LoginKey, &Login) -> bool) -> Vec<Ended> {
        let due = self.live.iter().filter(|(key, login)| over(key, login));
        let due: Vec<LoginKey> = due.map(|(key, _)| *key).collect();
        due.into_iter().filter_map(|key| self.end(key)).collect()
    }

    /// The oldest of the person's logins beside this one, if they are too many; never this one itself,
    /// whatever the clock says.
    fn oldest_above_limit(&self, newest: LoginKey) -> Option<LoginKey> {
        let (staff, whole) = {
            let login = self.live.get(&newest)?;
            (login.staff, login.stage.is_whole())
        };
        let alike = |login: &Login| login.staff == staff && login.stage.is_whole() == whole;
        let others = self.live.iter();
        let others = others.filter(|(key, login)| **key != newest && alike(login));
        let mut others: Vec<_> = others
            .map(|(key, login)| (login.began.mono, *key))
            .collect();
        others.sort();
        (others.len() >= LOGINS_MAX).then(|| others[0].1)
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
