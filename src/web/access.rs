//! Who calls, and whether the table lets them.

use std::net::IpAddr;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use subtle::ConstantTimeEq as _;
use tokio::time::{Instant, timeout_at};

use super::agent::Agent;
use super::door::{Door, Peer, of_login};
use super::login::{LoginKey, Stage, Use, proof_of, why_ended};
use super::state::{Api, idle_limit};
use crate::api::problem::{Code, Problem};
use crate::api::routes::{Access, Method, Route, Span};
use crate::api::{BACKGROUND, PROOF};
use crate::domain::audit::{Actor, Origin};
use crate::domain::id::StaffId;
use crate::domain::statement::Role;
use crate::node::engine::Asker;

/// Longest time a request may take.
///
/// Half a minute: a commit behind a purge on a slow disk is done by then; what takes longer is stuck.
const REQUEST: Duration = Duration::from_secs(30);

/// Who calls. Every handler finds it in the request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Caller {
    /// Through which kind of door.
    pub(super) origin: Origin,
    /// From which address, if the door has such a thing.
    pub(super) address: Option<IpAddr>,
    /// With what kind of browser, if the request says so.
    pub(super) agent: Option<Agent>,
    /// The login, if one was shown.
    pub(super) login: Option<Shown>,
}

/// A live login that a request showed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shown {
    /// Whose.
    pub(super) staff: StaffId,
    /// Which.
    pub(super) key: LoginKey,
    /// How far it has come.
    pub(super) stage: Stage,
}

impl Caller {
    /// The staff member; the table has made sure that there is one where a handler asks.
    pub(super) fn staff(&self) -> Result<StaffId, Problem> {
        self.login
            .map(|shown| shown.staff)
            .ok_or_else(login_required)
    }

    /// From where, for the audit trail.
    pub(super) const fn origin(&self) -> Origin {
        self.origin
    }

    /// Who, for the audit trail.
    pub(super) fn asker(&self) -> Asker {
        Asker {
            actor: self
                .login
                .map_or(Actor::Operator, |shown| Actor::Staff(shown.staff)),
            origin: self.origin(),
        }
    }
}

/// What the check of one route needs.
#[derive(Clone)]
pub(super) struct Gate {
    pub(super) api: Api,
    pub(super) door: Door,
    pub(super) route: &'static Route,
}

/// Judges a request by the table; only then does its handler run.
pub(super) async fn check(State(gate): State<Gate>, mut request: Request, next: Next) -> Response {
    let Ok(_place) = gate.api.requests().try_acquire_owned() else {
        return busy().into_response();
    };
    let by = Instant::now() + REQUEST;
    let peer = request.extensions().get::<Peer>().copied();
    let caller = match timeout_at(by, admit(&gate, peer, request.headers())).await {
        Ok(Ok(caller)) => caller,
        Ok(Err(problem)) => return problem.into_response(),
        Err(_) => return too_slow().into_response(),
    };
    request.extensions_mut().insert(caller);
    request.extensions_mut().insert(gate.door.clone());
    match gate.route.span {
        // What is held while a stream is open is counted by the stream itself; backups are made one at
        // a time.
        Span::Stream | Span::File => next.run(request).await,
        Span::Answer => timeout_at(by, next.run(request))
            .await
            .unwrap_or_else(|_| too_slow().into_response()),
    }
}

async fn admit(gate: &Gate, peer: Option<Peer>, headers: &HeaderMap) -> Result<Caller, Problem> {
    let login = match (gate.route.access, token(gate, headers)) {
        // Signing in does not depend on an old login.
        (Access::Anyone, _) | (_, None) => None,
        (_, Some(token)) => Some(live(gate, token, headers).await?),
    };
    let caller = Caller {
        origin: gate.door.origin(),
        address: peer.map(|Peer(address)| address.to_canonical()),
        agent: Agent::of(headers),
        login,
    };
    let operator = matches!(gate.door, Door::Socket);
    if let Some(shown) = login {
        check_stage(gate.route.access, shown.stage)?;
    }
    let allowed = match gate.route.access {
        Access::Anyone => true,
        Access::Staff | Access::Begun | Access::Factor | Access::Enrolling => login.is_some(),
        Access::Operator => operator,
        Access::StaffOrOperator => operator || login.is_some(),
        Access::AuditorOrOperator => operator || is_auditor(gate, login).await?,
    };
    match (allowed, login) {
        (true, _) => Ok(caller),
        (false, None) if gate.route.access != Access::Operator => Err(login_required()),
        (false, _) => Err(Problem::new(Code::Forbidden, "this is not for you to do")
            .remedy("ask whoever runs this machine, or an admin of the clinic")),
    }
}

