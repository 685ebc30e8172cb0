//! The policy: what admins set for the whole clinic and nobody else can change.

use std::net::IpAddr;

use minicbor::{Decode, Encode};

use super::space::Space;
use super::time::{Day, WallTime};

/// Longest retention of messages in days: ten years.
pub const RETENTION_MAX: u16 = 3653;

/// Highest version of a policy; [`Policy::next_version`] stays there.
const VERSION_MAX: u32 = u32::MAX - 1;

/// Most networks in the allow-list.
pub const NETWORKS_MAX: usize = 32;

/// Longest that a node may hear no other, in hours: 60 days, after which its certificate is not renewed either.
const STALE_HOURS_MAX: u16 = 60 * 24;

/// Audit records are kept to the end of a 30-day period, so that their day keys stay few.
const AUDIT_PERIOD: u32 = 30;

/// A switch that policy sets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Switch {
    /// Not done.
    #[default]
    #[n(0)]
    Off,
    /// Done.
    #[n(1)]
    On,
}

impl Switch {
    /// What came later and is off is not written down: so a policy from before it has one encoding still.
    fn is_off(&self) -> bool {
        *self == Self::Off
    }
}

/// A range of addresses that peers may come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

impl Network {
    /// The network of `prefix` bits around `address`; `None` if there are not that many bits.
    pub fn new(address: IpAddr, prefix: u8) -> Option<Self> {
        let address = address.to_canonical();
        let bits = if address.is_ipv4() { 32 } else { 128 };
        (prefix <= bits).then_some(Self { address, prefix })
    }

    /// Whether `peer` is inside; an IPv4 address mapped into IPv6 counts as the IPv4 address.
    pub fn holds(&self, peer: IpAddr) -> bool {
        match (self.address, peer.to_canonical()) {
            (IpAddr::V4(net), IpAddr::V4(peer)) => same_prefix(
                u32::from(net).into(),
                u32::from(peer).into(),
                32,
                self.prefix,
            ),
            (IpAddr::V6(net), IpAddr::V6(peer)) => {
                same_prefix(net.into(), peer.into(), 128, self.prefix)
            }
            _ => false,
        }
    }
}

fn same_prefix(one: u128, other: u128, bits: u32, prefix: u8) -> bool {
    let shift = bits - u32::from(prefix);
    one.checked_shr(shift) == other.checked_shr(shift)
}

impl std::fmt::Display for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

impl std::str::FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not a network: write it like 192.168.1.0/24");
        let (address, prefix) = text.split_once('/').ok_or_else(wrong)?;
        let address = address.parse().map_err(|_| wrong())?;
        let prefix = prefix.parse().map_err(|_| wrong())?;
        Self::new(address, prefix).ok_or_else(wrong)
    }
}

impl<C> Encode<C> for Network {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut minicbor::Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.str(&self.to_string())?.ok()
    }
}

impl<'b, C> Decode<'b, C> for Network {
    fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        d.str()?
            .parse()
            .map_err(|_| minicbor::decode::Error::message("not a network"))
    }
}

/// How long a node may hear no other before it says so, and before it writes nothing across offices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Staleness {
    /// Hours until every face of the node says so.
    #[n(0)]
    pub warning_hours: u16,
    /// Hours until conversations with people of other offices can only be read.
    #[n(1)]
    pub read_only_hours: u16,
}

impl Staleness {
    /// What holds while a policy says nothing of it: three days, and two weeks.
    ///
    /// A long weekend on which the other offices are dark is no news, and a lost machine that keeps one office
    /// from the others is not worth more than two weeks.
    pub const USUAL: Self = Self {
        warning_hours: 72,
        read_only_hours: 14 * 24,
    };

    /// The usual is not written down: so a policy from before there was this setting has one encoding still.
    fn is_usual(&self) -> bool {
        *self == Self::USUAL
    }
}

impl Default for Staleness {
    fn default() -> Self {
        Self::USUAL
    }
}

/// The settings of the whole clinic.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Policy {
    /// Counts up with every change; a lower one never replaces a higher one.
    #[n(0)]
    pub version: u32,
    /// Days that messages of direct conversations are kept after the day they were written.
    #[n(1)]
    pub direct_days: u16,
    /// The same for rooms.
    #[n(2)]
    pub room_days: u16,
    /// Days that audit records are kept.
    #[n(3)]
    pub audit_days: u16,
    /// Whether "opened" is recorded and shown to the writer.
    #[n(4)]
    pub opened_receipts: Switch,
    /// Minutes after which an idle login ends.
    #[n(5)]
    pub idle_logoff_minutes: u16,
    /// Networks that nodes may connect from; empty for any.
    #[n(6)]
    pub networks: Vec<Network>,
    /// How long a node may hear no other.
    #[n(7)]
    #[cbor(skip_if = "Staleness::is_usual", default)]
    pub staleness: Staleness,
    /// Whether the page in a browser prints what is on the screen.
    #[n(8)]
    #[cbor(skip_if = "Switch::is_off", default)]
    pub printing: Switch,
    /// What no admin does alone; absent where every admin may do everything that their scopes say.
    #[n(12)]
    pub two_admins: Option<TwoAdmins>,
}

