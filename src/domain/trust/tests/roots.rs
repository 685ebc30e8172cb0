//! What a change of the root key is worth that a peer shows.

use super::*;
use crate::domain::renewal;
use crate::domain::testing::device_keys;

/// Robin and Sam are admins: the root has said three things.
fn two_admins() -> SampleClinic {
    let mut clinic = clinic();
    clinic.admin("Sam", Scopes::of(Scopes::ALL));
    clinic
}

/// Both sign for a key of this name.
fn changed(clinic: &SampleClinic, last: u64) -> (SampleClinic, SignedRotation) {
    let mut clinic = clinic.clone();
    let (rotation, new) = clinic.rotation("second", last);
    for who in [ADMIN, "Sam"] {
        clinic.say_rotated(who, &rotation);
    }
    clinic.root = new;
    (clinic, rotation)
}

/// A thief of the root key ends both, and an admin of his revokes ward-2 and changes the root key.
fn stolen(clinic: &SampleClinic) -> (SampleClinic, SignedRotation) {
    let mut clinic = clinic.clone();
    for who in [ADMIN, "Sam"] {
        let admin = clinic.admins[who].id();
        clinic.say_root(Act::AdminEnded { admin, last: 0 });
    }
    clinic.admin("Mallory", Scopes::of(Scopes::ALL));
    let revocation = clinic.revocation("ward-2", Vec::new());
    clinic.say_as("Mallory", Act::DeviceRevoked { revocation });
    let (rotation, new) = clinic.rotation("thief", clinic.root_head());
    clinic.say_rotated("Mallory", &rotation);
    clinic.root = new;
    (clinic, rotation)
}

/// What `me` says of a device that shows this certificate of its own and these changes.
fn verdict_on_ward(
    judging: &SampleClinic,
    me: &str,
    credentials: Credentials,
    chain: &[SignedRotation],
) -> Result<Reach, Refusal> {
    let credentials = Credentials {
        chain: Some(chain.to_vec()).filter(|chain| !chain.is_empty()),
        ..credentials
    };
    let shown = credentials.open(&judging.id)?;
    let at = Circumstances {
        proven: shown.certificate.noise_key,
        ..circumstances(judging)
    };
    judging.trust(me).admit_opened(&shown, at)
}

fn of_ward(clinic: &SampleClinic) -> Credentials {
    clinic.device("ward-2").credentials()
}

#[test]
fn whom_a_thiefs_record_refuses_is_heard_for_the_clinics_own_change_and_for_nothing_else() {
    let before = two_admins();
    let (deceived, thiefs) = stolen(&before);
    let (honest, own) = changed(&before, 3);
    let of = |chain: &SignedRotation| {
        let chain = std::slice::from_ref(chain);
        verdict_on_ward(&deceived, "front-desk", of_ward(&before), chain)
    };
    assert_eq!(of(&own), Ok(Reach::Unlisted));
    let bare = verdict_on_ward(&deceived, "front-desk", of_ward(&before), &[]);
    assert_eq!(bare, Err(Refusal::Revoked));
    assert_eq!(of(&thiefs), Err(Refusal::Revoked), "known here");
    let (_, later) = changed(&before, 2);
    let too_late = verdict_on_ward(&honest, "front-desk", of_ward(&before), &[later]);
    assert_eq!(too_late, Ok(Reach::All), "the record lists it");
    // The other side has nothing against who was deceived, whatever chain that shows.
    let front = before.device("front-desk").credentials();
    let mirrored = verdict_on_ward(&honest, "ward-2", front, &[thiefs]);
    assert_eq!(mirrored, Ok(Reach::All));
    // The deceived one may believe to be revoked itself.
    let front = before.device("front-desk").credentials();
    let of_who_is_fine = verdict_on_ward(&deceived, "ward-2", front, &[own]);
    assert_eq!(of_who_is_fine, Ok(Reach::Unlisted));
}

