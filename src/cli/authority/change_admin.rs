//! `authority change-admin`: fewer or other rights for an admin, or a later end.
//!
//! The first grant of a key holds for good, so that no statement of years ago changes its standing. What changes
//! is the key: the same person is appointed with a fresh one, and the old one is ended.

use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

use super::end_admin::find;
use super::grant_admin::{Kept, kept, passed_on, scope};
use crate::api::moment::Moment;
use crate::authority::{Cost, NewAdmin, Passphrase};
use crate::cli::admin::{AdminKey, Desk, RootKey, choose};
use crate::cli::output::when_exactly;
use crate::cli::secret::YesFlag;
use crate::cli::{Context, Failure, Outcome};
use crate::domain::cert::{Grant, Scope, Scopes};
use crate::domain::id::{AdminId, AuthorId};
use crate::domain::name::Name;
use crate::domain::record::Clinic;
use crate::domain::time::WallTime;

/// Change what an admin may sign, or until when
///
/// The admin gets a fresh key, and the old one is ended; what it signed goes on counting. Needs the root key,
/// and an admin's key that holds the mesh keys to pass on. The fresh key has a name of its own, like "Robin 2".
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("change").required(true).multiple(true))]
pub(in crate::cli) struct ChangeAdmin {
    /// Name or id of the admin
    #[arg(value_name = "ADMIN")]
    who: String,

    /// What the admin may sign from now on; as before unless given
    #[arg(long, value_name = "SCOPE", value_delimiter = ',', value_parser = scope, group = "change")]
    may: Vec<Scope>,

    /// Days from now after which the grant runs out; as before unless given
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=3653), group = "change")]
    days: Option<u32>,

    /// Name of the fresh key's admin; the old name with a number unless given
    #[arg(long, value_name = "NAME")]
    name: Option<Name>,

    /// Take the mesh keys from the node: no admin's key is left, or nobody knows its passphrase
    #[arg(long)]
    from_node: bool,

    #[command(flatten)]
    key: AdminKey,

    #[command(flatten)]
    root: RootKey,

    /// Read the fresh key's passphrase from the first line of FILE instead of asking for it
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    new_passphrase_file: Option<PathBuf>,

    #[command(flatten)]
    yes: YesFlag,
}

/// What is to be: who gets which grant, and who ends.
#[derive(Debug, PartialEq, Eq)]
struct Change {
    old: AdminId,
    old_name: String,
    name: Name,
    scopes: Scopes,
    not_after: WallTime,
}

#[derive(Serialize)]
struct Answer {
    admin: String,
    name: String,
    may: Vec<String>,
    until: Moment,
    ended: String,
}

impl ChangeAdmin {
    pub(super) fn run(&self, context: &Context) -> Outcome {
        let path = self.key.dir.path();
        let passed_on = passed_on(&self.key, self.from_node, &path)?;
        let root = self.root.open(&path)?;
        let answer = context.block_on(async {
            let mut desk = Desk::of(root, context).await?;
            let change = self.change(desk.authority.clinic(), context.clock.now())?;
            self.yes.confirm(&question(&change))?;
            let file = self.new_passphrase_file.as_deref();
            let option = "--new-passphrase-file FILE";
            let passphrase = choose(file, "Passphrase for the fresh key", option)?;
            let kept = kept(passed_on, &desk).await?;
            sign(&mut desk, &change, kept, &passphrase, context).await
        })?;
        context.output.answer(&answer, || {
            format!(
                "{} is an admin in the place of {}, who is removed. The key is in {}.\n\
                 On that person\'s machine, put the files that bear this name, and the file record, into the \
                 directory of the old key, and remove that key\'s files there and here.\n",
                answer.name,
                answer.ended,
                path.display()
            )
        })
    }

    fn change(&self, clinic: &Clinic, now: WallTime) -> Result<Change, Failure> {
        let (old, old_name) = find(clinic, &self.who)?;
        let grant = &clinic.admins[&old].grant;
        let name = self
            .name
            .clone()
            .map_or_else(|| next_name(clinic, &grant.name), Ok)?;
        if clinic.admins.values().any(|admin| admin.grant.name == name) {
            return Err(
                Failure::refused(format!("there is, or was, an admin {name}"))
                    .remedy("give the fresh key another name with --name NAME"),
            );
        }
        Ok(Change {
            old,
            old_name,
            name,
            scopes: self.scopes(grant),
            not_after: self.not_after(grant, now)?,
        })
    }

    fn scopes(&self, grant: &Grant) -> Scopes {
        match self.may.is_empty() {
            true => grant.scopes,
            false => Scopes::of(self.may.iter().copied()),
        }
    }

    fn not_after(&self, grant: &Grant, now: WallTime) -> Result<WallTime, Failure> {
        match self.days {
            Some(days) => Ok(now.plus(Duration::from_secs(u64::from(days) * 86_400))),
            None if grant.not_after > now => Ok(grant.not_after),
            None => Err(
                Failure::refused(format!("the grant ran out on {}", grant.not_after))
                    .remedy("say for how long the next one is to be with --days DAYS"),
            ),
        }
    }
}

