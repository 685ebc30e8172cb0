//! The admin's desk: an opened key and the node that statements are given to.

mod catch_up;
mod drill;
mod plan;

use std::collections::BTreeMap;
use std::time::Duration;

use super::AdminKey;
use crate::api::client::{Client, ClientError};
use crate::api::clinic::author_name;
use crate::api::problem::Code;
use crate::api::record::VoidStatement;
use crate::api::status::apart;
use crate::authority::{Authority, AuthorityError, Holder};
use crate::cli::failure::{Exit, Failure};
use crate::cli::{Context, Outcome};
use crate::domain::copy::RecordCopy;
use crate::domain::enrol::SharedMeshKey;
use crate::domain::id::AuthorId;
use crate::domain::log::Segment;
use crate::domain::record::Clinic;
use crate::domain::statement::{Act, StatementId};
use crate::domain::time::AHEAD_MAX;
use crate::domain::trust::MeshKey;
use crate::platform::lock::LockError;

use catch_up::{CatchUp, NotTaken};

/// How often a lock that another command holds is tried again.
const LOCK_LOOK: Duration = Duration::from_millis(100);

/// An opened key, up to date with the node, and the node.
pub(crate) struct Desk {
    /// The authority with the key.
    pub(crate) authority: Authority,
    /// The node.
    pub(crate) client: Client,
    /// What the node lacks of the record and does not take.
    not_taken: Vec<NotTaken>,
}

impl Desk {
    /// Opens the admin's key and brings both copies of the record up to date, each from the other.
    pub(crate) async fn open(key: &AdminKey, context: &Context) -> Result<Self, Failure> {
        let client = context.client();
        // Before the passphrase is asked for: nobody should type it in vain.
        let theirs = client.record().await?;
        warn_of_clock(&client, context).await?;
        let mut desk = Self::with(key.open()?, client, theirs, context).await?;
        desk.check_own_log()?;
        desk.learn_mesh_keys(context).await?;
        Ok(desk)
    }

    /// Lets other commands of this authority work while this one waits: whoever waits for a machine keeps
    /// nobody from revoking another.
    pub(crate) fn let_go(&mut self) {
        self.authority.let_go();
    }

    /// Takes the authority up again for the next signature, as soon as no other command works with it, and
    /// brings both copies of the record up to date anew.
    pub(crate) async fn take_up(&mut self, context: &Context) -> Result<(), Failure> {
        hold_again(&mut self.authority, context).await?;
        let theirs = self.client.record().await?;
        self.level_with(theirs, context).await?;
        self.check_own_log()?;
        self.learn_mesh_keys(context).await
    }

    /// Takes the mesh keys that another admin made, so that this one can enrol; gives the node those that it
    /// lacks, because a command was cut off between a signature and its key.
    async fn learn_mesh_keys(&mut self, context: &Context) -> Result<(), Failure> {
        let known: Vec<u32> = self
            .authority
            .mesh_keys()
            .iter()
            .map(|key| key.epoch)
            .collect();
        let served = self.client.mesh_keys().await?;
        self.give_what_it_lacks(&served, context).await?;
        for shared in served {
            if known.contains(&shared.epoch) {
                continue;
            }
            match self.authority.learn_mesh_key(shared, context.clock.now()) {
                // A node that lacks a part of the record may go by one that does not count; such a key is
                // not taken, and keeps no admin from working.
                Err(AuthorityError::OtherMeshKey { epoch }) if !self.not_taken.is_empty() => {
                    context.output.note(&format!(
                        "note: the node goes by a mesh key {epoch} that the record here does not know"
                    ));
                }
                learned => learned?,
            }
        }
        Ok(())
    }

    async fn give_what_it_lacks(&self, served: &[SharedMeshKey], context: &Context) -> Outcome {
        let needed = self
            .authority
            .clinic()
            .mesh_keys
            .needed(context.clock.now());
        let mut lacking = self.authority.mesh_keys();
        lacking.retain(|key| {
            needed.contains(&key.epoch) && !served.iter().any(|has| has.epoch == key.epoch)
        });
        if !lacking.is_empty() {
            self.client.submit(&[], &by_number(&lacking)).await?;
        }
        Ok(())
    }

    /// The same with a key that is open already, such as the root's.
    pub(crate) async fn of(authority: Authority, context: &Context) -> Result<Self, Failure> {
        let desk = Self::reading(authority, context).await?;
        desk.check_own_log()?;
        Ok(desk)
    }

    /// The same for a key that signs nothing into its own log, such as a root's that is to be changed: the
    /// node may refuse what is in that log.
    pub(crate) async fn reading(authority: Authority, context: &Context) -> Result<Self, Failure> {
        let client = context.client();
        let theirs = client.record().await?;
        warn_of_clock(&client, context).await?;
        Self::with(authority, client, theirs, context).await
    }

