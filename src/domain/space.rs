//! Spaces: what is replicated as one.

use minicbor::{Decode, Encode};

use super::codec;
use super::group::Group;
use super::id::{ClinicId, DeviceId, Hash, RoomId, SpaceId, StaffId};

/// What is replicated as one, and who it is about.
///
/// A space names itself: its id is a hash of the clinic and these fields, so nobody can offer a
/// conversation under another's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub enum Space {
    /// The clinic record; its authors are the root and admin keys.
    #[n(0)]
    Record,
    /// The conversation of exactly two staff members, the smaller id first.
    #[n(1)]
    Direct(#[n(0)] StaffId, #[n(1)] StaffId),
    /// A named room of the clinic record.
    #[n(2)]
    Room(#[n(0)] RoomId),
    /// One staff member's private settings.
    #[n(3)]
    Staff(#[n(0)] StaffId),
    /// One node's audit trail.
    #[n(4)]
    Audit(#[n(0)] DeviceId),
    /// The conversation of three to eight staff members.
    #[n(5)]
    Group(#[n(0)] Group),
}

impl Space {
    /// The conversation of two people; `None` when they are the same person.
    pub fn direct(one: StaffId, other: StaffId) -> Option<Self> {
        match one.cmp(&other) {
            std::cmp::Ordering::Less => Some(Self::Direct(one, other)),
            std::cmp::Ordering::Equal => None,
            std::cmp::Ordering::Greater => Some(Self::Direct(other, one)),
        }
    }

    /// Whether the fields are in their one form (a direct conversation names two people in order).
    pub fn is_well_formed(&self) -> bool {
        match self {
            Self::Direct(one, other) => one < other,
            Self::Record
            | Self::Room(_)
            | Self::Staff(_)
            | Self::Audit(_)
            // There is no value of it in another form.
            | Self::Group(_) => true,
        }
    }

    /// Whether people write here.
    pub const fn is_conversation(&self) -> bool {
        matches!(self, Self::Direct(..) | Self::Group(_) | Self::Room(_))
    }

    /// What kind of space it is, in one word.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Record => "record",
            Self::Direct(..) => "direct",
            Self::Room(_) => "room",
            Self::Staff(_) => "staff",
            Self::Audit(_) => "audit",
            Self::Group(_) => "group",
        }
    }

    /// The id of this space in this clinic.
    pub fn id(&self, clinic: &ClinicId) -> SpaceId {
        let hash = Hash::of("space/v1", &[clinic.as_bytes(), &codec::encode(self)]);
        SpaceId::new(*hash.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_direct_conversation_has_one_id_whoever_begins_it() {
        let (a, b) = (StaffId::new([1; 16]), StaffId::new([2; 16]));
        assert_eq!(Space::direct(a, b), Space::direct(b, a));
        assert_eq!(Space::direct(a, a), None);
        assert!(!Space::Direct(b, a).is_well_formed());
    }

    #[test]
    fn the_same_room_in_another_clinic_is_another_space() {
        let room = Space::Room(RoomId::new([7; 16]));
        assert_ne!(
            room.id(&ClinicId::new([1; 32])),
            room.id(&ClinicId::new([2; 32]))
        );
    }
}
