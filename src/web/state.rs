//! What all routes share.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, broadcast, watch};
use webauthn_rs::prelude::DiscoverableAuthentication;

use super::Timepiece;
use super::answer::problem_of;
use super::door::Site;
use super::hub::Hub;
use super::login::{Ceremonies, Cost, Ended, Hashing, Logins, Tries, turned_out};
use super::unlocking::Unlocking;
use crate::api::event::Hint;
use crate::api::problem::{Code, Problem};
use crate::domain::audit::{Actor, AuditRecord, Deed, Origin};
use crate::domain::condition::{Condition, ProgramVersion};
use crate::domain::factor::Credentials;
use crate::domain::id::{DeviceId, StaffId};
use crate::domain::message::StaffItem;
use crate::domain::record::Clinic;
use crate::domain::time::WallTime;
use crate::domain::web::{WebCertificate, WebKey};
use crate::node::Handle;
use crate::node::backup::Backups;
use crate::node::engine::{Changed, Command, Now, Reply};
use crate::node::enrolment::Enrolment;
use crate::node::observe::Observer;

/// Requests under way at once; more are told to come back.
///
/// 256 cover an office where everybody presses a key at the same moment, and bound the memory of
/// bodies to 256 MiB in the worst case.
pub(super) const REQUESTS_MAX: usize = 256;

/// Streams of hints open at once: every browser tab of a large office and then some.
pub(super) const STREAMS_MAX: usize = 1024;

/// How often idle logins are looked for.
const SWEEP: Duration = Duration::from_secs(5);

/// What the routes of one node share. Cheap to clone.
#[derive(Clone)]
pub struct Api {
    inner: Arc<Inner>,
    enrolment: Option<Enrolment>,
    web_key: Option<WebKey>,
    backups: Option<Backups>,
    observer: Option<Observer>,
    unlocking: Unlocking,
}

struct Inner {
    node: Handle,
    now: Timepiece,
    logins: Mutex<Logins>,
    ceremonies: Mutex<Ceremonies<DiscoverableAuthentication>>,
    tries: Tries,
    hashing: Hashing,
    /// One first sign-in at a time, so that a code cannot be used twice at once.
    first: tokio::sync::Mutex<()>,
    requests: Arc<Semaphore>,
    streams: Arc<Semaphore>,
    hub: Hub,
    ends: watch::Sender<u64>,
    /// What browsers call the open doors, by port.
    sites: Mutex<BTreeMap<u16, Site>>,
}

impl Api {
    /// The API of a running node.
    pub fn new(node: Handle, now: Timepiece) -> Self {
        Self::with_cost(node, now, Cost::PRODUCT)
    }

    pub(super) fn with_cost(node: Handle, now: Timepiece, cost: Cost) -> Self {
        Self {
            inner: Arc::new(Inner {
                node,
                now,
                logins: Mutex::default(),
                ceremonies: Mutex::default(),
                tries: Tries::none(),
                hashing: Hashing::new(cost),
                first: tokio::sync::Mutex::default(),
                requests: Arc::new(Semaphore::new(REQUESTS_MAX)),
                streams: Arc::new(Semaphore::new(STREAMS_MAX)),
                hub: Hub::default(),
                ends: watch::channel(0).0,
                sites: Mutex::default(),
            }),
            enrolment: None,
            web_key: None,
            backups: None,
            observer: None,
            unlocking: Unlocking::default(),
        }
    }

    /// The same API, which also lets other machines in.
    #[must_use]
    pub fn enrolling(mut self, enrolment: Enrolment) -> Self {
        self.enrolment = Some(enrolment);
        self
    }

    /// The same API of a node with this key for browsers.
    #[must_use]
    pub fn showing(mut self, key: WebKey) -> Self {
        self.web_key = Some(key);
        self
    }

    /// The same API of a node whose store can be backed up.
    #[must_use]
    pub fn backing_up(mut self, backups: Backups) -> Self {
        self.backups = Some(backups);
        self
    }

    /// The same API of a node whose network the doctor may ask.
    #[must_use]
    pub fn observing(mut self, observer: Observer) -> Self {
        self.observer = Some(observer);
        self
    }

    pub(super) fn observer(&self) -> Option<&Observer> {
        self.observer.as_ref()
    }

