//! What a person should look at before it becomes an outage.

mod elsewhere;

use std::collections::BTreeSet;
use std::time::Duration;

use super::backup::{History, Trouble};
use super::cert::DeviceKind;
use super::contact::Contact;
use super::id::{AdminId, DeviceId};
use super::mesh_keys::MESH_KEY_LIFE;
use super::record::{Admin, Clinic};
use super::renewal::{self, Freshness};
use super::time::WallTime;
use super::web;

pub use elsewhere::backups_elsewhere;

/// How far this node's clock may be from its peers' median before every face says so.
///
/// Two minutes: machines that ask a time server differ by less than a second, and entries are held
/// back from five minutes on.
pub const OFFSET_WORTH_A_WARNING: u64 = 2 * 60 * 1000;

/// How long before its end an admin's grant is a concern.
///
/// 90 days: a new one takes the root key, and its sheets may lie with people who are away for a month.
pub const GRANT_ENDS_SOON: Duration = Duration::from_secs(90 * 24 * 3600);

/// How long before its end a node's certificate for browsers is a concern.
///
/// Thirty days: an admin can make it anew from sixty on, so whoever does it once a year in time is never
/// asked, and whoever is asked can do it at once.
pub const WEB_ENDS_SOON: Duration = Duration::from_secs(30 * 24 * 3600);

/// How long before its end the web CA is a concern.
///
/// Half a year: somebody has to go to every PC and make it trust the next one.
pub const WEB_CA_ENDS_SOON: Duration = Duration::from_secs(182 * 24 * 3600);

/// Something that somebody should look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Concern {
    /// This node has been level with no other for longer than policy allows.
    Contact {
        /// When it was last level.
        since: WallTime,
        /// Whether it takes nothing more for people of other offices.
        read_only: bool,
    },
    /// Another node refuses this one as revoked: its word, and no proof.
    ShutOut {
        /// Which, where the handshake got far enough to know.
        by: Option<DeviceId>,
    },
    /// A device's certificate was not renewed in time, or has ended.
    Certificate {
        /// Whose.
        device: DeviceId,
        /// How it stands.
        freshness: Freshness,
        /// When it ends, or ended.
        until: WallTime,
    },
    /// There are nodes to renew, and fewer than two that may renew them.
    FewRenewers {
        /// How many there are.
        count: usize,
    },
    /// An admin's grant ends soon, or has ended, and nobody ended the admin.
    Grant {
        /// Whose.
        admin: AdminId,
        /// When it ends, or ended.
        until: WallTime,
        /// Whether it has ended.
        over: bool,
        /// Whether no admin whose grant holds on may do all that this one may.
        alone: bool,
    },
    /// Certificates for browsers end soon, or have ended.
    Web {
        /// The node whose certificate ends first.
        device: DeviceId,
        /// When.
        until: WallTime,
        /// Whether it has ended.
        over: bool,
        /// How many other nodes' certificates end soon or have ended.
        others: usize,
    },
    /// The web CA ends soon, or has ended: browsers believe nothing it signed after that.
    WebCa {
        /// When.
        until: WallTime,
        /// Whether it has ended.
        over: bool,
    },
    /// The mesh key has been in use for long, or known to a machine that was revoked.
    OldMeshKey {
        /// Since when.
        since: WallTime,
        /// Whether it was planned when that machine was revoked, and not changed then.
        shut_out: bool,
    },
    /// This node's clock is not what its peers' clocks are.
    Clock {
        /// Peers' median minus this node's clock, in milliseconds.
        offset_ms: i64,
    },
    /// Its disk is nearly full: it takes no messages until there is room.
    DiskNearlyFull,
    /// As other nodes tell, they were not backed up for too long, or the last try failed there.
    BackupElsewhere {
        /// The node whose newest backup is the oldest.
        device: DeviceId,
        /// When it was last backed up, as far as that is known.
        last: Option<WallTime>,
        /// Why the newest try failed, if it did.
        failed: Option<Trouble>,
        /// When the node was last heard to be so; none while it is heard.
        heard: Option<WallTime>,
        /// How many other nodes it is so with.
        others: usize,
    },
    /// This node was not backed up for too long, or the last try failed.
    Backup {
        /// When it was last backed up.
        last: Option<WallTime>,
        /// Why the newest try failed, if it did.
        failed: Option<Trouble>,
    },
}