/// What takes effect only once a second admin has approved it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum TwoAdmins {
    /// Keeping messages or audit records shorter, and giving up this very rule.
    #[n(0)]
    ShorterRetention,
}

/// A setting outside its bounds.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{setting} must be between {least} and {most}, not {actual}")]
pub struct OutOfBounds {
    setting: &'static str,
    least: u32,
    most: u32,
    actual: u32,
}

impl OutOfBounds {
    /// The setting's name.
    pub const fn setting(&self) -> &'static str {
        self.setting
    }
}

impl Policy {
    /// The policy that a clinic begins with.
    pub const fn initial() -> Self {
        Self {
            version: 1,
            direct_days: 30,
            room_days: 30,
            audit_days: 2192,
            opened_receipts: Switch::On,
            idle_logoff_minutes: 10,
            networks: Vec::new(),
            staleness: Staleness::USUAL,
            printing: Switch::Off,
            two_admins: None,
        }
    }

    /// Whether replacing this policy by `next` takes two admins.
    pub const fn needs_second_admin(&self, next: &Self) -> bool {
        match self.two_admins {
            None => false,
            Some(TwoAdmins::ShorterRetention) => {
                next.direct_days < self.direct_days
                    || next.room_days < self.room_days
                    || next.audit_days < self.audit_days
                    || next.two_admins.is_none()
            }
        }
    }

    /// This policy, with whatever `other` keeps longer.
    pub fn keeping_at_least(&self, other: &Self) -> Self {
        Self {
            direct_days: self.direct_days.max(other.direct_days),
            room_days: self.room_days.max(other.room_days),
            audit_days: self.audit_days.max(other.audit_days),
            ..self.clone()
        }
    }

    /// The version that a policy replacing this one has to have.
    ///
    /// The highest is its own successor (of equal versions the later written holds), so whoever leaps
    /// there locks nobody out.
    pub const fn next_version(&self) -> u32 {
        if self.version < VERSION_MAX {
            self.version + 1
        } else {
            VERSION_MAX
        }
    }

    /// Checks every setting against its bounds and names the first one outside.
    pub fn check(&self) -> Result<(), OutOfBounds> {
        let bound = |setting, actual: u32, least, most| {
            if (least..=most).contains(&actual) {
                return Ok(());
            }
            Err(OutOfBounds {
                setting,
                least,
                most,
                actual,
            })
        };
        bound("version", self.version, 1, VERSION_MAX)?;
        bound(
            "direct_days",
            self.direct_days.into(),
            1,
            RETENTION_MAX.into(),
        )?;
        bound("room_days", self.room_days.into(), 1, RETENTION_MAX.into())?;
        bound(
            "audit_days",
            self.audit_days.into(),
            365,
            RETENTION_MAX.into(),
        )?;
        bound(
            "idle_logoff_minutes",
            self.idle_logoff_minutes.into(),
            2,
            120,
        )?;
        let Staleness {
            warning_hours,
            read_only_hours,
        } = self.staleness;
        let most = STALE_HOURS_MAX.into();
        bound("stale_warning_hours", warning_hours.into(), 1, most)?;
        bound(
            "stale_read_only_hours",
            read_only_hours.into(),
            warning_hours.into(),
            most,
        )?;
        bound(
            "networks",
            self.networks.len() as u32,
            0,
            NETWORKS_MAX as u32,
        )
    }

    /// The last day that what is written at `now` in `space` may be kept.
    pub fn last_day(&self, space: &Space, now: WallTime) -> Day {
        let today = now.day();
        match space {
            Space::Record | Space::Staff(_) => Day::NEVER,
            Space::Direct(..) | Space::Group(_) => today.plus(self.direct_days.into()),
            Space::Room(_) => today.plus(self.room_days.into()),
            Space::Audit(_) => {
                let day = today.plus(self.audit_days.into()).0;
                Day(day.div_ceil(AUDIT_PERIOD).saturating_mul(AUDIT_PERIOD))
            }
        }
    }

    /// The longest that anything written in `space` on `day` may be kept by the bounds of policy;
    /// an entry that claims more is refused.
    pub fn latest_last_day(space: &Space, day: Day) -> Day {
        match space {
            Space::Record | Space::Staff(_) => Day::NEVER,
            Space::Direct(..) | Space::Group(_) | Space::Room(_) => day.plus(RETENTION_MAX.into()),
            Space::Audit(_) => day.plus(u32::from(RETENTION_MAX) + AUDIT_PERIOD),
        }
    }

