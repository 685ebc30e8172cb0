//! The node's side: listens while an invitation is open, hears one machine for each.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::{AsyncRead, AsyncReadExt as _, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{broadcast, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, interval, sleep, sleep_until, timeout};
use tokio_util::compat::{Compat, TokioAsyncReadCompatExt as _};
use tracing::{debug, info, warn};
use zeroize::Zeroizing;

use super::life::{Alarm, Candidate, Decision, Life, Progress, Stage};
use super::talk::{self, TurnedAway};
use super::{DECISION_MAX, PULSE, TAKING_MAX};
use crate::channel::enrolment::{self, Enrolment, INVITATIONS_MAX};
use crate::channel::{Admission, Place, SecureStream, StaticKey};
use crate::domain::codec;
use crate::domain::enrol::{ANSWER_MAX, SignedRequest};
use crate::domain::id::InvitationId;
use crate::domain::invitation::short_code;

/// Alarms that a slow listener may fall behind by; each says how many there were before it.
const ALARMS_MAX: usize = 16;

/// Pause after the system refused a connection, most likely for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

type Stream = SecureStream<Compat<TcpStream>>;

/// An invitation to be hosted.
#[derive(Clone)]
pub struct Ticket {
    /// Which.
    pub invitation: InvitationId,
    /// The key of its handshake.
    pub psk: Zeroizing<[u8; 32]>,
    /// How long it is good for.
    pub life: Duration,
}

impl std::fmt::Debug for Ticket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Ticket({})", self.invitation.short())
    }
}

/// Why an invitation is not hosted.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The port cannot be had.
    #[error(
        "cannot listen for enrolments on {address} ({source}); choose another address in node.toml"
    )]
    Listen {
        /// Where.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// Too many are open.
    #[error("{INVITATIONS_MAX} invitations are open here; wait until one is used or expires")]
    Full,
    /// This one is.
    #[error("this invitation is open already")]
    AlreadyOpen,
}

/// Why a decision did not reach anybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecideError {
    /// No such invitation here.
    #[error("this node hosts no such invitation; it may have been restarted: make another")]
    Unknown,
    /// Nobody waits for a decision.
    #[error("nobody waits with this invitation; make another if the machine is not enrolled")]
    NobodyWaits,
    /// More than a machine would take.
    #[error("the answer has {0} bytes, more than the {ANSWER_MAX} that a machine takes")]
    TooLong(usize),
}

/// Where invited machines are heard. Cheap to clone.
#[derive(Clone)]
pub struct Host {
    shared: Arc<Shared>,
}

struct Shared {
    address: SocketAddr,
    key: StaticKey,
    admission: Admission,
    book: Mutex<Book>,
    /// Wakes the listener when an invitation's stage changes.
    changed: watch::Sender<()>,
    alarms: broadcast::Sender<(InvitationId, Alarm)>,
}

#[derive(Default)]
struct Book {
    entries: BTreeMap<InvitationId, Entry>,
    bound: Option<SocketAddr>,
}

struct Entry {
    psk: Zeroizing<[u8; 32]>,
    life: Life,
    decision: Option<oneshot::Sender<Decision>>,
    shown: watch::Sender<Progress>,
}

