//! `device invite`: lets one machine in, with a person looking at both screens.

use std::io::IsTerminal as _;
use std::time::Duration;

use serde::Serialize;

use super::stops::Stops;
use super::waiting::{self, Alarm, Came};
use super::{Kind, fingerprint};
use crate::api::moment::Moment;
use crate::authority::{Changed, INVITATION_LIFE};
use crate::cli::admin::{AdminKey, Desk, check_free, invitation};
use crate::cli::failure::Exit;
use crate::cli::output::how_long;
use crate::cli::pictures::picture;
use crate::cli::secret::{self, YesFlag};
use crate::cli::{Context, Failure, Format, Outcome};
use crate::domain::cert::DeviceKind;
use crate::domain::enrol::EnrolmentAnswer;
use crate::domain::id::{DeviceId, InvitationId};
use crate::domain::invitation::InvitationSecret;
use crate::domain::name::Name;
use crate::domain::time::WallTime;

/// Invite a machine: print a one-time code, compare short codes, certify it
///
/// Type the code on the new machine: `clinic-mesh node join CODE`. Both screens then show six digits;
/// whoever sees both says whether they are the same.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Invite {
    /// Office that the machine stands in
    #[arg(long, value_name = "OFFICE", required_unless_present = "again")]
    office: Option<Name>,

    /// Name of the machine
    #[arg(long, value_name = "NAME", required_unless_present = "again")]
    name: Option<Name>,

    /// What it is to be
    #[arg(long, value_enum, default_value_t = Kind::Node)]
    kind: Kind,

    /// Make another code with the terms of an earlier invitation, which is cancelled
    #[arg(long, value_name = "INVITATION", conflicts_with_all = ["office", "name", "kind"])]
    again: Option<String>,

    #[command(flatten)]
    code: CodeArgs,

    #[command(flatten)]
    key: AdminKey,

    #[command(flatten)]
    yes: YesFlag,
}

/// How the one-time code is given.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(super) struct CodeArgs {
    /// Minutes that the code is good for
    #[arg(long, value_name = "MINUTES", default_value_t = INVITATION_LIFE.as_secs() / 60, value_parser = clap::value_parser!(u64).range(1..=1440))]
    minutes: u64,

    /// Print no QR code
    #[arg(long)]
    no_qr: bool,
}

/// A place in the clinic that one machine is invited to take.
pub(super) struct Place {
    /// Office that the machine stands in.
    pub(super) office: Name,
    /// Name of the machine.
    pub(super) name: Name,
    /// What it is to be.
    pub(super) kind: DeviceKind,
    /// How the code is given.
    pub(super) code: CodeArgs,
    /// How it is made sure that the machine is the one that was meant.
    pub(super) comparing: Comparing,
}

/// How the six digits on both screens are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparing {
    /// A person says at a terminal that they are the same; a program gives those of the other screen on a
    /// line of standard input.
    Asked,
    /// Whoever called the command answers for it, with `--yes`.
    Waived,
}

/// How long whoever ends the command waits for another one that works with the authority.
const TAKE_BACK_WAIT: Duration = Duration::from_secs(5);

/// First line of output for programs: the invitation is open.
#[derive(Serialize)]
struct Opened {
    event: &'static str,
    invitation: String,
    code: String,
    expires: Moment,
    port: u16,
}

/// Second line: somebody has come.
#[derive(Serialize)]
struct Arrived<'a> {
    event: &'static str,
    short_code: &'a str,
    device: String,
    address: &'a str,
}

/// Last line: enrolled.
#[derive(Serialize)]
struct Enrolled {
    event: &'static str,
    device: String,
    name: String,
    office: String,
    certified_until: Moment,
    second_uses: u32,
}

impl Invite {
    pub(super) fn run(&self, context: &Context) -> Outcome {
        context.block_on(async {
            let mut desk = Desk::open(&self.key, context).await?;
            let place = self.place(context, &mut desk).await?;
            place.invite(context, &mut desk).await
        })
    }