impl Concern {
    /// Whether everybody who works at the node of device `own` should hear of it, and not only whoever looks after
    /// the clinic.
    ///
    /// These are the concerns that leave a node with less than the others know, or soon will: so is the end of its own
    /// certificate, and not that of another's, which its own people hear of.
    pub fn is_for_everybody(&self, own: &DeviceId) -> bool {
        match self {
            Self::Contact { .. } | Self::ShutOut { .. } | Self::Clock { .. } => true,
            Self::Certificate { device, .. } => device == own,
            Self::FewRenewers { .. }
            | Self::Grant { .. }
            | Self::Web { .. }
            | Self::WebCa { .. }
            | Self::OldMeshKey { .. }
            | Self::DiskNearlyFull
            | Self::BackupElsewhere { .. }
            | Self::Backup { .. } => false,
        }
    }
}

/// What somebody should look at in a node's backups.
///
/// `every` is how often it makes them by itself, if it does; `since` when it was enrolled.
pub fn of_backups(
    history: &History,
    every: Option<Duration>,
    since: WallTime,
    now: WallTime,
) -> Option<Concern> {
    let failed = history.failed.map(|failed| failed.why);
    let late = now > history.late_from(every, since, now);
    (late || failed.is_some()).then(|| Concern::Backup {
        last: history.last.map(|made| made.at),
        failed,
    })
}

/// Everything that somebody should look at by the record and by this node's clock, worst first.
///
/// `offset` is the peers' median clock minus this node's, in milliseconds, where any peer has told. Where
/// this node's clock is worth a warning, certificates are looked at by the peers' clocks: one clock that
/// somebody set wrong is one concern, and not that every certificate of the clinic has ended.
pub fn concerns(
    clinic: &Clinic,
    now: WallTime,
    offset: Option<i64>,
    contact: Contact,
) -> Vec<Concern> {
    let off = offset.filter(|offset| offset.unsigned_abs() > OFFSET_WORTH_A_WARNING);
    let now = off.map_or(now, |offset_ms| shifted(now, offset_ms));
    let mut found: Vec<Concern> = out_of_contact(contact).into_iter().collect();
    found.extend(certificates(clinic, now));
    found.extend(grants(clinic, now));
    found.extend(few_renewers(clinic));
    found.extend(web(clinic, now));
    found.extend(web_ca(clinic, now));
    found.extend(old_mesh_key(clinic, now));
    found.extend(off.map(|offset_ms| Concern::Clock { offset_ms }));
    found
}

fn out_of_contact(contact: Contact) -> Option<Concern> {
    let (since, read_only) = match contact {
        Contact::Fresh => return None,
        Contact::Stale { since } => (since, false),
        Contact::ReadOnly { since } => (since, true),
    };
    Some(Concern::Contact { since, read_only })
}

/// A moment as peers read it whose clocks are `offset_ms` ahead, or behind where that is negative.
fn shifted(now: WallTime, offset_ms: i64) -> WallTime {
    WallTime(now.0.saturating_add_signed(offset_ms))
}

/// The certificates that should have been renewed by now, those that end first before the others.
fn certificates(clinic: &Clinic, now: WallTime) -> Vec<Concern> {
    let mut late: Vec<(WallTime, Concern)> = clinic
        .members()
        .filter_map(|(device, found)| {
            let until = found.certificate.not_after;
            let freshness = renewal::freshness(&found.certificate, now);
            let concern = Concern::Certificate {
                device: *device,
                freshness,
                until,
            };
            match freshness {
                Freshness::Fresh | Freshness::Due => None,
                Freshness::Late | Freshness::Expired | Freshness::Lost => Some((until, concern)),
            }
        })
        .collect();
    late.sort_by_key(|(until, _)| *until);
    late.into_iter().map(|(_, concern)| concern).collect()
}

