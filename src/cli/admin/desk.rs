//! The admin's desk: an opened key and the node that statements are given to.

use std::collections::BTreeMap;

use super::AdminKey;
use crate::api::client::Client;
use crate::authority::Authority;
use crate::cli::Context;
use crate::cli::failure::Failure;
use crate::domain::enrol::SharedMeshKey;
use crate::domain::id::AuthorId;
use crate::domain::log::Segment;

/// An opened key, up to date with the node, and the node.
pub(crate) struct Desk {
    /// The authority with the key.
    pub(crate) authority: Authority,
    /// The node.
    pub(crate) client: Client,
}

impl Desk {
    /// Opens the admin's key and brings both copies of the record up to date, each from the other.
    pub(crate) async fn open(key: &AdminKey, context: &Context) -> Result<Self, Failure> {
        let client = context.client();
        // Before the passphrase is asked for: nobody should type it in vain.
        let theirs = client.record().await?;
        let mut desk = Self::with(key.open()?, client, theirs).await?;
        desk.learn_mesh_keys().await?;
        Ok(desk)
    }

    /// Takes the mesh keys that another admin made, so that this one can enrol.
    async fn learn_mesh_keys(&mut self) -> Result<(), Failure> {
        let known: Vec<u32> = self
            .authority
            .mesh_keys()
            .iter()
            .map(|key| key.epoch)
            .collect();
        for shared in self.client.mesh_keys().await? {
            if !known.contains(&shared.epoch) {
                self.authority.learn_mesh_key(shared)?;
            }
        }
        Ok(())
    }

    /// The same with a key that is open already, such as the root's.
    pub(crate) async fn of(authority: Authority, context: &Context) -> Result<Self, Failure> {
        let client = context.client();
        let theirs = client.record().await?;
        Self::with(authority, client, theirs).await
    }

    async fn with(
        mut authority: Authority,
        client: Client,
        theirs: Vec<Segment>,
    ) -> Result<Self, Failure> {
        let mut known: BTreeMap<AuthorId, u64> = BTreeMap::new();
        for segment in &theirs {
            let last = known.entry(segment.log.author).or_default();
            *last = (*last).max(segment.last());
        }
        authority.merge(theirs)?;
        let desk = Self { authority, client };
        desk.catch_up(&known).await?;
        Ok(desk)
    }

    /// Gives the node what was signed while it could not be reached.
    async fn catch_up(&self, known: &BTreeMap<AuthorId, u64>) -> Result<(), Failure> {
        let missing = self.authority.record().segments().filter(|segment| {
            segment.last() > known.get(&segment.log.author).copied().unwrap_or(0)
        });
        let mut missing: Vec<Segment> = missing.cloned().collect();
        // The node takes nobody's statements before it knows who appointed them, or made them the root.
        missing.sort_by_key(|segment| segment.entries.first().map(|entry| entry.header.time));
        if missing.is_empty() {
            return Ok(());
        }
        let keys = self.authority.mesh_keys();
        self.give(&missing, &keys).await
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
        let keys: Vec<_> = keys
            .iter()
            .map(|shared| (shared.epoch, shared.key.clone()))
            .collect();
        let submitted = self.client.submit(segments, &keys).await?;
        let own = self.authority.id().to_string();
        match submitted.void.iter().find(|void| void.author == own) {
            None => Ok(()),
            Some(void) => Err(Failure::refused(format!(
                "the node does not count statement {}: {}",
                void.seq, void.why
            ))
            .remedy("look at `clinic-mesh authority history`")),
        }
    }
}