    /// The place: as asked for, or as an earlier invitation said.
    async fn place(&self, context: &Context, desk: &mut Desk) -> Result<Place, Failure> {
        let place = |office, name, kind| Place {
            office,
            name,
            kind,
            code: self.code,
            comparing: match self.yes.yes {
                true => Comparing::Waived,
                false => Comparing::Asked,
            },
        };
        let Some(named) = &self.again else {
            let missing = || Failure::usage("office and name of the machine are missing");
            let office = self.office.clone().ok_or_else(missing)?;
            let name = self.name.clone().ok_or_else(missing)?;
            check_free(desk.authority.clinic(), &name)?;
            return Ok(place(office, name, self.kind.into()));
        };
        let (id, state) = invitation(desk.authority.clinic(), named)?;
        let (terms, used) = (state.terms.clone(), state.used);
        if let Some(device) = state.by {
            return Err(Failure::refused(format!(
                "the invitation let {} in already",
                fingerprint(&device)
            ))
            .remedy("invite another machine with --office and --name"));
        }
        check_free(desk.authority.clinic(), &terms.name)?;
        if !used {
            withdraw(desk, id, context.clock.now()).await?;
        }
        Ok(place(terms.office, terms.name, terms.kind))
    }
}

impl Place {
    /// Has one machine take the place: from the code to the certificate.
    pub(super) async fn invite(&self, context: &Context, desk: &mut Desk) -> Outcome {
        // Listened for before anything is signed: whoever ends it as soon as the code is there must not leave
        // an invitation open, and a signal that comes while listening begins would be lost.
        let mut stops = Stops::listen()?;
        let now = context.clock.now();
        let (office, name) = (self.office.clone(), self.name.clone());
        let invited = desk
            .authority
            .invite(office, name, self.kind, self.life(), now)?;
        let invitation = invited.made.id();
        let enrolled = tokio::select! {
            enrolled = self.host(context, desk, &invited, now) => enrolled,
            () = stops.any() => Err(interrupted(desk, &invitation)),
        };
        if enrolled.is_err() {
            take_back(context, desk, invitation).await;
        }
        enrolled
    }

    const fn life(&self) -> Duration {
        Duration::from_secs(self.code.minutes * 60)
    }

    /// Has the node host the invitation, shows the code, and lets in who comes.
    async fn host(
        &self,
        context: &Context,
        desk: &mut Desk,
        invited: &Changed<InvitationSecret>,
        now: WallTime,
    ) -> Outcome {
        desk.submit(&invited.segment).await?;
        desk.plan_mesh_keys(context).await;
        let (secret, life) = (&invited.made, self.life());
        let opened = desk.client.open_invitation(secret, life.as_secs()).await?;
        let opened = Opened {
            event: "open",
            invitation: secret.id().to_string(),
            code: secret.code(),
            expires: now.plus(life).into(),
            port: opened.port,
        };
        match context.output.format {
            Format::Json => context.output.json_line(&opened)?,
            Format::Text => context.output.text(&self.code_text(&opened, life))?,
        }
        self.enrol(context, desk, secret.id()).await
    }

    fn code_text(&self, opened: &Opened, life: Duration) -> String {
        let drawn = if self.code.no_qr {
            String::new()
        } else {
            picture(&opened.code.replace('-', ""))
        };
        format!(
            "{drawn}\n\n    {}\n\n\
             Type this on the new machine within {}; it works once:\n\n    \
             clinic-mesh node join {}\n\n\
             If that machine does not find this one, add: --at ADDRESS-OF-THIS-MACHINE:{}\n",
            opened.code,
            how_long(life),
            opened.code,
            opened.port
        )
    }

