//! Waiting for the invited machine, with the node's help.

use crate::api::blob;
use crate::api::client::Client;
use crate::api::enrolment::{CandidateView, InvitationView};
use crate::cli::Context;
use crate::cli::failure::Failure;
use crate::domain::enrol::{Arrival, SignedRequest};
use crate::domain::id::{Hash, InvitationId, NoiseKey};

/// A machine that has come with the invitation.
pub(super) struct Came {
    /// What it asks.
    pub(super) request: SignedRequest,
    /// How it came.
    pub(super) arrival: Arrival,
    /// The six digits that must stand on its screen.
    pub(super) short_code: String,
    /// Where it came from.
    pub(super) address: String,
}

/// Says once for each further try that somebody else knows the code, as soon as the node knows it: before
/// the admin lets anybody in.
#[derive(Debug, Default)]
pub(super) struct Alarm {
    told: u32,
}

impl Alarm {
    fn look(&mut self, context: &Context, view: &InvitationView) {
        if let Some(line) = self.line(view) {
            context.output.note(&line);
        }
    }

    fn line(&mut self, view: &InvitationView) -> Option<String> {
        let more = view.second_uses > self.told;
        self.told = view.second_uses;
        more.then(|| {
            format!(
                "ALARM: this code was tried again from {}. Somebody else knows it; find out how.",
                view.second_from.as_deref().unwrap_or("an unknown address")
            )
        })
    }
}

/// Waits until a machine has come.
pub(super) async fn for_machine(
    context: &Context,
    client: &Client,
    invitation: InvitationId,
    alarm: &mut Alarm,
) -> Result<Came, Failure> {
    let mut seen = String::new();
    let mut progress = context.output.progress("waiting for the machine");
    loop {
        let view = client.invitation(invitation, &seen).await?;
        alarm.look(context, &view);
        if let Some(candidate) = &view.candidate {
            return came(invitation, candidate);
        }
        if let Some(why) = over(&view) {
            return Err(why);
        }
        progress.at(match view.stage.as_str() {
            "asking" => "it is there and asks",
            _ => "it has not come yet",
        });
        seen = view.mark;
    }
}

fn came(invitation: InvitationId, candidate: &CandidateView) -> Result<Came, Failure> {
    let strange = || Failure::error("the node's answer cannot be read; update the older program");
    let arrival = Arrival::Online {
        invitation,
        binding: Hash::from_hex(&candidate.binding).ok_or_else(strange)?,
        proven: NoiseKey::from_hex(&candidate.proven).ok_or_else(strange)?,
    };
    Ok(Came {
        request: blob::unwrap(&candidate.request)?,
        arrival,
        short_code: candidate.short_code.clone(),
        address: candidate.address.clone(),
    })
}

/// Waits until the machine does not wait for a decision any more; says why.
pub(super) async fn until_gone(
    context: &Context,
    client: &Client,
    invitation: InvitationId,
    alarm: &mut Alarm,
) -> Failure {
    let mut seen = String::new();
    loop {
        match client.invitation(invitation, &seen).await {
            Ok(view) => {
                alarm.look(context, &view);
                if view.candidate.is_none() {
                    return over(&view).unwrap_or_else(unheard);
                }
                seen = view.mark;
            }
            Err(error) => return error.into(),
        }
    }
}

/// Waits until the machine says that it has its answer.
pub(super) async fn for_word(
    context: &Context,
    client: &Client,
    invitation: InvitationId,
    alarm: &mut Alarm,
) -> Result<InvitationView, Failure> {
    let mut seen = String::new();
    let mut progress = context.output.progress("handing over the certificate");
    loop {
        let view = client.invitation(invitation, &seen).await?;
        alarm.look(context, &view);
        match view.stage.as_str() {
            "done" => return Ok(view),
            "asked" | "answering" => {
                progress.at("waiting for its word");
                seen = view.mark;
            }
            _ => return Err(over(&view).unwrap_or_else(unheard)),
        }
    }
}

fn unheard() -> Failure {
    Failure::error("the machine did not say that it has its certificate").remedy(
        "if it does not run, revoke the device and invite it again; it cannot come back by itself",
    )
}

/// Why nothing more comes of the invitation, if so.
fn over(view: &InvitationView) -> Option<Failure> {
    let another = "make another invitation with `clinic-mesh device invite`";
    Some(match view.stage.as_str() {
        "open" | "asking" | "asked" | "answering" | "done" => return None,
        "expired" => Failure::refused("nobody came before the invitation expired").remedy(another),
        "undecided" => Failure::refused("nobody confirmed within five minutes").remedy(another),
        "declined" => Failure::refused("the machine was sent away"),
        "withdrawn" => Failure::refused("the invitation was taken back"),
        "garbled" => Failure::error("the machine's request could not be read")
            .remedy("update the older of the two programs, then make another invitation"),
        _ => Failure::error("the machine hung up, which uses the invitation up").remedy(another),
    })
}
