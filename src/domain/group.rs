//! Groups: conversations that staff begin by themselves, and that are who is in them.

use minicbor::{Decode, Decoder, Encode, Encoder};

use super::id::StaffId;

/// Fewest members: two people have a direct conversation.
pub const GROUP_MIN: usize = 3;

/// Most members: as many names as fit above a conversation; more people have a room.
pub const GROUP_MAX: usize = 8;

/// The members of a group: three to eight staff members, each once and in order.
///
/// The same people always make the same group, whoever begins it and wherever, and nobody is added or
/// taken out: other people are another group. So no node has to be told of a group, and none can be
/// told something else about it than another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Group {
    count: u8,
    /// What is beyond `count` is nobody, so that equal groups are equal.
    staff: [StaffId; GROUP_MAX],
}

impl Group {
    /// The group of these people in any order; `None` when they are too few or too many.
    pub fn of(members: impl IntoIterator<Item = StaffId>) -> Option<Self> {
        let mut members: Vec<StaffId> = members.into_iter().collect();
        members.sort_unstable();
        members.dedup();
        Self::in_order(&members)
    }

    fn in_order(members: &[StaffId]) -> Option<Self> {
        let sound = (GROUP_MIN..=GROUP_MAX).contains(&members.len())
            && members.is_sorted_by(|one, next| one < next);
        sound.then(|| {
            let mut staff = [StaffId::new([0; 16]); GROUP_MAX];
            staff[..members.len()].copy_from_slice(members);
            Self {
                count: members.len() as u8,
                staff,
            }
        })
    }

    /// The members, in order.
    pub fn members(&self) -> &[StaffId] {
        &self.staff[..usize::from(self.count)]
    }

    /// Whether somebody is one of them.
    pub fn has(&self, staff: &StaffId) -> bool {
        self.members().contains(staff)
    }
}

impl<C> Encode<C> for Group {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut Encoder<W>,
        context: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        self.members().encode(e, context)
    }
}

impl<'b, C> Decode<'b, C> for Group {
    fn decode(d: &mut Decoder<'b>, context: &mut C) -> Result<Self, minicbor::decode::Error> {
        let wrong = || minicbor::decode::Error::message("not the members of a group");
        let count = d.array()?.ok_or_else(wrong)?;
        // Looked at before anything is made of it: the number is a peer's.
        if count > GROUP_MAX as u64 {
            return Err(wrong());
        }
        let members: Result<Vec<StaffId>, _> =
            (0..count).map(|_| StaffId::decode(d, context)).collect();
        Self::in_order(&members?).ok_or_else(wrong)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::codec;

    fn staff(number: u8) -> StaffId {
        StaffId::new([number; 16])
    }

    #[test]
    fn the_same_people_in_any_order_are_the_same_group() {
        let one = Group::of([staff(3), staff(1), staff(2), staff(1)]);
        let other = Group::of([staff(2), staff(3), staff(1)]);
        assert_eq!(one, other);
        assert_eq!(
            one.expect("three").members(),
            [staff(1), staff(2), staff(3)]
        );
    }

    #[test]
    fn two_are_no_group_and_nine_are_too_many() {
        assert_eq!(Group::of([staff(1), staff(2), staff(2)]), None);
        assert!(Group::of((1..=8).map(staff)).is_some());
        assert_eq!(Group::of((1..=9).map(staff)), None);
    }

    #[test]
    fn a_group_has_one_form_in_bytes() {
        let group = Group::of((1..=4).map(staff)).expect("four");
        let bytes = codec::encode(&group);
        assert_eq!(codec::strict::<Group>(&bytes, 1024), Ok(group));
        let forms: [Vec<StaffId>; 5] = [
            vec![],
            vec![staff(1), staff(2)],
            vec![staff(1), staff(3), staff(2)],
            vec![staff(1), staff(2), staff(2)],
            (1..=9).map(staff).collect(),
        ];
        for wrong in forms {
            let bytes = codec::encode(&wrong);
            assert!(codec::strict::<Group>(&bytes, 1024).is_err(), "{wrong:?}");
        }
    }
}