/// The grants that end soon or have ended; first those that leave nobody to do what their admin may.
fn grants(clinic: &Clinic, now: WallTime) -> Vec<Concern> {
    let in_office = || clinic.admins.iter().filter(|(_, one)| one.last.is_none());
    let ends_soon = |one: &Admin| now.plus(GRANT_ENDS_SOON) > one.grant.not_after;
    let may_all = |one: &Admin, other: &Admin| {
        let mut scopes = other.grant.scopes.iter();
        scopes.all(|scope| one.grant.scopes.has(scope))
    };
    let ending = in_office().filter(|(_, one)| ends_soon(one));
    let mut found: Vec<(bool, WallTime, AdminId)> = ending
        .map(|(id, one)| {
            let stays = in_office().any(|(_, other)| !ends_soon(other) && may_all(other, one));
            (stays, one.grant.not_after, *id)
        })
        .collect();
    found.sort();
    let concern = |(stays, until, admin): (bool, WallTime, AdminId)| Concern::Grant {
        admin,
        until,
        over: now > until,
        alone: !stays,
    };
    found.into_iter().map(concern).collect()
}

/// The certificates for browsers, of which an admin renews all at once: so they are one concern.
fn web(clinic: &Clinic, now: WallTime) -> Option<Concern> {
    let ends = clinic
        .members()
        .filter_map(|(device, found)| Some((found.web.as_ref()?.not_after, *device)));
    let soon = ends.filter(|(until, _)| now.plus(WEB_ENDS_SOON) > *until);
    let soon: Vec<(WallTime, DeviceId)> = soon.collect();
    let (until, device) = *soon.iter().min()?;
    Some(Concern::Web {
        device,
        until,
        over: now > until,
        others: soon.len() - 1,
    })
}

/// The web CA, or, while some nodes show one and some another, the one that ends first.
fn web_ca(clinic: &Clinic, now: WallTime) -> Option<Concern> {
    let shown = clinic.members().filter_map(|(_, found)| found.web.as_ref());
    let authorities: BTreeSet<&[u8]> = shown.map(|web| web.authority.as_slice()).collect();
    let until = authorities.into_iter().filter_map(web::ends_at).min()?;
    (now.plus(WEB_CA_ENDS_SOON) > until).then_some(Concern::WebCa {
        until,
        over: now > until,
    })
}

/// Where there are three nodes, two have to be able to renew: one may be away when it is needed.
fn few_renewers(clinic: &Clinic) -> Option<Concern> {
    let nodes = clinic
        .members()
        .filter(|(_, found)| found.certificate.kind == DeviceKind::Node);
    let renewers = clinic
        .members()
        .filter(|(_, found)| renewal::is_renewer(&found.certificate));
    let (nodes, count) = (nodes.count(), renewers.count());
    (nodes >= 3 && count < 2).then_some(Concern::FewRenewers { count })
}