impl Host {
    /// A host that will listen on `address` while it has to; nothing is bound before.
    ///
    /// `noise_key` is the secret half of the node's certified Noise key.
    pub fn new(address: SocketAddr, noise_key: &[u8; 32]) -> Self {
        let shared = Shared {
            address,
            key: StaticKey::from_secret(noise_key),
            admission: Admission::default(),
            book: Mutex::default(),
            changed: watch::Sender::new(()),
            alarms: broadcast::Sender::new(ALARMS_MAX),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// Hears whoever comes with this invitation. Returns where the host listens.
    ///
    /// Must be called inside a tokio runtime, which the listener then lives in.
    pub fn open(&self, ticket: Ticket) -> Result<SocketAddr, OpenError> {
        let now = Instant::now();
        let mut book = self.shared.book();
        book.entries
            .retain(|_, entry| entry.life.needs_listener(now));
        if book.entries.contains_key(&ticket.invitation) {
            return Err(OpenError::AlreadyOpen);
        }
        if book.entries.len() >= INVITATIONS_MAX && !book.make_room() {
            return Err(OpenError::Full);
        }
        let bound = match book.bound {
            Some(bound) => bound,
            None => self.listen(&mut book)?,
        };
        let entry = Entry::new(ticket.psk, Life::new(now + ticket.life));
        book.entries.insert(ticket.invitation, entry);
        drop(book);
        self.shared.changed.send_replace(());
        Ok(bound)
    }

    fn listen(&self, book: &mut Book) -> Result<SocketAddr, OpenError> {
        let address = self.shared.address;
        let listener = bind(address).map_err(|source| OpenError::Listen { address, source })?;
        let bound = listener.local_addr().unwrap_or(address);
        book.bound = Some(bound);
        info!(%bound, "enrolment listener open");
        tokio::spawn(serve(self.shared.clone(), listener));
        Ok(bound)
    }

    /// Where the host listens at this moment, if it does.
    pub fn bound(&self) -> Option<SocketAddr> {
        self.shared.book().bound
    }

    /// The state of an invitation, to be looked at and waited for.
    pub fn progress(&self, invitation: InvitationId) -> Option<watch::Receiver<Progress>> {
        let book = self.shared.book();
        Some(book.entries.get(&invitation)?.shown.subscribe())
    }

    /// Second uses of invitations, as they happen.
    pub fn alarms(&self) -> broadcast::Receiver<(InvitationId, Alarm)> {
        self.shared.alarms.subscribe()
    }

    /// The invitations that are open, or with which a machine waits.
    pub fn pending(&self) -> Vec<InvitationId> {
        let book = self.shared.book();
        let pending = book
            .entries
            .iter()
            .filter(|(_, entry)| !entry.life.progress.stage.is_over());
        pending.map(|(invitation, _)| *invitation).collect()
    }

    /// Tells the machine that waits what the admin decided.
    pub fn decide(&self, invitation: InvitationId, decision: Decision) -> Result<(), DecideError> {
        if let Decision::Answer(answer) = &decision
            && answer.len() > ANSWER_MAX
        {
            return Err(DecideError::TooLong(answer.len()));
        }
        let mut book = self.shared.book();
        let entry = book.entries.get_mut(&invitation);
        let entry = entry.ok_or(DecideError::Unknown)?;
        let waiting = entry.decision.take().ok_or(DecideError::NobodyWaits)?;
        waiting.send(decision).map_err(|_| DecideError::NobodyWaits)
    }

    /// Takes an invitation back; whoever waits with it is refused.
    pub fn cancel(&self, invitation: InvitationId) {
        let mut book = self.shared.book();
        let Some(entry) = book.entries.get_mut(&invitation) else {
            return;
        };
        if let Some(waiting) = entry.decision.take() {
            // An error says that the machine has left, which is as good.
            let _ = waiting.send(Decision::Refuse);
        }
        if matches!(entry.life.progress.stage, Stage::Open) {
            entry.advance(Stage::Withdrawn);
        }
        drop(book);
        self.shared.changed.send_replace(());
    }
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let listener = std::net::TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    TcpListener::from_std(listener)
}

impl Book {
    /// Forgets the invitation that would end first of those that are done with, if there is one.
    ///
    /// Those are kept to tell of a second use. Whoever enrols forty machines in a quarter of an hour has
    /// none open, and shall not have to wait for that.
    fn make_room(&mut self) -> bool {
        let over = |entry: &Entry| entry.life.progress.stage.is_over();
        let done = self.entries.iter().filter(|(_, entry)| over(entry));
        let first = done.min_by_key(|(_, entry)| entry.life.ends());
        let first = first.map(|(invitation, _)| *invitation);
        first.is_some_and(|invitation| self.entries.remove(&invitation).is_some())
    }
}

impl Entry {
    fn new(psk: Zeroizing<[u8; 32]>, life: Life) -> Self {
        Self {
            psk,
            shown: watch::Sender::new(life.progress.clone()),
            life,
            decision: None,
        }
    }

    fn advance(&mut self, stage: Stage) {
        self.life.advance(stage);
        self.show();
    }

    fn show(&self) {
        self.shown.send_replace(self.life.progress.clone());
    }
}

impl Shared {
    /// The book is whole whatever happened to another thread: every change is one assignment.
    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The keys to try a newcomer against, those of used invitations included.
    fn keys(&self) -> (Vec<InvitationId>, Zeroizing<Vec<[u8; 32]>>) {
        let now = Instant::now();
        let book = self.book();
        let live = book
            .entries
            .iter()
            .filter(|(_, entry)| entry.life.needs_listener(now));
        let (ids, keys) = live.map(|(id, entry)| (*id, *entry.psk)).unzip();
        (ids, Zeroizing::new(keys))
    }

    fn claim(&self, invitation: InvitationId, from: IpAddr) -> Result<(), TurnedAway> {
        let mut book = self.book();
        let entry = book.entries.get_mut(&invitation);
        let entry = entry.ok_or(TurnedAway::Expired)?;
        let claimed = entry.life.claim(from, Instant::now());
        entry.show();
        if claimed == Err(TurnedAway::Used)
            && let Some(alarm) = entry.life.progress.alarm
        {
            warn!(invitation = %invitation.short(), address = %from, count = alarm.count,
                "an invitation was tried again after its use");
            // Nobody need be listening.
            let _ = self.alarms.send((invitation, alarm));
        }
        claimed
    }

    fn ask(
        &self,
        invitation: InvitationId,
        candidate: Candidate,
    ) -> Option<oneshot::Receiver<Decision>> {
        let mut book = self.book();
        let entry = book.entries.get_mut(&invitation)?;
        let (decide, decision) = oneshot::channel();
        entry.decision = Some(decide);
        entry.advance(Stage::Asked(Arc::new(candidate)));
        Some(decision)
    }

    fn advance(&self, invitation: InvitationId, stage: Stage) {
        debug!(invitation = %invitation.short(), stage = stage.name(), "enrolment");
        let mut book = self.book();
        if let Some(entry) = book.entries.get_mut(&invitation) {
            if stage.is_over() {
                entry.decision = None;
            }
            entry.advance(stage);
        }
        drop(book);
        self.changed.send_replace(());
    }

    /// When to look again; none, and the listener is closed, when no invitation needs it any more.
    fn review(&self, listener: &mut Option<TcpListener>) -> Option<Instant> {
        let now = Instant::now();
        let mut book = self.book();
        let mut wake = None;
        for entry in book.entries.values_mut() {
            entry.life.expire(now);
            if entry.shown.borrow().stage.name() != entry.life.progress.stage.name() {
                entry.show();
            }
            if entry.life.needs_listener(now) {
                // Past its time it is somebody being heard, whose end wakes us.
                let ends = entry.life.ends();
                let look = if ends > now { ends } else { now + DECISION_MAX };
                wake = Some(wake.map_or(look, |wake: Instant| wake.min(look)));
            }
        }
        if wake.is_none() {
            // Inside the lock, so that whoever opens the next invitation finds the port free.
            *listener = None;
            book.bound = None;
            info!("enrolment listener closed");
        }
        wake
    }
}

/// Listens until no invitation needs it.
async fn serve(shared: Arc<Shared>, listener: TcpListener) {
    let mut listener = Some(listener);
    let mut changed = shared.changed.subscribe();
    let mut heard = JoinSet::new();
    while let Some(wake) = shared.review(&mut listener) {
        let Some(listening) = &listener else { break };
        tokio::select! {
            accepted = listening.accept() => match accepted {
                Ok((socket, from)) => {
                    if let Ok(place) = shared.admission.admit(from.ip()) {
                        heard.spawn(hear(shared.clone(), socket, from.ip(), place));
                    }
                }
                Err(error) => {
                    debug!(%error, "no enrolment connection accepted");
                    sleep(ACCEPT_PAUSE).await;
                }
            },
            () = sleep_until(wake) => {}
            _ = changed.changed() => {}
            Some(_) = heard.join_next(), if !heard.is_empty() => {}
        }
    }
    heard.join_all().await;
}

/// Hears one connection out; the place is its share of the pending handshakes.
async fn hear(shared: Arc<Shared>, socket: TcpStream, from: IpAddr, place: Place) {
    // Only makes small messages leave at once; without it they leave later.
    let _ = socket.set_nodelay(true);
    let (invitations, keys) = shared.keys();
    let answered = enrolment::answer(socket.compat(), &shared.key, &keys).await;
    let (asked, mut newcomer) = match answered {
        Ok(answered) => answered,
        Err(why) => {
            debug!(address = %from, %why, "enrolment handshake refused");
            return;
        }
    };
    let invitation = invitations[asked.invitation];
    if let Err(why) = shared.claim(invitation, from) {
        // Whether it hears the refusal does not matter.
        let _ = talk::send_refusal(&mut newcomer.stream, why).await;
        return;
    }
    drop(place);
    let stage = attend(&shared, invitation, from, newcomer).await;
    shared.advance(invitation, stage);
}

/// Takes the request, waits for the decision, carries it out.
async fn attend(
    shared: &Shared,
    invitation: InvitationId,
    from: IpAddr,
    newcomer: Enrolment<Compat<TcpStream>>,
) -> Stage {
    let Enrolment {
        key,
        code_seed,
        mut stream,
    } = newcomer;
    let Ok(bytes) = talk::receive_request(&mut stream).await else {
        return refuse(&mut stream, TurnedAway::Garbled, Stage::Garbled).await;
    };
    let Ok(request) = codec::strict::<SignedRequest>(&bytes, bytes.len()) else {
        return refuse(&mut stream, TurnedAway::Garbled, Stage::Garbled).await;
    };
    let candidate = Candidate {
        request,
        binding: code_seed,
        proven: key,
        short_code: short_code(code_seed.as_bytes()),
        address: from,
    };
    let Some(decision) = shared.ask(invitation, candidate) else {
        return Stage::Left;
    };
    match wait(&mut stream, decision).await {
        Waited::Decided(Decision::Answer(answer)) => {
            shared.advance(invitation, Stage::Answering);
            hand_over(&mut stream, &answer).await
        }
        Waited::Decided(Decision::Refuse) => {
            refuse(&mut stream, TurnedAway::Declined, Stage::Declined).await
        }
        Waited::Undecided => refuse(&mut stream, TurnedAway::Undecided, Stage::Undecided).await,
        Waited::Left => Stage::Left,
    }
}

async fn refuse(stream: &mut Stream, why: TurnedAway, stage: Stage) -> Stage {
    // Whether it hears the refusal does not matter.
    let _ = talk::send_refusal(stream, why).await;
    stage
}

async fn hand_over(stream: &mut Stream, answer: &[u8]) -> Stage {
    if talk::send_answer(stream, answer).await.is_err() {
        return Stage::Left;
    }
    match timeout(TAKING_MAX, talk::receive_taken(stream)).await {
        Ok(Ok(())) => Stage::Done,
        Ok(Err(_)) | Err(_) => Stage::Left,
    }
}

/// How the wait for the admin ended.
#[derive(Debug)]
pub(super) enum Waited {
    Decided(Decision),
    Undecided,
    Left,
}

/// Waits for the admin while the newcomer is told that it is not forgotten.
pub(super) async fn wait<S>(stream: &mut S, mut decision: oneshot::Receiver<Decision>) -> Waited
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut pulse = interval(PULSE);
    let late = sleep(DECISION_MAX);
    tokio::pin!(late);
    let mut byte = [0];
    loop {
        tokio::select! {
            biased;
            decided = &mut decision => {
                return decided.map_or(Waited::Undecided, Waited::Decided);
            }
            () = &mut late => return Waited::Undecided,
            // It has nothing to say: a byte is as bad as the end.
            _ = stream.read(&mut byte) => return Waited::Left,
            _ = pulse.tick() => {
                if talk::send_pulse(stream).await.is_err() {
                    return Waited::Left;
                }
            }
        }
    }
}
