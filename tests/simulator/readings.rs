//! The plain readings of the clinic record: of all that was signed, and of what one node holds.

use std::sync::Arc;

use super::model::Model;
use super::world::World;

impl World {
    /// The plain reading of everything signed so far.
    pub(crate) fn everything(&mut self) -> Arc<Model> {
        if self.all.is_none() {
            let said = self.authority.said.values();
            self.all = Some(Arc::new(Model::of(&self.authority.id, said)));
        }
        self.all.clone().expect("it was just made")
    }

    /// The plain reading of everything signed so far, as if no admin had ever been ended: whoever has
    /// not heard of an end yet goes by this.
    pub(crate) fn ever(&mut self) -> Arc<Model> {
        if self.ever.is_none() {
            let said = self.authority.said.values();
            self.ever = Some(Arc::new(Model::without_ends(&self.authority.id, said)));
        }
        self.ever.clone().expect("it was just made")
    }

    /// Whether something may be by what counts in the end, or by what counted for whoever had not heard
    /// of an admin's end.
    pub(crate) fn might(&mut self, may: impl Fn(&Model) -> bool) -> bool {
        may(&self.everything()) || may(&self.ever())
    }

    /// The plain reading of what is on a node's disk.
    pub(crate) fn model(&mut self, node: usize) -> Arc<Model> {
        if self.nodes[node].model.is_none() {
            let said = &self.authority.said;
            let ids = self.nodes[node].disk.statements();
            let held = ids.iter().filter_map(|(id, ..)| said.get(id));
            let model = Model::of(&self.authority.id, held);
            self.nodes[node].model = Some(Arc::new(model));
        }
        self.nodes[node].model.clone().expect("it was just made")
    }
}