    async fn enrol(&self, context: &Context, desk: &mut Desk, invitation: InvitationId) -> Outcome {
        let mut alarm = Alarm::default();
        desk.let_go();
        let came = waiting::for_machine(context, &desk.client, invitation, &mut alarm).await?;
        take_up(context, desk, invitation, &mut alarm).await?;
        let now = context.clock.now();
        let (request, _) = desk
            .authority
            .judge(&came.request, came.arrival, None, now)?;
        self.show(context, &came, &request.device)?;
        desk.let_go();
        tokio::select! {
            said = ask_person(self.comparing, came.short_code.clone()) => {
                said.map_err(|no| sent_away(no, invitation))?;
            }
            gone = waiting::until_gone(context, &desk.client, invitation, &mut alarm) => {
                return Err(gone);
            }
        }
        take_up(context, desk, invitation, &mut alarm).await?;
        let (device, until) = self.certify(context, desk, &came, invitation).await?;
        desk.let_go();
        let view = waiting::for_word(context, &desk.client, invitation, &mut alarm).await?;
        let enrolled = Enrolled {
            event: "done",
            device: device.to_string(),
            name: self.name.to_string(),
            office: self.office.to_string(),
            certified_until: until.into(),
            second_uses: view.second_uses,
        };
        match context.output.format {
            Format::Json => context.output.json_line(&enrolled),
            Format::Text => context.output.text(&format!(
                "{} of office {} is enrolled.\n",
                enrolled.name, enrolled.office
            )),
        }
    }

    /// Shows both what came and the six digits, for whoever sees both screens.
    fn show(&self, context: &Context, came: &Came, device: &DeviceId) -> Outcome {
        let (short_code, address) = (came.short_code.as_str(), came.address.as_str());
        let arrived = Arrived {
            event: "arrived",
            short_code,
            device: device.to_string(),
            address,
        };
        match context.output.format {
            Format::Json => context.output.json_line(&arrived),
            Format::Text => context.output.text(&format!(
                "\nA machine has come from {address}, its key begins {}.\n\n    {}\n",
                fingerprint(device),
                context.output.style().bold(short_code)
            )),
        }
    }

    async fn certify(
        &self,
        context: &Context,
        desk: &mut Desk,
        came: &Came,
        invitation: InvitationId,
    ) -> Result<(DeviceId, WallTime), Failure> {
        let now = context.clock.now();
        let enrolled = desk
            .authority
            .approve(&came.request, came.arrival, None, now)?;
        desk.submit(&enrolled.segment).await?;
        if let Some(web) = &enrolled.web {
            desk.submit(web).await?;
        }
        let certificate = enrolled.certificate;
        let answer = EnrolmentAnswer {
            // The node adds the record, which it has and which may be long.
            record: Vec::new(),
            ..desk.authority.answer(certificate.device, now)?
        };
        desk.client.let_in(invitation, &answer).await?;
        Ok((certificate.device, certificate.not_after))
    }
}

/// The authority for the next signature, unless the machine hangs up while another command works with it.
async fn take_up(
    context: &Context,
    desk: &mut Desk,
    invitation: InvitationId,
    alarm: &mut Alarm,
) -> Outcome {
    let client = desk.client.clone();
    tokio::select! {
        taken = desk.take_up(context) => taken,
        gone = waiting::until_gone(context, &client, invitation, alarm) => Err(gone),
    }
}

/// What it means that the command was ended.
fn interrupted(desk: &Desk, invitation: &InvitationId) -> Failure {
    let state = desk.authority.clinic().invitations.get(invitation);
    match state.and_then(|state| state.by) {
        None => Failure::refused("interrupted; nobody was let in"),
        Some(device) => Failure::refused(format!(
            "interrupted; the machine whose key begins {} has its place, and may not have heard of it",
            fingerprint(&device)
        ))
        .remedy("if it does not run, revoke the device and invite it again"),
    }
}

/// What a "no" has done: the machine that came does not come again with this code.
fn sent_away(no: Failure, invitation: InvitationId) -> Failure {
    match no.exit {
        Exit::Refused => Failure::refused(
            "the digits differ: the machine was sent away, and the code is used up by that",
        )
        .remedy(format!(
            "somebody may sit between the two machines: look at both, then make another code with \
             `clinic-mesh device invite --again {invitation}`"
        )),
        _ => no,
    }
}