/// The grant first: a power cut between the two leaves an admin too many, and not none.
async fn sign(
    desk: &mut Desk,
    change: &Change,
    (mesh_keys, web_ca): Kept,
    passphrase: &Passphrase,
    context: &Context,
) -> Result<Answer, Failure> {
    let new = NewAdmin {
        name: change.name.clone(),
        scopes: change.scopes,
        not_after: change.not_after,
        mesh_keys,
        web_ca,
    };
    let now = context.clock.now();
    let granted = desk
        .authority
        .grant_admin(new, passphrase, Cost::PRODUCT, now)?;
    desk.submit(&granted.segment).await?;
    let ended = async {
        let last = desk
            .authority
            .record()
            .head(&AuthorId::from(change.old))
            .seq;
        let segment = desk.authority.end_admin(change.old, Some(last), now)?;
        desk.submit(&segment).await
    };
    ended.await.map_err(|why: Failure| {
        Failure::error(format!(
            "{} is an admin, and {} could not be removed: {}",
            change.name, change.old_name, why.message
        ))
        .remedy(format!(
            "mend that, then run `clinic-mesh authority end-admin \"{}\"`",
            change.old_name
        ))
    })?;
    Ok(Answer {
        admin: granted.made.to_string(),
        name: change.name.to_string(),
        may: names(change.scopes),
        until: change.not_after.into(),
        ended: change.old_name.clone(),
    })
}

fn names(scopes: Scopes) -> Vec<String> {
    scopes.iter().map(|scope| scope.to_string()).collect()
}

fn question(change: &Change) -> String {
    format!(
        "Appoint {} with a fresh key, to sign {} until {}, and remove {} for good?",
        change.name,
        names(change.scopes).join(", "),
        when_exactly(change.not_after),
        change.old_name
    )
}

/// "Robin 2" after "Robin", "Robin 3" after "Robin 2": the first that nobody ever bore.
fn next_name(clinic: &Clinic, name: &Name) -> Result<Name, Failure> {
    let stem = match name.as_str().rsplit_once(' ') {
        Some((stem, number)) if number.parse::<u8>().is_ok() => stem,
        _ => name.as_str(),
    };
    let is_free = |name: &Name| {
        clinic
            .admins
            .values()
            .all(|admin| admin.grant.name != *name)
    };
    let mut names = (2..=u8::MAX).filter_map(|number| Name::new(format!("{stem} {number}")).ok());
    names.find(is_free).ok_or_else(|| {
        Failure::refused(format!("no name is left that follows {name}"))
            .remedy("give the fresh key one with --name NAME")
    })
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::domain::testing::{NOON, SampleClinic, days};

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        command: ChangeAdmin,
    }

    fn asked(words: &str) -> Result<ChangeAdmin, clap::Error> {
        let words = ["change-admin"].into_iter().chain(words.split(' '));
        Line::try_parse_from(words).map(|line| line.command)
    }

    fn change(clinic: &SampleClinic, words: &str) -> Result<Change, Failure> {
        let now = NOON.plus(days(3));
        asked(words)
            .expect("well said")
            .change(&clinic.record(), now)
    }

    fn clinic() -> SampleClinic {
        let mut clinic = SampleClinic::of(["front-desk"]);
        clinic.admin("Sam", Scopes::of([Scope::Staff, Scope::Policy]));
        clinic
    }

    #[test]
    fn what_is_not_named_stays_as_it_was() {
        let clinic = clinic();
        let record = clinic.record();
        let (id, _) = find(&record, "Sam").expect("in office");
        let grant = &record.admins[&id].grant;
        let narrowed = change(&clinic, "Sam --may staff").expect("sound");
        assert_eq!(narrowed.scopes, Scopes::of([Scope::Staff]));
        assert_eq!((narrowed.old, narrowed.not_after), (id, grant.not_after));
        let longer = change(&clinic, "Sam --days 900").expect("sound");
        assert_eq!(longer.scopes, grant.scopes);
        assert_eq!(longer.not_after, NOON.plus(days(903)));
        assert!(asked("Sam").is_err(), "nothing would change");
    }

    #[test]
    fn the_fresh_key_bears_a_name_that_nobody_ever_bore() {
        let mut clinic = clinic();
        let named = |clinic: &SampleClinic, words: &str| {
            change(clinic, words).map(|change| change.name.to_string())
        };
        assert_eq!(named(&clinic, "Sam --days 9").expect("free"), "Sam 2");
        clinic.admin("Sam 2", Scopes::of([Scope::Staff]));
        assert_eq!(named(&clinic, "Sam --days 9").expect("free"), "Sam 3");
        clinic.admin("Sam 3", Scopes::of([Scope::Staff]));
        let record = clinic.record();
        let three = Name::new("Sam 3").expect("a name");
        assert_eq!(next_name(&record, &three).expect("free").as_str(), "Sam 4");
        let taken = named(&clinic, "Sam --days 9 --name Robin").expect_err("in office");
        assert!(
            taken.message.contains("an admin Robin"),
            "{}",
            taken.message
        );
    }

    #[test]
    fn a_grant_that_ran_out_is_not_given_anew_without_an_end() {
        let clinic = clinic();
        let late = NOON.plus(days(5000));
        let again = |words: &str| {
            asked(words)
                .expect("well said")
                .change(&clinic.record(), late)
        };
        let refused = again("Sam --may staff").expect_err("it ran out");
        assert!(refused.remedy.is_some_and(|how| how.contains("--days")));
        again("Sam --days 30").expect("sound");
    }
}
