//! Enrolment: the node hears the machine, the admin's tool on this machine decides.

use std::time::Duration;

use axum::extract::State;
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::api::blob;
use crate::api::enrolment::{
    CandidateView, Decision, InvitationOpened, InvitationOpening, InvitationView, MeshKeysView,
};
use crate::api::login::Done;
use crate::api::problem::{Code, Problem};
use crate::api::record::MeshKeyText;
use crate::domain::enrol::EnrolmentAnswer;
use crate::domain::id::{InvitationId, unhex};
use crate::node::enrolment::{
    Candidate, DecideError, Enrolment, HandOverError, Invited, OpenError, Progress, Stage, mark,
};
use crate::web::answer::{Answer, Json, Named, Parameters};
use crate::web::state::Api;

/// Longest wait for an invitation to change before the same state is told again.
///
/// Ten seconds: inside the time that a request may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the asker has seen.
#[derive(Deserialize)]
pub(super) struct Seen {
    seen: Option<String>,
}

pub(super) async fn mesh_keys(State(api): State<Api>) -> Answer<MeshKeysView> {
    let keys = enrolment(&api)?.mesh_keys();
    let texts = keys.of_the_record().map(|(epoch, key)| MeshKeyText {
        epoch,
        key: blob::wrap_key(key.expose()),
    });
    Ok(Json(MeshKeysView {
        mesh_keys: texts.collect(),
    }))
}

pub(super) async fn open(
    State(api): State<Api>,
    Json(opening): Json<InvitationOpening>,
) -> Answer<InvitationOpened> {
    let malformed = |what: &str| Problem::new(Code::Malformed, format!("{what} cannot be read"));
    let tag = unhex(&opening.tag).and_then(|tag| tag.try_into().ok());
    let invited = Invited {
        invitation: id(&opening.invitation)?,
        psk: Zeroizing::new(blob::unwrap_key(&opening.psk)?),
        tag: tag.ok_or_else(|| malformed("the tag"))?,
        life: Duration::from_secs(opening.seconds),
    };
    let bound = enrolment(&api)?
        .open(invited)
        .map_err(|error| refused(&error))?;
    Ok(Json(InvitationOpened {
        listening: bound.to_string(),
        port: bound.port(),
    }))
}

pub(super) async fn state(
    State(api): State<Api>,
    Named(invitation): Named<String>,
    Parameters(Seen { seen }): Parameters<Seen>,
) -> Answer<InvitationView> {
    let seen = seen.unwrap_or_default();
    let progress = enrolment(&api)?
        .progress(id(&invitation)?, &seen, PATIENCE)
        .await;
    let progress = progress.ok_or_else(unknown)?;
    Ok(Json(view(&progress)))
}

pub(super) async fn decide(
    State(api): State<Api>,
    Named(invitation): Named<String>,
    Json(decision): Json<Decision>,
) -> Answer<Done> {
    let invitation = id(&invitation)?;
    let enrolment = enrolment(&api)?;
    match &decision.answer {
        Some(answer) => {
            let answer: EnrolmentAnswer = blob::unwrap(answer)?;
            let handed = enrolment.hand_over(invitation, answer).await;
            handed.map_err(|error| match error {
                HandOverError::Decide(error) => undecided(error),
                HandOverError::Stopping => Problem::new(Code::Stopping, error.to_string()),
            })?;
        }
        None => enrolment.refuse(invitation).map_err(undecided)?,
    }
    Ok(Json(Done {}))
}

pub(super) async fn cancel(
    State(api): State<Api>,
    Named(invitation): Named<String>,
) -> Answer<Done> {
    enrolment(&api)?.cancel(id(&invitation)?);
    Ok(Json(Done {}))
}

fn enrolment(api: &Api) -> Result<&Enrolment, Problem> {
    api.enrolment()
        .ok_or_else(|| Problem::new(Code::Refused, "this node does not enrol other machines"))
}

fn id(text: &str) -> Result<InvitationId, Problem> {
    InvitationId::from_hex(text)
        .ok_or_else(|| Problem::new(Code::Malformed, "an invitation's id has 32 hex digits"))
}

fn unknown() -> Problem {
    undecided(DecideError::Unknown)
}

fn undecided(error: DecideError) -> Problem {
    let code = match error {
        DecideError::Unknown => Code::NotFound,
        DecideError::NobodyWaits => Code::Refused,
        DecideError::TooLong(_) => Code::TooLarge,
    };
    said(code, &error.to_string())
}

fn refused(error: &OpenError) -> Problem {
    let code = match error {
        OpenError::Listen { .. } => Code::Internal,
        OpenError::Full => Code::Busy,
        OpenError::AlreadyOpen => Code::Refused,
    };
    said(code, &error.to_string())
}

/// Our errors carry the remedy behind a semicolon.
fn said(code: Code, error: &str) -> Problem {
    match error.split_once("; ") {
        Some((message, remedy)) => Problem::new(code, message).remedy(remedy),
        None => Problem::new(code, error),
    }
}

fn view(progress: &Progress) -> InvitationView {
    let candidate = match &progress.stage {
        Stage::Asked(candidate) => Some(candidate_view(candidate)),
        _ => None,
    };
    InvitationView {
        stage: progress.stage.name().to_owned(),
        mark: mark(progress),
        candidate,
        second_uses: progress.alarm.map_or(0, |alarm| alarm.count),
        second_from: progress.alarm.map(|alarm| alarm.address.to_string()),
    }
}

fn candidate_view(candidate: &Candidate) -> CandidateView {
    CandidateView {
        request: blob::wrap(&candidate.request),
        binding: candidate.binding.to_string(),
        proven: candidate.proven.to_string(),
        short_code: candidate.short_code.clone(),
        address: candidate.address.to_string(),
    }
}