/// Asks on a thread of its own, which may be left waiting when the machine hangs up meanwhile.
async fn ask_person(comparing: Comparing, short_code: String) -> Outcome {
    if comparing == Comparing::Waived {
        return Ok(());
    }
    let (say, said) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        // Nobody may be waiting for the answer any more.
        let _ = say.send(compared(&short_code));
    });
    said.await
        .unwrap_or_else(|_| Err(Failure::refused("the question was not answered")))
}

fn compared(short_code: &str) -> Outcome {
    if std::io::stdin().is_terminal() {
        let question = "Do the same six digits stand on the other screen?";
        return YesFlag::default().confirm(question);
    }
    let line = secret::line_of_input()?;
    digits_agree(&line, short_code)
}

/// Whether what a program gave are the digits that stand on this screen; blanks and dashes between them do
/// not matter.
fn digits_agree(given: &str, short_code: &str) -> Outcome {
    let digits = |text: &str| -> String { text.chars().filter(char::is_ascii_digit).collect() };
    if digits(given).is_empty() {
        return Err(Failure::usage(
            "the six digits of the other screen have to be compared with those here",
        )
        .remedy(
            "run it at a terminal, or give the digits of the other screen on a line of standard input",
        ));
    }
    if digits(given) == digits(short_code) {
        return Ok(());
    }
    Err(Failure::refused(
        "the digits of the other screen are others: somebody may sit between the two machines",
    )
    .remedy("find out who came; then make another invitation"))
}

/// Nobody shall come with a code that nobody waits for.
async fn take_back(context: &Context, desk: &mut Desk, invitation: InvitationId) {
    if desk.client.cancel_invitation(invitation).await.is_err() {
        context
            .output
            .note("The node could not be told; the code expires by itself.");
    }
    let taken = tokio::time::timeout(TAKE_BACK_WAIT, desk.take_up(context));
    if !matches!(taken.await, Ok(Ok(()))) {
        context.output.note(&context.typed(&format!(
            "The invitation could not be cancelled in the record: `clinic-mesh revoke invitation {invitation}`"
        )));
        return;
    }
    let open = desk
        .authority
        .clinic()
        .invitations
        .get(&invitation)
        .is_some_and(|state| !state.used);
    if open {
        // It is in the authority's directory and is given to the node with the next command.
        let _ = withdraw(desk, invitation, context.clock.now()).await;
    }
}

/// Takes an invitation back, in the record and at the node that hosts it.
pub(in crate::cli) async fn withdraw(
    desk: &mut Desk,
    invitation: InvitationId,
    now: WallTime,
) -> Outcome {
    let segment = desk.authority.withdraw_invitation(invitation, now)?;
    desk.submit(&segment).await?;
    // A node that does not host it has nothing to cancel; the record turns away whoever comes.
    let _ = desk.client.cancel_invitation(invitation).await;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_no_says_that_the_machine_is_gone_and_the_code_used_up() {
        let invitation = InvitationId::new([7; 16]);
        let said = sent_away(Failure::refused("nothing was done"), invitation);
        assert!(said.message.contains("used up"), "{said}");
        assert!(said.message.contains("sent away"), "{said}");
        let again = format!("--again {invitation}");
        assert!(said.remedy.is_some_and(|remedy| remedy.contains(&again)));
        let unasked = Failure::usage("this needs a confirmation");
        assert_eq!(sent_away(unasked.clone(), invitation), unasked);
    }

    #[test]
    fn a_program_has_to_give_the_digits_of_the_other_screen() {
        for same in ["123 456", "123456\n", " 123-456 "] {
            assert!(digits_agree(same, "123 456").is_ok(), "{same:?}");
        }
        for other in ["", "yes\n", "123457", "12345", "1234567"] {
            assert!(digits_agree(other, "123 456").is_err(), "{other:?}");
        }
    }

    #[test]
    fn the_picture_of_a_code_fits_a_terminal() {
        let picture = picture(&InvitationSecret::new([7; 16]).code());
        assert!(picture.lines().count() <= 24, "{picture}");
        assert!(picture.lines().all(|line| line.chars().count() <= 80));
    }
}