    /// The same API of a node whose staff may unlock it with their passwords.
    #[must_use]
    pub fn unlocked_by_staff(mut self, unlocking: Unlocking) -> Self {
        self.unlocking = unlocking;
        self
    }

    pub(super) fn unlocking(&self) -> &Unlocking {
        &self.unlocking
    }

    /// How this node is, as it tells others.
    pub(super) fn condition(&self) -> Condition {
        let backups = self.backups().map(Backups::condition);
        Condition {
            version: ProgramVersion::own(),
            backups,
        }
    }

    pub(super) fn backups(&self) -> Option<&Backups> {
        self.backups.as_ref()
    }

    pub(super) fn web_key(&self) -> Option<WebKey> {
        self.web_key
    }

    /// A door for browsers is open.
    pub(super) fn opened(&self, site: &Site) {
        let mut sites = self.sites();
        sites.insert(site.port(), site.clone());
    }

    /// What people type to reach the open doors.
    pub(super) fn addresses_for_people(&self) -> Vec<String> {
        self.sites().values().map(Site::address).collect()
    }

    fn sites(&self) -> MutexGuard<'_, BTreeMap<u16, Site>> {
        self.inner
            .sites
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn enrolment(&self) -> Option<&Enrolment> {
        self.enrolment.as_ref()
    }

    pub(super) fn now(&self) -> Now {
        (self.inner.now)()
    }

    pub(super) fn logins(&self) -> MutexGuard<'_, Logins> {
        // Logins are changed in single steps, so a panic elsewhere leaves them whole.
        self.inner
            .logins
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Sign-ins with a passkey that have begun.
    pub(super) fn ceremonies(&self) -> MutexGuard<'_, Ceremonies<DiscoverableAuthentication>> {
        self.inner
            .ceremonies
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Wrong passwords and codes, by name and by the address they come from.
    pub(super) fn tries(&self) -> &Tries {
        &self.inner.tries
    }

    pub(super) fn hashing(&self) -> &Hashing {
        &self.inner.hashing
    }

    pub(super) async fn first_sign_in(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.inner.first.lock().await
    }

    pub(super) fn requests(&self) -> Arc<Semaphore> {
        self.inner.requests.clone()
    }

    pub(super) fn streams(&self) -> Arc<Semaphore> {
        self.inner.streams.clone()
    }

    /// Changes whenever logins have ended.
    pub(super) fn ends(&self) -> watch::Receiver<u64> {
        self.inner.ends.subscribe()
    }

    /// Every change in the node, for those who watch the whole.
    pub(super) fn hints(&self) -> broadcast::Receiver<Changed> {
        self.inner.node.hints()
    }

    /// Hears of what concerns a person, or of everything as the operator.
    pub(super) fn listen(&self, staff: Option<StaffId>) -> broadcast::Receiver<Hint> {
        self.inner.hub.join(&self.inner.node, staff)
    }

    /// Asks the engine; what it refuses becomes a problem.
    pub(super) async fn ask(&self, command: Command) -> Result<Reply, Problem> {
        match self.inner.node.ask(command).await {
            Ok(Reply::Refused(why)) => Err(problem_of(&why)),
            Ok(reply) => Ok(reply),
            Err(stopped) => Err(Problem::new(Code::Stopping, stopped.to_string())),
        }
    }

    /// The clinic as the record says.
    pub(super) async fn clinic(&self) -> Result<Arc<Clinic>, Problem> {
        match self.ask(Command::Clinic).await? {
            Reply::Clinic(clinic) => Ok(clinic),
            other => Err(unexpected(&other)),
        }
    }

    /// This node's device.
    pub(super) async fn device(&self) -> Result<DeviceId, Problem> {
        match self.ask(Command::Status).await? {
            Reply::Status(status) => Ok(status.device),
            other => Err(unexpected(&other)),
        }
    }

    /// This node's certificate for browsers, if the record has one.
    pub(super) async fn own_web_certificate(&self) -> Option<WebCertificate> {
        let device = self.device().await.ok()?;
        let clinic = self.clinic().await.ok()?;
        clinic.devices.get(&device)?.web.clone()
    }

