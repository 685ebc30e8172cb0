//! Whom and where an act concerns, chosen by its salt.

use clinic_mesh::domain::group::Group;
use clinic_mesh::domain::id::StaffId;
use clinic_mesh::domain::space::Space;
use rand::RngExt as _;
use rand::rngs::StdRng;

use super::world::World;

impl World {
    /// A running node, or the first.
    pub(crate) fn some_node(&mut self, rng: &mut StdRng) -> usize {
        let running: Vec<usize> = (0..self.nodes.len())
            .filter(|node| self.nodes[*node].engine.is_some())
            .collect();
        match running.len() {
            0 => 0,
            count => running[rng.random_range(0..count)],
        }
    }

    /// A person, mostly one who is at home at the node, and a conversation, mostly one of theirs.
    pub(crate) fn someone_at(&mut self, node: usize, rng: &mut StdRng) -> (StaffId, Space) {
        let all = self.everything();
        let device = self.nodes[node].device;
        let mut people = self.authority.staff.clone();
        if rng.random_range(0..10) != 0 {
            people.retain(|staff| all.at_home(&device, staff));
        }
        if people.is_empty() {
            people = self.authority.staff.clone();
        }
        let staff = people[rng.random_range(0..people.len())];
        let mut spaces = self.conversations(staff);
        if rng.random_range(0..10) != 0 {
            spaces.retain(|space| all.is_in(&staff, space));
        }
        let count = spaces.len();
        let space = if count == 0 {
            Space::Room(self.authority.rooms[0])
        } else {
            spaces[rng.random_range(0..count)]
        };
        (staff, space)
    }

    /// All rooms, everybody else alone, and in some seeds groups: each three, with and without the
    /// person, and everybody together.
    fn conversations(&self, staff: StaffId) -> Vec<Space> {
        let rooms = self.authority.rooms.iter().map(|room| Space::Room(*room));
        let people = &self.authority.staff;
        let direct = people
            .iter()
            .filter_map(|other| Space::direct(staff, *other));
        let mut spaces: Vec<Space> = rooms.chain(direct).collect();
        if self.groups {
            let threes = people.windows(3).map(<[StaffId]>::to_vec);
            let groups = threes.chain([people.clone()]).filter_map(Group::of);
            spaces.extend(groups.map(Space::Group));
            spaces.dedup();
        }
        spaces
    }
}
