//! `authority rotate-root`: another root key in the place of one that somebody else may have.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use serde::Serialize;

use super::finish_root::{Finished, Unheard, are, finish};
use super::page::PagePlace;
use crate::api::clinic::author_name;
use crate::api::status::ForkView;
use crate::authority::{self, Begun, Cost, Progress};
use crate::cli::admin::{AdminKey, AuthorityDir, Desk, RootKey, choose};
use crate::cli::secret::YesFlag;
use crate::cli::{Context, Failure, Outcome};
use crate::domain::log::Epoch;
use crate::domain::record::PendingRotation;
use crate::domain::rotation::SignedRotation;

/// Change the root key: when its paper was seen, a keeper left, or a stick is missing
///
/// The old key signs for a new one, and more than half of the admins sign for both; then the new key is
/// the root's. With one admin `begin` is all there is to do.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum RotateRoot {
    Begin(Begin),
    Sign(Sign),
    Finish(Finish),
}

impl RotateRoot {
    pub(super) fn run(&self, context: &Context) -> Outcome {
        match self {
            Self::Begin(command) => command.run(context),
            Self::Sign(command) => command.run(context),
            Self::Finish(command) => command.run(context),
        }
    }
}

/// Make the new root key: the old one and one admin sign for it
///
/// Prints the new recovery page. Run again with the same new passphrase, it goes on where it stopped.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Begin {
    /// Number of the old root key's last statement that counts, if what came after it is a thief's
    #[arg(long, value_name = "NUMBER")]
    last: Option<u64>,

    #[command(flatten)]
    key: AdminKey,

    #[command(flatten)]
    root: RootKey,

    /// Read the new root key's passphrase from the first line of FILE instead of asking for it
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    new_passphrase_file: Option<PathBuf>,

    /// Write the recovery page to FILE instead of standard output; print it, then destroy the file
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    recovery_page: Option<PathBuf>,

    #[command(flatten)]
    yes: YesFlag,
}

/// How a change of the root key stands.
#[derive(Serialize)]
struct Answer {
    root_key: u8,
    new_key: Option<String>,
    done: bool,
    signed: Option<usize>,
    needed: Option<usize>,
    /// The nodes that are not known to have heard of a change that counts.
    not_known: Vec<String>,
    recovery_page: Option<PathBuf>,
}

impl Begin {
    fn run(&self, context: &Context) -> Outcome {
        PagePlace::check(self.recovery_page.as_deref(), context)?;
        let path = self.key.dir.path();
        let root = self.root.open(&path)?;
        let page = PagePlace::make(self.recovery_page.as_deref())?;
        let begun = match context.block_on(self.begin(root, context)) {
            Ok(begun) => begun,
            Err(why) => {
                page.forget();
                return Err(why);
            }
        };
        // Before anybody signs: without it the new key would hang on one file.
        page.hand_out(context, &begun.recovery_page)?;
        let progress = context.block_on(async {
            let mut desk = Desk::open(&self.key, context).await?;
            sign_for(&mut desk, &begun.rotation, context).await?;
            drop(desk);
            finish(&path, context, Unheard::Keep).await
        })?;
        let answer = Answer {
            new_key: Some(begun.key.to_string()),
            recovery_page: self.recovery_page.clone(),
            ..Answer::of(begun.number, &progress)
        };
        context
            .output
            .answer(&answer, || context.typed(&self.text(&answer, &path)))
    }

    async fn begin(&self, root: authority::Authority, context: &Context) -> Result<Begun, Failure> {
        // The old root signs nothing into its log, of which the node may take nothing any more.
        let mut desk = Desk::reading(root, context).await?;
        if self.last.is_none() {
            let (own, forks) = (desk.authority.id(), desk.client.status().await?.forks);
            let root = author_name(desk.authority.clinic(), &own);
            let parted = desk.authority.record().fork(&own).map(|fork| fork.seq);
            check_forks(&root, parted, &forks)?;
        }
        let prompt = "Passphrase for the new root key (kept offline, seldom used)";
        let passphrase = choose(
            self.new_passphrase_file.as_deref(),
            prompt,
            "--new-passphrase-file FILE",
        )?;
        let now = context.clock.now();
        let begun = desk
            .authority
            .begin_rotation(self.last, &passphrase, Cost::PRODUCT, now)?;
        self.yes.confirm(&format!(
            "Change the root key for good, counting {} of the {} statements of the old one?",
            begun.last, begun.head
        ))?;
        Ok(begun)
    }