fn old_mesh_key(clinic: &Clinic, now: WallTime) -> Option<Concern> {
    let key = clinic.mesh_keys.newest(now)?.1;
    // A planned key is no younger for who was shut out than the day on which it was made.
    let revoked = clinic.revocations.values().map(|revocation| revocation.at);
    let known = revoked.filter(|at| *at > key.made).min();
    let shut_out = known.is_some_and(|at| at < key.since);
    let since = known.map_or(key.since, |at| at.min(key.since));
    (now > since.plus(MESH_KEY_LIFE)).then_some(Concern::OldMeshKey { since, shut_out })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::cert::{Scope, Scopes};
    use crate::domain::statement::Act;
    use crate::domain::testing::{ADMIN, NOON, SampleClinic, days};
    use crate::domain::web::WebCertificate;

    fn concerns(clinic: &Clinic, now: WallTime, offset: Option<i64>) -> Vec<Concern> {
        super::concerns(clinic, now, offset, Contact::Fresh)
    }

    fn clinic() -> SampleClinic {
        let mut clinic = SampleClinic::of([]);
        for office in ["front-desk", "ward-2", "lab"] {
            clinic.enrol_renewer(office);
        }
        clinic
    }

    #[test]
    fn a_node_that_hears_nobody_says_so_before_anything_else() {
        let clinic = clinic().record();
        let since = NOON;
        let with = |contact| super::concerns(&clinic, NOON.plus(days(27)), None, contact);
        let first = |contact| with(contact).into_iter().next();
        let concern = |read_only| Some(Concern::Contact { since, read_only });
        assert_eq!(first(Contact::Stale { since }), concern(false));
        assert_eq!(first(Contact::ReadOnly { since }), concern(true));
        assert_eq!(with(Contact::Fresh).len(), 3);
    }

    #[test]
    fn everybody_hears_of_their_own_machines_certificate_and_not_of_anothers() {
        let mut clinic = clinic();
        clinic.now = NOON.plus(days(25));
        clinic.renew("front-desk", "ward-2").expect("renewed");
        let found = concerns(&clinic.record(), NOON.plus(days(27)), None);
        assert_eq!(found.len(), 2, "{found:?}");
        let told = |at: &str| {
            let own = clinic.device(at).id;
            let all = found.iter().filter(|one| one.is_for_everybody(&own));
            all.count()
        };
        assert_eq!(["front-desk", "ward-2", "lab"].map(told), [1, 0, 1]);
    }

    #[test]
    fn everybody_hears_of_what_leaves_their_node_behind_and_not_of_what_an_admin_sees_to() {
        let own = DeviceId::new([7; 32]);
        let contact = Concern::Contact {
            since: NOON,
            read_only: false,
        };
        let shut_out = Concern::ShutOut { by: None };
        let clock = Concern::Clock { offset_ms: 1 };
        for concern in [contact, shut_out, clock] {
            assert!(concern.is_for_everybody(&own), "{concern:?}");
        }
        let key = Concern::OldMeshKey {
            since: NOON,
            shut_out: false,
        };
        let few = Concern::FewRenewers { count: 1 };
        for concern in [key, few, Concern::DiskNearlyFull] {
            assert!(!concern.is_for_everybody(&own), "{concern:?}");
        }
    }

    #[test]
    fn a_clinic_in_order_is_no_concern() {
        let clinic = clinic().record();
        assert_eq!(concerns(&clinic, NOON, None), []);
        assert_eq!(concerns(&clinic, NOON.plus(days(25)), Some(119_999)), []);
    }

    #[test]
    fn certificates_are_a_concern_when_four_days_are_left_and_after_their_end() {
        let mut clinic = clinic();
        clinic.now = NOON.plus(days(25));
        clinic.renew("ward-2", "front-desk").expect("renewed");
        clinic.renew("front-desk", "ward-2").expect("renewed");
        let record = clinic.record();
        let stands = |day| match concerns(&record, NOON.plus(days(day)), None)[..] {
            [] => None,
            [
                Concern::Certificate {
                    device,
                    freshness,
                    until,
                },
            ] => {
                assert_eq!(
                    (device, until),
                    (clinic.device("lab").id, NOON.plus(days(30)))
                );
                Some(freshness)
            }
            ref other => panic!("more than one thing: {other:?}"),
        };
        assert_eq!(stands(25), None);
        assert_eq!(stands(26), Some(Freshness::Late));
        assert_eq!(stands(31), Some(Freshness::Expired));
        clinic.revoke("lab");
        assert_eq!(concerns(&clinic.record(), NOON.plus(days(31)), None), []);
    }

    #[test]
    fn a_clinic_of_three_in_which_one_node_renews_is_told() {
        let mut clinic = SampleClinic::of(["ward-2"]);
        clinic.enrol_renewer("front-desk");
        assert_eq!(concerns(&clinic.record(), NOON, None), []);
        clinic.enrol("lab");
        let few = Concern::FewRenewers { count: 1 };
        assert_eq!(concerns(&clinic.record(), NOON, None), [few]);
    }

    /// Of whom a grant is a concern, and whether nobody else may do the same, at so many days.
    fn grants_at(clinic: &SampleClinic, day: u64) -> Vec<(AdminId, bool, bool)> {
        let found = concerns(&clinic.record(), NOON.plus(days(day)), None);
        let grants = found.into_iter().filter_map(|concern| match concern {
            Concern::Grant {
                admin, over, alone, ..
            } => Some((admin, over, alone)),
            _ => None,
        });
        grants.collect()
    }

    #[test]
    fn the_last_grant_is_a_concern_for_ninety_days_before_its_end_and_for_ever_after() {
        let clinic = SampleClinic::of([]);
        let robin = clinic.admins[ADMIN].id();
        assert_eq!(grants_at(&clinic, 3650 - 90), []);
        assert_eq!(grants_at(&clinic, 3650 - 89), [(robin, false, true)]);
        assert_eq!(grants_at(&clinic, 3651), [(robin, true, true)]);
    }

    #[test]
    fn a_grant_that_ends_is_less_of_a_concern_where_another_admin_may_do_the_same() {
        let mut clinic = SampleClinic::of([]);
        let robin = clinic.admins[ADMIN].id();
        clinic.now = NOON.plus(days(3000));
        let few = clinic.admin("Kim", Scopes::of([Scope::Staff]));
        assert_eq!(grants_at(&clinic, 3600), [(robin, false, true)]);
        let all = clinic.admin("Sam", Scopes::of(Scopes::ALL));
        assert_eq!(grants_at(&clinic, 3600), [(robin, false, false)]);
        clinic.say_root(Act::AdminEnded {
            admin: robin,
            last: 1_000,
        });
        assert_eq!(
            grants_at(&clinic, 3651),
            [],
            "whoever was ended is missed by nobody"
        );
        assert_eq!(grants_at(&clinic, 6600).len(), 2);
        assert!(grants_at(&clinic, 6600).contains(&(all, false, true)));
        assert!(grants_at(&clinic, 6600).contains(&(few, false, true)));
    }

    #[test]
    fn certificates_for_browsers_are_one_concern_from_thirty_days_before_the_first_one_ends() {
        let mut clinic = clinic();
        for (office, lasts) in [("lab", 397), ("front-desk", 400), ("ward-2", 500)] {
            let device = clinic.device(office).id;
            let certificate = WebCertificate {
                names: vec!["node.sample.internal".to_owned()],
                key: [4; 65],
                leaf: vec![1],
                authority: vec![2],
                not_after: NOON.plus(days(lasts)),
            };
            clinic.say(Act::WebCertified {
                device,
                certificate,
            });
        }
        let at = |day| {
            let found = concerns(&clinic.record(), NOON.plus(days(day)), None);
            found.into_iter().find_map(|concern| match concern {
                Concern::Web {
                    device,
                    until,
                    over,
                    others,
                } => {
                    assert_eq!(until, NOON.plus(days(397)));
                    assert_eq!(device, clinic.device("lab").id);
                    Some((over, others))
                }
                _ => None,
            })
        };
        assert_eq!(at(367), None);
        assert_eq!(at(368), Some((false, 0)));
        assert_eq!(at(371), Some((false, 1)));
        assert_eq!(at(398), Some((true, 1)));
    }

    #[test]
    fn a_mesh_key_that_somebody_revoked_knows_is_a_concern_although_planned_ones_begin() {
        let mut clinic = clinic();
        let id = clinic.id;
        let commitment = |epoch| crate::domain::testing::mesh_key(epoch).commitment(&id, epoch);
        clinic.say(Act::MeshKeysPlanned {
            first: 2,
            begins: clinic.now.plus(MESH_KEY_LIFE),
            commitments: vec![commitment(2), commitment(3)],
        });
        let later = clinic.now.plus(days(100));
        let old = |clinic: &SampleClinic| {
            let found = concerns(&clinic.record(), later, None).into_iter();
            found
                .filter(|one| matches!(one, Concern::OldMeshKey { shut_out: true, .. }))
                .count()
        };
        assert_eq!(old(&clinic), 0, "key 2 has been in use for ten days");
        // Signed by an admin who may not change the key, or for a machine that was handed in.
        clinic.now = clinic.now.plus(days(1));
        clinic.revoke("ward-2");
        assert_eq!(old(&clinic), 1);
        let changed = commitment(4);
        clinic.now = clinic.now.plus(days(50));
        clinic.say(Act::MeshKeyRotated {
            epoch: 4,
            commitment: changed,
        });
        assert_eq!(old(&clinic), 0);
    }

    #[test]
    fn a_mesh_key_is_a_concern_after_ninety_days_and_until_it_is_changed() {
        let mut clinic = SampleClinic::of(["front-desk"]);
        let keys = clinic.record().mesh_keys;
        let since = keys.newest(NOON).expect("made").1.since;
        let old = Concern::OldMeshKey {
            since,
            shut_out: false,
        };
        let has = |clinic: &SampleClinic, at: WallTime| {
            concerns(&clinic.record(), at, None).contains(&old)
        };
        assert!(!has(&clinic, since.plus(MESH_KEY_LIFE)));
        let late = since.plus(MESH_KEY_LIFE).plus(days(1));
        assert!(has(&clinic, late));
        clinic.now = late;
        let commitment = crate::domain::testing::mesh_key(2).commitment(&clinic.id, 2);
        clinic.say(Act::MeshKeyRotated {
            epoch: 2,
            commitment,
        });
        assert!(!has(&clinic, late.plus(days(80))));
    }

    #[test]
    fn a_clock_is_a_concern_from_two_minutes_on_in_either_direction() {
        let clinic = clinic().record();
        for offset_ms in [120_001, -120_001, 10_800_000] {
            let off = Concern::Clock { offset_ms };
            assert_eq!(concerns(&clinic, NOON, Some(offset_ms)), [off]);
        }
    }

    #[test]
    fn backups_are_a_concern_when_the_last_is_old_when_there_is_none_and_when_one_failed() {
        let mut history = History::default();
        let of = |history: &History, day| of_backups(history, None, NOON, NOON.plus(days(day)));
        assert_eq!(of(&history, 2), None, "so young a node");
        let never = Concern::Backup {
            last: None,
            failed: None,
        };
        assert_eq!(of(&history, 3), Some(never));
        let at = NOON.plus(days(3));
        history.made(crate::domain::backup::Made {
            at,
            by: crate::domain::backup::By::Command,
            bytes: 1,
        });
        assert_eq!(of(&history, 5), None);
        let last = Some(at);
        assert_eq!(
            of(&history, 6),
            Some(Concern::Backup { last, failed: None })
        );
        history.fail(at, Trouble::NoRoom);
        let failed = Some(Trouble::NoRoom);
        assert_eq!(of(&history, 3), Some(Concern::Backup { last, failed }));
    }

    #[test]
    fn a_clock_that_is_years_ahead_is_one_concern_and_does_not_end_certificates() {
        let clinic = clinic().record();
        let year: i64 = 365 * 24 * 3600 * 1000;
        let ahead = concerns(&clinic, NOON.plus(days(365)), Some(-year));
        assert_eq!(ahead, [Concern::Clock { offset_ms: -year }]);
        // And one that is behind hides nothing.
        let behind = concerns(&clinic, NOON, Some(year));
        // Three certificates, the mesh key, the clock.
        assert_eq!(behind.len(), 5, "{behind:?}");
    }
}
