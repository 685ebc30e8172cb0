//! What people have begun to write and not sent.
//!
//! In this node's memory only: a draft is nobody's record yet, and what never reaches a disk needs no
//! purge. It is there for its owner on every screen of this office until the node stops.

use std::collections::{BTreeMap, VecDeque};

use crate::domain::id::StaffId;
use crate::domain::space::Space;
use crate::domain::time::Day;

/// Most drafts of one person; one more puts the oldest out.
const DRAFTS_MAX: usize = 64;

/// Days after which a draft is forgotten that nobody touched: a week of holidays.
const DAYS: u32 = 7;

/// All drafts at this node.
#[derive(Debug, Default)]
pub(super) struct Drafts {
    /// By person, the one touched last at the back.
    of: BTreeMap<StaffId, VecDeque<Draft>>,
}

#[derive(Debug)]
struct Draft {
    space: Space,
    text: String,
    touched: Day,
}

impl Drafts {
    /// Keeps a draft in place of an earlier one; an empty one is none.
    pub(super) fn put(&mut self, staff: StaffId, space: Space, text: String, today: Day) {
        let drafts = self.of.entry(staff).or_default();
        drafts.retain(|draft| draft.space != space);
        if !text.is_empty() {
            let touched = today;
            drafts.push_back(Draft {
                space,
                text,
                touched,
            });
        }
        if drafts.len() > DRAFTS_MAX {
            drafts.pop_front();
        }
        if drafts.is_empty() {
            self.of.remove(&staff);
        }
    }

    /// What somebody has begun to write in a conversation.
    pub(super) fn get(&self, staff: &StaffId, space: &Space) -> Option<&str> {
        let drafts = self.of.get(staff)?;
        let draft = drafts.iter().find(|draft| draft.space == *space)?;
        Some(&draft.text)
    }

    /// Forgets drafts that nobody has touched for days.
    pub(super) fn forget_before(&mut self, today: Day) {
        for drafts in self.of.values_mut() {
            drafts.retain(|draft| draft.touched.plus(DAYS) >= today);
        }
        self.of.retain(|_, drafts| !drafts.is_empty());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::RoomId;

    const ANA: StaffId = StaffId::new([1; 16]);

    fn room(number: u8) -> Space {
        Space::Room(RoomId::new([number; 16]))
    }

    #[test]
    fn a_draft_is_kept_for_its_owner_until_it_is_emptied() {
        let mut drafts = Drafts::default();
        drafts.put(ANA, room(1), "Bed".into(), Day(5));
        drafts.put(ANA, room(1), "Bed 4".into(), Day(5));
        assert_eq!(drafts.get(&ANA, &room(1)), Some("Bed 4"));
        assert_eq!(drafts.get(&StaffId::new([2; 16]), &room(1)), None);
        drafts.put(ANA, room(1), String::new(), Day(5));
        assert_eq!(drafts.get(&ANA, &room(1)), None);
    }

    #[test]
    fn the_oldest_draft_makes_room_and_untouched_ones_are_forgotten() {
        let mut drafts = Drafts::default();
        for number in 0..=DRAFTS_MAX as u8 {
            drafts.put(ANA, room(number), "x".into(), Day(5));
        }
        assert_eq!(drafts.get(&ANA, &room(0)), None);
        assert_eq!(drafts.get(&ANA, &room(1)), Some("x"));
        drafts.put(ANA, room(2), "y".into(), Day(9));
        drafts.forget_before(Day(13));
        assert_eq!(drafts.get(&ANA, &room(1)), None);
        assert_eq!(drafts.get(&ANA, &room(2)), Some("y"));
    }
}