#[test]
fn a_renewal_beside_the_chain_is_of_a_device_that_was_listed_once() {
    let before = two_admins();
    let (deceived, _) = stolen(&before);
    let (_, own) = changed(&before, 3);
    let shows = |old: &Certificate| {
        let (node, _) = device_keys("front-desk");
        let renewed = renewal::sign(old, NOON, old.serial, &before.id, &node);
        let shown = Credentials {
            certificate: renewed.certificate,
            ..of_ward(&before)
        };
        verdict_on_ward(&deceived, "front-desk", shown, std::slice::from_ref(&own))
    };
    let listed = &before.device("ward-2").certificate;
    assert_eq!(shows(listed), Ok(Reach::Unlisted));
    assert_eq!(shows(&before.draft("cellar")), Err(Refusal::UnknownIssuer));
}

#[test]
fn who_was_revoked_by_an_admin_of_then_stays_out_whatever_it_shows() {
    let before = two_admins();
    let revoked_by = |who: &str, last: u64| {
        let mut clinic = before.clone();
        let revocation = clinic.revocation("ward-2", Vec::new());
        clinic.say_as(who, Act::DeviceRevoked { revocation });
        let (chain, _) = before.rotation("thief", last);
        let is_out_for_good = {
            let view = clinic.trust("front-desk");
            view.is_out_for_good(&clinic.device("ward-2").id)
        };
        let verdict = verdict_on_ward(&clinic, "front-desk", of_ward(&before), &[chain]);
        (verdict, is_out_for_good)
    };
    let revoked = Err(Refusal::Revoked);
    assert_eq!(revoked_by("Sam", 3), (revoked, false));
    assert_eq!(revoked_by(ADMIN, 3), (revoked, true));
    assert_eq!(revoked_by(ADMIN, 2), (revoked, true));
    // Sam was not appointed yet: if that change counted, so would nothing that Sam signed.
    assert_eq!(revoked_by("Sam", 2), (Ok(Reach::Unlisted), false));
    // Nobody was, so nobody can ever make it count.
    assert_eq!(revoked_by("Sam", 1), (revoked, false));
}

#[test]
fn an_admin_who_was_ended_by_then_vouches_for_no_machine_that_was_never_listed() {
    let mut before = two_admins();
    let admin = before.admins["Sam"].id();
    before.say_root(Act::AdminEnded { admin, last: 0 });
    let shows = |who: &str, last: u64| {
        let (shown, at) = shown_by(&before, who, Some(vec![before.rotation("second", last).0]));
        reach(&before, &(shown, at))
    };
    assert_eq!(shows(ADMIN, 4), Ok(Reach::All));
    assert_eq!(shows("Sam", 4), Err(Refusal::IssuerWithoutRight));
    assert_eq!(shows("Sam", 3), Ok(Reach::Unlisted), "was in office then");
}

#[test]
fn every_change_that_is_shown_is_looked_at_and_not_the_last_alone() {
    let before = two_admins();
    let (known, first) = changed(&before, 3);
    let (mut thief, other) = {
        let mut thief = before.clone();
        thief.say_root(Act::Founded {
            name: crate::domain::testing::name("Another"),
        });
        let (rotation, new) = thief.rotation("thief", 4);
        for who in [ADMIN, "Sam"] {
            thief.say_rotated(who, &rotation);
        }
        thief.root = new;
        (thief, rotation)
    };
    thief.admin("Mallory", Scopes::of(Scopes::ALL));
    let (second, _) = thief.rotation("third", 0);
    let shown = shown_by(&thief, "Mallory", Some(vec![other, second]));
    assert_eq!(reach(&known, &shown), Err(Refusal::UnknownIssuer));
    let (second, _) = known.rotation("third", 0);
    let shown = shown_by(&known, ADMIN, Some(vec![first, second]));
    assert_eq!(reach(&known, &shown), Ok(Reach::All));
}