    /// Whether policy lets a peer connect from `address`.
    pub fn allows(&self, address: IpAddr) -> bool {
        self.networks.is_empty() || self.networks.iter().any(|network| network.holds(address))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::codec;

    fn net(text: &str) -> Network {
        text.parse().expect("a network")
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn a_network_holds_its_addresses_and_their_mapped_forms() {
        assert!(net("192.168.1.0/24").holds(ip("192.168.1.77")));
        assert!(net("192.168.1.0/24").holds(ip("::ffff:192.168.1.77")));
        assert!(!net("192.168.1.0/24").holds(ip("192.168.2.77")));
        assert!(net("0.0.0.0/0").holds(ip("8.8.8.8")));
        assert!(net("fd00::/8").holds(ip("fd12::1")));
        assert!(!net("fd00::/8").holds(ip("10.0.0.1")));
        for bad in [
            "10.0.0.0/33",
            "10.0.0.0",
            "x/8",
            "fd00::/129",
            "10.0.0.0/-1",
        ] {
            assert!(bad.parse::<Network>().is_err(), "{bad}");
        }
    }

    #[test]
    fn an_empty_allow_list_allows_and_a_filled_one_excludes() {
        let mut policy = Policy::initial();
        assert!(policy.allows(ip("203.0.113.9")));
        policy.networks = vec![net("10.0.0.0/8")];
        assert!(policy.allows(ip("10.1.2.3")));
        assert!(!policy.allows(ip("203.0.113.9")));
    }

    #[test]
    fn every_setting_is_held_to_its_bounds() {
        assert_eq!(Policy::initial().check(), Ok(()));
        let wrong: [fn(&mut Policy); 9] = [
            |p| p.version = 0,
            |p| p.direct_days = 0,
            |p| p.room_days = RETENTION_MAX + 1,
            |p| p.audit_days = 364,
            |p| p.idle_logoff_minutes = 1,
            |p| p.networks = vec![net("10.0.0.0/8"); NETWORKS_MAX + 1],
            |p| p.staleness.warning_hours = 0,
            |p| p.staleness.read_only_hours = 71,
            |p| p.staleness.read_only_hours = STALE_HOURS_MAX + 1,
        ];
        for change in wrong {
            let mut policy = Policy::initial();
            change(&mut policy);
            assert!(policy.check().is_err(), "{policy:?}");
        }
    }

    #[test]
    fn a_policy_from_before_the_setting_is_read_and_the_usual_is_not_written_down() {
        let policy = Policy::initial();
        let bytes = codec::encode(&policy);
        assert_eq!(
            bytes.first(),
            Some(&0xa7),
            "a map of the seven settings before"
        );
        assert_eq!(codec::strict::<Policy>(&bytes, 1024), Ok(policy.clone()));
        let mut other = policy;
        other.staleness.warning_hours = 24;
        let longer = codec::encode(&other);
        assert_eq!(longer.first(), Some(&0xa8));
        assert_eq!(codec::strict::<Policy>(&longer, 1024), Ok(other));
        // The usual, written down all the same: it would be a second encoding of one policy.
        let mut spelled = bytes;
        spelled[0] = 0xa8;
        spelled.push(7);
        spelled.extend(codec::encode(&Staleness::USUAL));
        assert!(codec::strict::<Policy>(&spelled, 1024).is_err());
    }

    #[test]
    fn keeping_less_takes_two_admins_where_policy_says_so_and_so_does_giving_that_up() {
        let free = Policy::initial();
        let mut guarded = free.clone();
        guarded.two_admins = Some(TwoAdmins::ShorterRetention);
        let shorter: [fn(&mut Policy); 4] = [
            |p| p.direct_days -= 1,
            |p| p.room_days -= 1,
            |p| p.audit_days -= 1,
            |p| p.two_admins = None,
        ];
        for change in shorter {
            let mut next = guarded.clone();
            change(&mut next);
            assert!(guarded.needs_second_admin(&next), "{next:?}");
            assert!(!free.needs_second_admin(&next), "{next:?}");
        }
        let mut longer = guarded.clone();
        (longer.direct_days, longer.room_days, longer.audit_days) = (31, 365, 3000);
        (longer.opened_receipts, longer.idle_logoff_minutes) = (Switch::Off, 2);
        assert!(!guarded.needs_second_admin(&longer));
        assert!(
            !free.needs_second_admin(&guarded),
            "one admin may set the rule"
        );
    }

    #[test]
    fn messages_die_after_their_days_and_audit_records_at_the_end_of_a_period() {
        let policy = Policy::initial();
        let now = Day(1000).start();
        let room = Space::Room(crate::domain::id::RoomId::new([1; 16]));
        let audit = Space::Audit(crate::domain::id::DeviceId::new([1; 32]));
        assert_eq!(policy.last_day(&room, now), Day(1030));
        assert_eq!(policy.last_day(&Space::Record, now), Day::NEVER);
        assert_eq!(policy.last_day(&audit, now), Day(3210));
    }
}