    async fn with(
        authority: Authority,
        client: Client,
        theirs: Vec<Segment>,
        context: &Context,
    ) -> Result<Self, Failure> {
        let mut desk = Self {
            authority,
            client,
            not_taken: Vec::new(),
        };
        desk.level_with(theirs, context).await?;
        drill::remind(&desk.authority, context);
        Ok(desk)
    }

    /// Brings both copies of the record up to date, each from the other.
    async fn level_with(&mut self, theirs: Vec<Segment>, context: &Context) -> Result<(), Failure> {
        let known = ends(&theirs);
        self.authority.merge(theirs)?;
        let told = std::mem::take(&mut self.not_taken);
        self.not_taken = self.catch_up(&known).await?;
        let said = |log: &&NotTaken| told.iter().any(|before| before.author == log.author);
        for log in self.not_taken.iter().filter(|log| !said(log)) {
            tell(context, self.authority.clinic(), log);
        }
        Ok(())
    }

    /// Gives the node what was signed while it could not be reached, and tells what it does not take.
    async fn catch_up(&self, known: &BTreeMap<AuthorId, u64>) -> Result<Vec<NotTaken>, Failure> {
        let clinic = self.authority.clinic();
        // With each: whichever of them commits to one brings it.
        let keys = by_number(&self.authority.mesh_keys());
        let record = self.authority.record();
        let (not_taken, mut void) = fill_up(&self.client, record, clinic, known, &keys).await?;
        // What only waited for another log counts by now, as it does here.
        let author = self.authority.id();
        let is_void = |seq| clinic.void.contains_key(&StatementId { author, seq });
        // A plan that another admin's came before was nobody's errand.
        let plans = |seq| {
            let id = StatementId { author, seq };
            let mut items = record.items();
            items.any(|item| {
                item.id == id && matches!(item.statement.act, Act::MeshKeysPlanned { .. })
            })
        };
        void.retain(|one| is_void(one.seq) && !plans(one.seq));
        self.check_void(&void)?;
        Ok(not_taken)
    }

    /// A key whose earlier statements the node refuses signs nothing more for it: that would be refused too.
    fn check_own_log(&self) -> Result<(), Failure> {
        let own = self.authority.id();
        let Some(log) = self.not_taken.iter().find(|log| log.author == own) else {
            return Ok(());
        };
        let failure = Failure::refused(format!(
            "the node does not take what this key signed before: {}",
            log.why
        ));
        Err(failure.remedy(match self.authority.holder() {
            Holder::Root => {
                "look at `clinic-mesh authority history`; if the key was used twice, change it with \
                 `clinic-mesh authority rotate-root begin --last NUMBER`"
            }
            Holder::Admin { .. } => {
                "look at `clinic-mesh authority history`; if the key was used twice, have the root end it \
                 and grant a new one"
            }
        }))
    }

    /// Gives a statement to the node, which has it durable when this returns.
    pub(crate) async fn submit(&self, segment: &Segment) -> Result<(), Failure> {
        self.give(std::slice::from_ref(segment), &[]).await
    }

    /// Gives statements and the mesh keys that belong to them.
    pub(crate) async fn give(
        &self,
        segments: &[Segment],
        keys: &[SharedMeshKey],
    ) -> Result<(), Failure> {
        let given = self.client.submit(segments, &by_number(keys)).await;
        let checked = match given {
            Ok(submitted) => self.check_void(&submitted.void),
            Err(error) => Err(error.into()),
        };
        checked.map_err(|failure| self.with_what_is_lacking(failure))
    }

    /// Whether a statement of this key is among those that do not count.
    fn check_void(&self, void: &[VoidStatement]) -> Result<(), Failure> {
        let own = self.authority.id().to_string();
        match void.iter().find(|void| void.author == own) {
            None => Ok(()),
            Some(void) => Err(Failure::refused(format!(
                "the node does not count statement {}: {}",
                void.seq, void.why
            ))
            .remedy("look at `clinic-mesh authority history`")),
        }
    }

    /// A statement that is refused may rest on another that the node did not take: that is said with it.
    fn with_what_is_lacking(&self, failure: Failure) -> Failure {
        if failure.exit != Exit::Refused || self.not_taken.is_empty() {
            return failure;
        }
        let clinic = self.authority.clinic();
        let logs = self.not_taken.iter();
        let names: Vec<String> = logs.map(|log| author_name(clinic, &log.author)).collect();
        let message = format!(
            "{}; it may rest on what {} signed, which the node did not take either",
            failure.message,
            names.join(" and ")
        );
        Failure { message, ..failure }.remedy(
            "run a command at a node that took those; this statement is kept and given to it",
        )
    }
}