/// What a request shows of its login: a token at the socket, a cookie at a door for browsers.
///
/// Never the other way round: a browser sends its cookie by itself, so with it goes a proof.
fn token<'a>(gate: &Gate, headers: &'a HeaderMap) -> Option<&'a str> {
    match gate.door.site() {
        None => bearer(headers),
        Some(site) => of_login(site, headers),
    }
}

/// Whether the page that acts is ours: only our pages can read the proof.
fn check_proof(gate: &Gate, token: &str, headers: &HeaderMap) -> Result<(), Problem> {
    if gate.door.site().is_none() || gate.route.method == Method::Get {
        return Ok(());
    }
    let shown = headers
        .get(PROOF)
        .map_or(&b""[..], |proof| proof.as_bytes());
    if bool::from(shown.ct_eq(proof_of(token).as_bytes())) {
        return Ok(());
    }
    Err(
        Problem::new(Code::StaleProof, "the page did not prove that it is ours")
            .remedy("load the page again"),
    )
}

/// Whether the login has come as far as the route asks.
fn check_stage(access: Access, stage: Stage) -> Result<(), Problem> {
    match (access, stage) {
        (Access::Begun, _)
        | (Access::Factor, Stage::Factor)
        | (Access::Enrolling, Stage::Enrol) => Ok(()),
        (Access::Factor, Stage::Ready | Stage::Enrol) => {
            Err(Problem::new(Code::Refused, "no second factor is asked for"))
        }
        (_, Stage::Ready) => Ok(()),
        (_, Stage::Locked) => Err(Problem::new(Code::Locked, "the login is locked")
            .remedy("its owner opens it with the password")),
        (_, Stage::Factor) => Err(Problem::new(
            Code::FactorRequired,
            "the second factor is still to be shown",
        )),
        (_, Stage::Enrol) => Err(Problem::new(
            Code::FactorRequired,
            "a second factor is still to be set up",
        )),
    }
}

async fn live(gate: &Gate, token: &str, headers: &HeaderMap) -> Result<Shown, Problem> {
    let key = LoginKey::of(token);
    let idle = idle_limit(&*gate.api.clinic().await?);
    let usage = if headers.contains_key(BACKGROUND) || gate.route.span == Span::Stream {
        Use::Background
    } else {
        Use::Person
    };
    if gate.api.logins().is_live(key) {
        check_proof(gate, token, headers)?;
    }
    let now = gate.api.now();
    let found = gate.api.logins().check(key, now, idle, usage);
    match found {
        Ok((staff, stage)) => Ok(Shown { staff, key, stage }),
        Err(ended) => {
            gate.api
                .end(ended.into_iter().collect(), Origin::Inside)
                .await;
            Err(why_ended(&gate.api, key).await)
        }
    }
}

async fn is_auditor(gate: &Gate, login: Option<Shown>) -> Result<bool, Problem> {
    let Some(shown) = login else {
        return Ok(false);
    };
    let clinic = gate.api.clinic().await?;
    let member = clinic.staff.get(&shown.staff);
    Ok(member.is_some_and(|member| member.facts.roles.contains(&Role::Auditor)))
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?;
    // Anything else in this header is a login that does not exist.
    Some(
        value
            .to_str()
            .ok()
            .and_then(|text| text.strip_prefix("Bearer "))
            .unwrap_or_default(),
    )
}

pub(super) fn login_required() -> Problem {
    Problem::new(Code::LoginRequired, "nobody is signed in").remedy("sign in first")
}

pub(super) fn too_slow() -> Problem {
    Problem::new(Code::TooSlow, "the request took too long")
        .remedy("try again; if it stays slow, look at the disk of this machine")
}

pub(super) fn busy() -> Problem {
    Problem::new(Code::Busy, "too many requests at once")
        .remedy("try again in a moment")
        .after(1)
}
