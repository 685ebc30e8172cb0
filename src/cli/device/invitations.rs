//! `device invitations`: which codes are out.

use serde::Serialize;

use crate::api::moment::Moment;
use crate::cli::output::{Style, Table, when};
use crate::cli::{Context, Failure, Outcome};
use crate::domain::copy::RecordCopy;
use crate::domain::id::ClinicId;
use crate::domain::record::{Clinic, InvitationState};
use crate::domain::time::WallTime;

/// List invitations, the newest first, and what became of them
///
/// An open one is cancelled with `clinic-mesh revoke invitation`; `device invite --again` makes another one
/// with the same terms.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Invitations {
    /// Show only those that still let somebody in
    #[arg(long)]
    open: bool,
}

#[derive(Serialize)]
struct Line {
    invitation: String,
    office: String,
    name: String,
    expires: Moment,
    /// `open`, `expired`, `used`, `cancelled` or `ended`.
    state: &'static str,
    /// The device that used it.
    used_by: Option<String>,
}

impl Invitations {
    pub(super) fn run(&self, context: &Context) -> Outcome {
        let clinic = context.block_on(clinic(context))?;
        let now = context.clock.now();
        let mut lines = lines(&clinic, now);
        lines.retain(|line| !self.open || line.state == "open");
        let style = context.output.style();
        context
            .output
            .answer(&lines, || context.typed(&text(&lines, style, now)))
    }
}

/// The clinic as the record that the node holds says, checked here.
async fn clinic(context: &Context) -> Result<Clinic, Failure> {
    let client = context.client();
    let status = client.status().await?;
    let id = ClinicId::from_hex(&status.clinic)
        .ok_or_else(|| Failure::error("the node names no clinic"))?;
    let mut copy = RecordCopy::new(id);
    copy.merge(client.record().await?).map_err(Failure::error)?;
    Ok(copy.clinic())
}

fn lines(clinic: &Clinic, now: WallTime) -> Vec<Line> {
    let mut invitations: Vec<_> = clinic.invitations.iter().collect();
    invitations.sort_by_key(|(id, found)| std::cmp::Reverse((found.terms.expires, **id)));
    let line = |(id, found): (&crate::domain::id::InvitationId, &InvitationState)| Line {
        invitation: id.to_string(),
        office: found.terms.office.to_string(),
        name: found.terms.name.to_string(),
        expires: found.terms.expires.into(),
        state: state(found, clinic.has_ended(id), now),
        used_by: found.by.map(|device| device.to_string()),
    };
    invitations.into_iter().map(line).collect()
}

fn state(found: &InvitationState, ended: bool, now: WallTime) -> &'static str {
    match (found.used, found.by.is_some()) {
        (_, true) => "used",
        (true, false) => "cancelled",
        (false, false) if found.terms.expires < now => "expired",
        (false, false) if ended => "ended",
        (false, false) => "open",
    }
}

fn text(lines: &[Line], style: Style, now: WallTime) -> String {
    if lines.is_empty() {
        return "There are none; make one with `clinic-mesh device invite`.\n".to_owned();
    }
    let mut table = Table::new(["INVITATION", "OFFICE", "NAME", "EXPIRES", "STATE"]);
    for line in lines {
        table.row([
            line.invitation[..8].to_owned(),
            line.office.clone(),
            line.name.clone(),
            when(line.expires.wall(), now),
            line.state.to_owned(),
        ]);
    }
    table.show(style)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::cert::DeviceKind;
    use crate::domain::id::{Hash, InvitationId};
    use crate::domain::statement::{Act, Invitation};
    use crate::domain::testing::{NOON, SampleClinic, minutes, name};

    fn issue(clinic: &mut SampleClinic, number: u8, after: u64) -> InvitationId {
        let id = InvitationId::new([number; 16]);
        let invitation = Invitation {
            id,
            commitment: Hash::of("test", &[&[number]]),
            office: name("ward-2"),
            name: name("ward-pc"),
            kind: DeviceKind::Node,
            expires: NOON.plus(minutes(after)),
        };
        clinic.say(Act::InvitationIssued { invitation });
        id
    }

    #[test]
    fn every_invitation_says_what_became_of_it() {
        let mut clinic = SampleClinic::of(["front-desk"]);
        issue(&mut clinic, 1, 5);
        issue(&mut clinic, 2, 15);
        let used = issue(&mut clinic, 3, 16);
        let cancelled = issue(&mut clinic, 4, 17);
        let by = Some(clinic.device("front-desk").id);
        clinic.say(Act::InvitationUsed {
            invitation: used,
            by,
        });
        clinic.say(Act::InvitationUsed {
            invitation: cancelled,
            by: None,
        });
        let lines = lines(&clinic.record(), NOON.plus(minutes(10)));
        let states: Vec<_> = lines.iter().map(|line| line.state).collect();
        assert_eq!(states, ["cancelled", "used", "open", "expired"]);
        assert!(text(&lines, Style::default(), NOON).contains("ward-pc"));
        let admin = clinic.admins[crate::domain::testing::ADMIN].id();
        clinic.say_root(Act::AdminEnded { admin, last: 99 });
        let lines = super::lines(&clinic.record(), NOON.plus(minutes(10)));
        let states: Vec<_> = lines.iter().map(|line| line.state).collect();
        assert_eq!(states, ["cancelled", "used", "ended", "expired"]);
    }
}