    /// What a person signs in with.
    pub(super) async fn credentials(&self, staff: StaffId) -> Result<Credentials, Problem> {
        match self.ask(Command::Credentials { staff }).await? {
            Reply::Credentials(known) => Ok(*known),
            other => Err(unexpected(&other)),
        }
    }

    /// When the password with this hash was set, if it still is the one that counts.
    pub(super) async fn password_set(
        &self,
        staff: StaffId,
        hash: &str,
    ) -> Result<Option<WallTime>, Problem> {
        let known = self.credentials(staff).await?;
        let current = known.password().filter(|(phc, _)| *phc == hash);
        Ok(current.map(|(_, set)| set))
    }

    /// Stores what a person signs in with; returns once it is durable.
    pub(super) async fn keep(
        &self,
        staff: StaffId,
        items: Vec<StaffItem>,
        origin: Origin,
    ) -> Result<(), Problem> {
        let command = Command::KeepCredentials {
            staff,
            items,
            origin,
        };
        self.ask(command).await.map(drop)
    }

    /// Writes an audit record; returns once it is durable.
    pub(super) async fn note(&self, record: AuditRecord) -> Result<(), Problem> {
        self.ask(Command::Note(record)).await.map(drop)
    }

    /// Ends logins and records it.
    pub(super) async fn end(&self, ended: Vec<Ended>, origin: Origin) {
        if ended.is_empty() {
            return;
        }
        self.inner.ends.send_modify(|count| *count += 1);
        for login in ended {
            let record = AuditRecord::done(Actor::Staff(login.staff), origin, Deed::SignedOut);
            // A node that is stopping writes no more records; its logins end with it.
            let _ = self.note(record).await;
        }
    }

    /// Somebody has locked their login: streams look again whether they may go on.
    pub(super) fn looked_away(&self) {
        self.inner.ends.send_modify(|count| *count += 1);
    }

    /// Ends logins that policy, an admin or the authority ends, until the node stops.
    pub async fn guard(self) {
        let mut hints = self.hints();
        // However much is going on: hints that come all the time must not put the sweep off.
        let mut due = tokio::time::Instant::now() + SWEEP;
        loop {
            let hint = tokio::time::timeout_at(due, hints.recv()).await;
            match hint {
                Ok(Ok(Changed::Revoked)) => {
                    let ended = self.logins().end_all();
                    self.end(ended, Origin::Inside).await;
                }
                Ok(Ok(Changed::Record))
                | Ok(Err(broadcast::error::RecvError::Lagged(_)))
                | Err(_) => {
                    self.sweep().await;
                    due = tokio::time::Instant::now() + SWEEP;
                }
                Ok(Ok(_)) => {}
                Ok(Err(broadcast::error::RecvError::Closed)) => return,
            }
        }
    }

    /// Ends logins that have been idle too long, and those of people who may no longer sign in here.
    pub(super) async fn sweep(&self) {
        let (Ok(clinic), Ok(Reply::Status(status))) =
            (self.clinic().await, self.ask(Command::Status).await)
        else {
            return;
        };
        let now = self.now();
        let idle = idle_limit(&clinic);
        let ended = self.logins().sweep(now, idle, |staff| {
            may_sign_in(&clinic, &status.device, staff)
        });
        self.end(ended, Origin::Inside).await;
        self.unlocking.sweep(self, &clinic, &status.device).await;
    }
}

/// How long a login may be idle.
pub(super) fn idle_limit(clinic: &Clinic) -> Duration {
    Duration::from_secs(u64::from(clinic.policy.idle_logoff_minutes) * 60)
}

/// Whether a person may be signed in at this node.
pub(super) fn may_sign_in(clinic: &Clinic, device: &DeviceId, staff: &StaffId) -> bool {
    turned_out(clinic, device, staff).is_none()
}

/// The engine answered another question than was asked: a bug.
pub(super) fn unexpected(_: &Reply) -> Problem {
    Problem::new(Code::Internal, "the node gave an answer of another kind")
        .remedy("please report this as a bug")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_may_be_idle_for_as_long_as_the_policy_says() {
        let mut clinic = crate::domain::testing::SampleClinic::of([]).record();
        assert_eq!(idle_limit(&clinic), Duration::from_secs(600));
        clinic.policy.idle_logoff_minutes = 2;
        assert_eq!(idle_limit(&clinic), Duration::from_secs(120));
    }
}