    fn text(&self, answer: &Answer, path: &Path) -> String {
        let page = match &self.recovery_page {
            Some(file) => format!(
                "Print {} now, put the paper into a safe, and destroy the file.\n",
                file.display()
            ),
            None => "Print the page above now, put the paper into a safe, and clear the screen.\n"
                .to_owned(),
        };
        format!("{page}{}", answer.text(path))
    }
}

impl Answer {
    fn of(root_key: u8, finished: &Finished) -> Self {
        let (done, signed, needed) = match finished.progress {
            Progress::Done { .. } => (true, None, None),
            Progress::Ready { .. } => (false, None, None),
            Progress::Waits { signed, needed } => (false, Some(signed), Some(needed)),
        };
        Self {
            root_key,
            new_key: None,
            done,
            signed,
            needed,
            not_known: finished.not_known.clone(),
            recovery_page: None,
        }
    }

    fn text(&self, path: &Path) -> String {
        match (self.signed, self.needed) {
            (Some(signed), Some(needed)) => format!(
                "{signed} of {needed} admins have signed for root key number {}. Tell the others how its id \
                 begins, {}; they run\n\n    \
                 clinic-mesh authority rotate-root sign\n\n\
                 on their machines, and then, here:\n\n    \
                 clinic-mesh authority rotate-root finish\n",
                self.root_key,
                self.new_key.as_deref().map_or("?", |id| &id[..8]),
            ),
            _ if !self.done => format!(
                "Root key number {} is in office. The old one is kept in {}, for {} not known to have \
                 heard of it. Once they have, run\n\n    \
                 clinic-mesh authority rotate-root finish\n",
                self.root_key,
                path.display(),
                are(&self.not_known),
            ),
            _ => format!(
                "Root key number {} is in {}, and the old one is wiped there.\n\
                 Destroy the old recovery page and every sheet of the old shares. Make new shares:\n\n    \
                 clinic-mesh authority shares make\n",
                self.root_key,
                path.display()
            ),
        }
    }
}

/// A root key that was used twice has no end that all nodes agree on, so a person has to name it.
fn check_forks(root: &str, parted: Option<u64>, forks: &[ForkView]) -> Result<(), Failure> {
    if !forks.iter().any(|fork| is_of_statements(fork, root)) {
        return Ok(());
    }
    let since = parted.map_or_else(
        || "the record here knows one of them".to_owned(),
        |seq| format!("they part at statement {seq} or before"),
    );
    Err(Failure::refused(format!(
        "the node has two histories of {root} in the clinic record, and {since}"
    ))
    .remedy(
        "compare `clinic-mesh authority history` at the nodes, and say with --last NUMBER up to which \
         statement all of them agree",
    ))
}

/// Whether a fork is of the statements of whoever is called so; a device's renewals have other epochs.
fn is_of_statements(fork: &ForkView, author: &str) -> bool {
    fork.author == author && fork.epoch == format!("{:x}", Epoch::RECORD.0)
}

/// The opened admin signs, unless that was done before.
async fn sign_for(
    desk: &mut Desk,
    rotation: &SignedRotation,
    context: &Context,
) -> Result<(), Failure> {
    if desk.authority.has_signed_for(rotation) {
        return Ok(());
    }
    let now = context.clock.now();
    let segment = desk.authority.sign_for_rotation(rotation, now)?;
    desk.submit(&segment).await
}

/// Sign for a new root key that another admin has begun
///
/// Ask whoever began it whether they did: a thief of the old key would ask you too.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Sign {
    /// How the new root key's id begins, as whoever began it says; eight digits or more
    #[arg(long, value_name = "ID", value_parser = beginning)]
    new_key: Option<String>,

    #[command(flatten)]
    key: AdminKey,

    #[command(flatten)]
    yes: YesFlag,
}

/// The first digits of a key's id.
fn beginning(text: &str) -> Result<String, String> {
    let digits = text.to_lowercase();
    let is_one = (8..=64).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_hexdigit());
    match is_one {
        true => Ok(digits),
        false => Err("give the first eight digits of the new root key's id".to_owned()),
    }
}

#[derive(Serialize)]
struct Signed {
    root_key: u8,
    done: bool,
}

