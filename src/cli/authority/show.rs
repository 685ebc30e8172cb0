//! `authority show`: what is in the authority's directory.

use serde::Serialize;

use super::words;
use crate::api::clinic::author_name;
use crate::api::moment::Moment;
use crate::authority::{self, KeptSet, grouped};
use crate::cli::admin::{AuthorityDir, newest_record};
use crate::cli::output::{Style, Table, date, when};
use crate::cli::{Context, Outcome};
use crate::domain::record::{Clinic, PendingRotation};
use crate::domain::time::WallTime;

/// Show the clinic, its admins, and whose keys are here; needs no passphrase
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Show {
    #[command(flatten)]
    dir: AuthorityDir,
}

#[derive(Serialize)]
struct Answer {
    clinic: String,
    name: Option<String>,
    root_key_here: bool,
    /// The how-manieth root key of the clinic is in office.
    root_key: usize,
    /// Changes of the root key that wait for admins.
    root_changes: Vec<RootChange>,
    shares: Option<Shares>,
    admins: Vec<Admin>,
    mesh_key: Option<u32>,
    devices: usize,
    staff: usize,
    statements: usize,
}

/// A change of the root key that too few admins have signed for.
#[derive(Serialize)]
struct RootChange {
    root_key: u8,
    last: u64,
    signed_by: Vec<String>,
    needed: usize,
}

impl RootChange {
    fn of(clinic: &Clinic, pending: &PendingRotation) -> Self {
        let signed = pending.signed_for.iter();
        Self {
            root_key: pending.rotation.number + 1,
            last: pending.rotation.last,
            signed_by: signed
                .map(|admin| author_name(clinic, &(*admin).into()))
                .collect(),
            needed: pending.needed,
        }
    }

    fn text(&self) -> String {
        format!(
            "Root key number {} waits: {} of {} admins have signed for it.\n",
            self.root_key,
            self.signed_by.len(),
            self.needed
        )
    }
}

/// What is known of the recovery shares.
#[derive(Serialize)]
struct Shares {
    set: String,
    needed: u8,
    count: Option<u8>,
    made: Option<Moment>,
    last_drill: Option<Moment>,
    /// The sheets that were tried then.
    last_drill_shares: Vec<u8>,
    /// When they are to be tried again; none where they never were.
    next_drill: Option<Moment>,
    overdue: bool,
}

impl Shares {
    fn of(kept: &KeptSet, now: WallTime) -> Self {
        Self {
            set: kept.set().to_string(),
            needed: kept.threshold,
            count: kept.made.map(|made| made.count),
            made: kept.made.map(|made| made.at.into()),
            last_drill: kept.drill.as_ref().map(|drill| drill.at.into()),
            last_drill_shares: kept
                .drill
                .iter()
                .flat_map(|one| one.numbers.clone())
                .collect(),
            next_drill: kept.drill.as_ref().and(kept.due()).map(Into::into),
            overdue: kept.overdue(now),
        }
    }

    /// What stands on the screen: when the next drill is due, or that it is.
    fn text(&self, style: Style, now: WallTime) -> String {
        let count = self
            .count
            .map_or_else(|| "?".to_owned(), |count| count.to_string());
        let kept = format!(
            "Recovery shares: {} of {count}, set {}",
            self.needed, self.set
        );
        let sheets: Vec<String> = self.last_drill_shares.iter().map(u8::to_string).collect();
        let tried = match &self.last_drill {
            Some(at) => format!(
                "last tried {} with sheets {}",
                when(at.wall(), now),
                words::list(&sheets)
            ),
            None => "never tried".to_owned(),
        };
        let warning = style.bad("Try them now: `clinic-mesh authority shares check`");
        match &self.next_drill {
            Some(next) if !self.overdue => {
                format!(
                    "{kept}; {tried}, to be tried again by {}.\n",
                    date(next.wall())
                )
            }
            _ => format!("{kept}; {tried}. {warning}\n"),
        }
    }
}