/// Says where what is signed now will be held back elsewhere, because the clock here is ahead.
///
/// It is said and no more: it may be the others that are wrong, and a machine that is lost has to be revoked
/// whatever the clocks say.
async fn warn_of_clock(client: &Client, context: &Context) -> Outcome {
    let offset = client.status().await?.mesh_offset_ms;
    if let Some(note) = offset.and_then(held_back) {
        context.output.note(&note);
    }
    Ok(())
}

/// `offset` is the peers' median clock minus this one, in milliseconds.
fn held_back(offset: i64) -> Option<String> {
    let ahead = i128::from(offset) < -(AHEAD_MAX.as_millis() as i128);
    ahead.then(|| {
        format!(
            "WARNING: this machine's clock is {} its peers'. If it is this one that is wrong, stop (Ctrl-C) and \
             set it first: the other nodes take what is signed now when that moment has come, and not before.",
            apart(offset)
        )
    })
}

/// Takes an authority up again that was let go, as soon as no other command works with it.
pub(crate) async fn hold_again(authority: &mut Authority, context: &Context) -> Outcome {
    let mut told = false;
    loop {
        match authority.hold_again() {
            Err(AuthorityError::Lock(LockError::Held { pid, .. })) => {
                if !told {
                    context.output.note(&format!(
                        "note: another command (pid {pid}) works with this authority; waiting for it"
                    ));
                }
                told = true;
                tokio::time::sleep(LOCK_LOOK).await;
            }
            held => return Ok(held?),
        }
    }
}

/// Brings a node up to date with a record, no key being open; `theirs` is what it had of it.
pub(crate) async fn bring_record(
    client: &Client,
    record: &RecordCopy,
    theirs: &BTreeMap<AuthorId, u64>,
    context: &Context,
) -> Result<(), Failure> {
    let clinic = record.clinic();
    let (not_taken, _) = fill_up(client, record, &clinic, theirs, &[]).await?;
    for log in &not_taken {
        tell(context, &clinic, log);
    }
    Ok(())
}

/// How far each signer's log goes in these.
pub(crate) fn ends(segments: &[Segment]) -> BTreeMap<AuthorId, u64> {
    let mut known: BTreeMap<AuthorId, u64> = BTreeMap::new();
    for segment in segments {
        let last = known.entry(segment.log.author).or_default();
        *last = (*last).max(segment.last());
    }
    known
}

/// Gives a node what it lacks of a record. Gives what it did not take, and the statements that it does not
/// count.
async fn fill_up(
    client: &Client,
    record: &RecordCopy,
    clinic: &Clinic,
    known: &BTreeMap<AuthorId, u64>,
    keys: &[(u32, MeshKey)],
) -> Result<(Vec<NotTaken>, Vec<VoidStatement>), Failure> {
    let missing = record
        .segments()
        .filter(|segment| segment.last() > known.get(&segment.log.author).copied().unwrap_or(0));
    let mut catch_up = CatchUp::new(missing.cloned(), |author| clinic.is_root(author));
    let mut void: Vec<VoidStatement> = Vec::new();
    while let Some(segment) = catch_up.upcoming() {
        let given = client.submit(std::slice::from_ref(segment), keys).await;
        match given {
            Ok(submitted) => {
                void.extend(submitted.void);
                catch_up.taken();
            }
            Err(ClientError::Problem(problem)) if is_of_the_segment(problem.code) => {
                catch_up.refused(problem.message);
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok((catch_up.not_taken(), void))
}

fn tell(context: &Context, clinic: &Clinic, log: &NotTaken) {
    context.output.note(&format!(
        "note: the node did not take all that {} signed: {}",
        author_name(clinic, &log.author),
        log.why
    ));
}

/// Mesh keys as they go to the node.
fn by_number(keys: &[SharedMeshKey]) -> Vec<(u32, MeshKey)> {
    let keys = keys.iter();
    keys.map(|shared| (shared.epoch, shared.key.clone()))
        .collect()
}

/// Whether a node says no to the segment itself, and not to anything at this moment.
const fn is_of_the_segment(code: Code) -> bool {
    matches!(code, Code::Refused | Code::Malformed | Code::TooLarge)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_signs_by_a_clock_that_is_ahead_hears_that_others_hold_it_back() {
        let hours = 3 * 3600 * 1000;
        let said = held_back(-hours).expect("ahead");
        for words in ["3 hours ahead of", "set it first", "not before"] {
            assert!(said.contains(words), "{words} in {said}");
        }
        for fine in [hours, 0, -(AHEAD_MAX.as_millis() as i64)] {
            assert_eq!(held_back(fine), None, "{fine}");
        }
    }
}