impl Sign {
    fn run(&self, context: &Context) -> Outcome {
        let answer = context.block_on(async {
            let mut desk = Desk::open(&self.key, context).await?;
            let pending = self.only(&desk)?;
            self.yes.confirm(&question(&desk, &pending))?;
            sign_for(&mut desk, &pending.signed, context).await?;
            let roots = &desk.authority.clinic().roots;
            Ok::<_, Failure>(Signed {
                root_key: pending.rotation.number + 1,
                done: roots.iter().any(|root| root.key == pending.rotation.new),
            })
        })?;
        context.output.answer(&answer, || match answer.done {
            true => format!(
                "Root key number {} is in office. Whoever has it runs \
                 `clinic-mesh authority rotate-root finish` once.\n",
                answer.root_key
            ),
            false => format!(
                "You have signed for root key number {}; more admins have to.\n",
                answer.root_key
            ),
        })
    }

    fn only(&self, desk: &Desk) -> Result<PendingRotation, Failure> {
        let named = |one: &&PendingRotation| {
            let id = one.rotation.new.to_string();
            self.new_key
                .as_deref()
                .is_none_or(|begins| id.starts_with(begins))
        };
        let mut waiting = desk.authority.rotations_to_sign().filter(named);
        match (waiting.next(), waiting.next()) {
            (Some(one), None) => Ok(one.clone()),
            (None, _) => Err(
                Failure::not_found("no change of the root key waits for you")
                    .remedy("see how it stands with `clinic-mesh authority show`"),
            ),
            (Some(_), Some(_)) => Err(Failure::refused(
                "two changes of the root key wait: one of them may be a thief's",
            )
            .remedy("ask who began one how its key's id begins, and name it with --new-key ID")),
        }
    }
}

/// What an admin is asked: who signed before, and what of the old root would be void.
fn question(desk: &Desk, pending: &PendingRotation) -> String {
    let clinic = desk.authority.clinic();
    let names: Vec<String> = pending
        .signed_for
        .iter()
        .map(|admin| author_name(clinic, &(*admin).into()))
        .collect();
    let old = desk
        .authority
        .record()
        .head(&pending.rotation.old.into())
        .seq;
    format!(
        "{} signed for root key number {}, whose id begins {}, counting {} of the {old} statements of \
         the one before. Have they told you so themselves? Sign?",
        names.join(" and "),
        pending.rotation.number + 1,
        &pending.rotation.new.to_string()[..8],
        pending.rotation.last
    )
}

/// Put the new root key into the place of the old one, once enough admins have signed
///
/// The old one is wiped. Where a node is not known to have heard of the change, it is named, and that is asked
/// about first.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Finish {
    #[command(flatten)]
    dir: AuthorityDir,

    #[command(flatten)]
    yes: YesFlag,
}

impl Finish {
    fn run(&self, context: &Context) -> Outcome {
        let path = self.dir.path();
        let finished = context.block_on(finish(&path, context, Unheard::Ask(self.yes)))?;
        match finished.progress {
            Progress::Done { number } | Progress::Ready { number, .. } => {
                let answer = Answer::of(number, &finished);
                context
                    .output
                    .answer(&answer, || context.typed(&answer.text(&path)))
            }
            Progress::Waits { signed, needed } => Err(Failure::refused(format!(
                "{signed} of {needed} admins have signed for the new root key"
            ))
            .remedy("the others run `clinic-mesh authority rotate-root sign` on their machines")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fork(author: &str, epoch: &str) -> ForkView {
        ForkView {
            author: author.to_owned(),
            place: "the clinic record".to_owned(),
            epoch: epoch.to_owned(),
        }
    }

    #[test]
    fn a_change_is_not_begun_on_two_histories_without_an_end_that_is_named() {
        let two = [fork("admin Robin", "1"), fork("the root key", "1")];
        for (parted, said) in [(Some(4), "at statement 4"), (None, "knows one of them")] {
            let refused = check_forks("the root key", parted, &two).expect_err("two histories");
            assert!(refused.message.contains(said), "{}", refused.message);
            let remedy = refused.remedy.expect("a way on");
            assert!(remedy.contains("--last"), "{remedy}");
        }
        assert!(check_forks("the root key", Some(4), &two[..1]).is_ok());
    }

    #[test]
    fn a_roots_two_histories_are_told_from_those_of_others() {
        assert!(is_of_statements(&fork("the root key", "1"), "the root key"));
        for other in [
            fork("root key number 2", "1"),
            fork("admin the root key", "1"),
            fork("the root key", "19bc4f2a0000"),
        ] {
            assert!(!is_of_statements(&other, "the root key"), "{other:?}");
        }
    }
}