#[derive(Serialize)]
struct Admin {
    id: String,
    name: String,
    may: Vec<String>,
    until: Moment,
    removed: bool,
    key_here: bool,
}

impl Show {
    pub(super) fn run(&self, context: &Context) -> Outcome {
        let path = self.dir.path();
        let record = newest_record(&path, context)?;
        let keys = authority::admins(&path)?;
        let kept = authority::kept_set(&path)?;
        let now = context.clock.now();
        let clinic = record.clinic();
        let admins = clinic.admins.iter().map(|(id, admin)| Admin {
            id: id.to_string(),
            name: admin.grant.name.to_string(),
            may: admin
                .grant
                .scopes
                .iter()
                .map(|scope| scope.to_string())
                .collect(),
            until: admin.grant.not_after.into(),
            removed: admin.last.is_some(),
            key_here: keys.iter().any(|key| key.admin == *id),
        });
        let answer = Answer {
            clinic: clinic.id.to_string(),
            name: clinic.name.as_ref().map(ToString::to_string),
            root_key_here: path.join("root.key").exists(),
            root_key: clinic.roots.len(),
            root_changes: clinic
                .pending_rotations
                .values()
                .map(|pending| RootChange::of(&clinic, pending))
                .collect(),
            shares: kept.as_ref().map(|kept| Shares::of(kept, now)),
            admins: admins.collect(),
            mesh_key: clinic.mesh_keys.newest(now).map(|(epoch, _)| epoch),
            devices: clinic.members().count(),
            staff: clinic.staff.len(),
            statements: record.items().count(),
        };
        let style = context.output.style();
        context.output.answer(&answer, || {
            context.typed(&text(&clinic, &answer, style, now))
        })
    }
}

fn text(clinic: &Clinic, answer: &Answer, style: Style, now: WallTime) -> String {
    let name = answer
        .name
        .as_deref()
        .unwrap_or("(the clinic's record is not here)");
    let mut admins = Table::new(["ADMIN", "MAY SIGN", "UNTIL", "KEY"]);
    for admin in &answer.admins {
        admins.row([
            admin.name.clone(),
            admin.may.join(", "),
            if admin.removed {
                "removed".to_owned()
            } else {
                when(admin.until.wall(), now)
            },
            if admin.key_here { "here" } else { "elsewhere" }.to_owned(),
        ]);
    }
    let mut root = if answer.root_key_here {
        "here".to_owned()
    } else {
        "elsewhere".to_owned()
    };
    if answer.root_key > 1 {
        root = format!("number {}, {root}", answer.root_key);
    }
    let changes: String = answer.root_changes.iter().map(RootChange::text).collect();
    let shares = match &answer.shares {
        Some(shares) => shares.text(style, now),
        None => "Recovery shares: none are known here; \
                 make them with `clinic-mesh authority shares make`\n"
            .to_owned(),
    };
    format!(
        "{}\n    {}\n\n{}\nRoot key: {root}.  Devices: {}.  Staff: {}.  Statements: {}.\n{changes}{shares}",
        style.bold(name),
        grouped(&clinic.id),
        admins.show(style),
        answer.devices,
        answer.staff,
        answer.statements,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authority::{DRILL_LIFE, Drill};
    use crate::domain::testing::NOON;

    #[test]
    fn it_is_said_which_sheets_were_tried_and_when_the_next_drill_is_due() {
        let mut kept = KeptSet::sample(2);
        let said = |kept: &KeptSet, now| Shares::of(kept, now).text(Style::default(), now);
        let never = said(&kept, NOON);
        assert!(never.contains("never tried. Try them now"), "{never}");
        kept.drill = Some(Drill {
            at: NOON,
            numbers: vec![1, 3, 4],
        });
        let fresh = said(&kept, NOON);
        for words in ["with sheets 1, 3 and 4", "again by 2027-11-21"] {
            assert!(fresh.contains(words), "{words} in {fresh}");
        }
        let late = said(&kept, NOON.plus(DRILL_LIFE));
        assert!(late.contains("sheets 1, 3 and 4. Try them now"), "{late}");
    }
}
