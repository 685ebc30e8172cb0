//! A sample clinic for tests: every key, certificate and statement made from names, so runs repeat.
//!
//! ```ignore
//! let mut clinic = SampleClinic::of(["front-desk", "ward-2"]);
//! let ana = clinic.staff("Ana", ["front-desk"]);
//! let room = clinic.room("rounds", [ana]);
//! let segment = clinic.post("front-desk", room, &["Bed 4 is free"]);
//! assert!(clinic.record().may_hold(&clinic.device("front-desk").id, &room));
//! ```
//!
//! The root founds the clinic and grants one admin, [`ADMIN`], with every scope; that admin enrols
//! one node per office. Everything happens at [`NOON`] unless [`SampleClinic::now`] is moved.

use std::collections::BTreeMap;
use std::time::Duration;

use super::cert::{Capabilities, Capability, Certificate, DeviceKind, Grant, Scopes, VERSION};
use super::id::{
    AdminId, AuthorId, ClinicId, DeviceId, Hash, NoiseKey, RoomId, Serial, SpaceId, StaffId,
};
use super::log::{Entry, Epoch, Head, Log, Payload, Segment};
use super::message::Message;
use super::name::Name;
use super::passkey::{Copies, Passkey, PasskeyKey};
use super::record::{Clinic, Item};
use super::renewal::{self, NotRenewed, Renewal, RenewalId, RenewalItem};
use super::rotation::{self, Rotation, SignedRotation};
use super::sign::{Signed, SigningKey};
use super::space::Space;
use super::statement::{
    Act, History, LogEnd, Revocation, Seen, StaffFacts, Statement, StatementId,
};
use super::time::{Clock, Day, WallTime};
use super::trust::{Credentials, MeshKey, TrustView};

/// The hour at which the sample clinic is founded: 2026-11-21, 12:00 UTC.
pub(crate) const NOON: WallTime = WallTime(1_795_262_400_000);

/// The sample clinic's first admin, who has every scope.
pub(crate) const ADMIN: &str = "Robin";

/// Days that sample certificates live.
pub(crate) const CERTIFICATE_DAYS: u64 = 30;

/// As many cases of a property, the same in every run.
pub(crate) fn cases(count: u32) -> proptest::test_runner::Config {
    proptest::test_runner::Config {
        cases: count,
        rng_seed: proptest::test_runner::RngSeed::Fixed(7),
        failure_persistence: None,
        ..proptest::test_runner::Config::default()
    }
}

/// So many days.
pub(crate) const fn days(count: u64) -> Duration {
    Duration::from_secs(count * 24 * 3600)
}

/// So many minutes.
pub(crate) const fn minutes(count: u64) -> Duration {
    Duration::from_secs(count * 60)
}

/// A name that is known to be fine.
pub(crate) fn name(text: &str) -> Name {
    Name::new(text).expect("tests use plain names")
}

/// 32 bytes made of a purpose and a name.
pub(crate) fn seed(purpose: &str, name: &str) -> [u8; 32] {
    *Hash::of("test-seed", &[purpose.as_bytes(), name.as_bytes()]).as_bytes()
}

/// 16 bytes made of a purpose and a name.
pub(crate) fn seed16(purpose: &str, name: &str) -> [u8; 16] {
    let mut short = [0; 16];
    short.copy_from_slice(&seed(purpose, name)[..16]);
    short
}

/// One machine of the sample clinic.
#[derive(Clone)]
pub(crate) struct SampleDevice {
    /// Its id.
    pub(crate) id: DeviceId,
    /// Its identity key.
    pub(crate) key: SigningKey,
    /// The private half of its Noise key, as `x25519` takes it.
    pub(crate) noise_secret: [u8; 32],
    /// What its certificate says.
    pub(crate) certificate: Certificate,
    /// The certificate as its admin signed it.
    pub(crate) signed: Signed,
    /// The grant of that admin.
    pub(crate) grant: Signed,
}

impl SampleDevice {
    /// What the device shows in a handshake.
    pub(crate) fn credentials(&self) -> Credentials {
        Credentials {
            certificate: self.signed.clone(),
            grant: self.grant.clone(),
            chain: None,
        }
    }
}

/// One admin of the sample clinic.
#[derive(Clone)]
pub(crate) struct SampleAdmin {
    /// The admin's key.
    pub(crate) key: SigningKey,
    /// The root's word.
    pub(crate) grant: Grant,
    /// As signed.
    pub(crate) signed: Signed,
}

impl SampleAdmin {
    /// The admin's id.
    pub(crate) fn id(&self) -> AdminId {
        self.key.id().as_admin()
    }
}

/// A whole clinic with all its private keys.
#[derive(Clone)]
pub(crate) struct SampleClinic {
    /// Its id.
    pub(crate) id: ClinicId,
    /// The root key.
    pub(crate) root: SigningKey,
    /// Admins by name.
    pub(crate) admins: BTreeMap<String, SampleAdmin>,
    /// Nodes by office.
    pub(crate) devices: BTreeMap<String, SampleDevice>,
    /// The clinic record as its authors signed it, in the order it was written.
    pub(crate) segments: Vec<Segment>,
    /// The wall clock of everyone in the clinic.
    pub(crate) now: WallTime,
    clock: Clock,
    heads: BTreeMap<Log, Head>,
    items: Vec<Item>,
    /// Every renewal so far, with its place.
    pub(crate) renewals: Vec<RenewalItem>,
}

impl SampleClinic {
    /// A clinic with one enrolled node in each of these offices.
    pub(crate) fn of<const N: usize>(offices: [&str; N]) -> Self {
        let root = SigningKey::from_seed(&seed("root", ""));
        let mut clinic = Self {
            id: ClinicId::of_root(&root.id().as_admin()),
            root,
            admins: BTreeMap::new(),
            devices: BTreeMap::new(),
            segments: Vec::new(),
            now: NOON,
            clock: Clock::default(),
            heads: BTreeMap::new(),
            items: Vec::new(),
            renewals: Vec::new(),
        };
        clinic.say_root(Act::Founded {
            name: name("Sample Clinic"),
        });
        clinic.admin(ADMIN, Scopes::of(Scopes::ALL));
        clinic.say(Act::MeshKeyRotated {
            epoch: 1,
            commitment: mesh_key(1).commitment(&clinic.id, 1),
        });
        for office in offices {
            clinic.enrol(office);
        }
        clinic
    }

    /// The root grants one more admin, for ten years.
    pub(crate) fn admin(&mut self, who: &str, scopes: Scopes) -> AdminId {
        let key = SigningKey::from_seed(&seed("admin", who));
        let grant = Grant {
            version: VERSION,
            clinic: self.id,
            admin: key.id().as_admin(),
            name: name(who),
            scopes,
            not_after: self.now.plus(days(3650)),
        };
        let signed = Signed::new(&grant, &self.id, &self.root);
        let admin = SampleAdmin {
            key,
            grant,
            signed: signed.clone(),
        };
        let id = admin.id();
        self.admins.insert(who.into(), admin);
        self.say_root(Act::AdminGranted { grant: signed });
        id
    }

    /// The certificate that a node of this office would get, unsigned, to be changed and signed.
    pub(crate) fn draft(&self, office: &str) -> Certificate {
        let (key, noise) = device_keys(office);
        Certificate {
            version: VERSION,
            clinic: self.id,
            serial: Serial::new(seed16("serial", office)),
            device: key.id().as_device(),
            noise_key: noise.1,
            name: name(office),
            office: name(office),
            kind: DeviceKind::Node,
            capabilities: Capabilities::default(),
            not_before: self.now,
            not_after: self.now.plus(days(CERTIFICATE_DAYS)),
        }
    }

    /// Signs a certificate with an admin's key without telling the record.
    pub(crate) fn certify(&self, who: &str, certificate: &Certificate) -> Signed {
        Signed::new(certificate, &self.id, &self.admins[who].key)
    }

    /// Enrols the node of one more office.
    pub(crate) fn enrol(&mut self, office: &str) -> DeviceId {
        self.enrol_as(office, |_| {})
    }

    /// Enrols a node with a certificate that differs from the ordinary one.
    pub(crate) fn enrol_as(
        &mut self,
        office: &str,
        change: impl FnOnce(&mut Certificate),
    ) -> DeviceId {
        self.enrol_by(ADMIN, office, change)
    }

    /// The same, by one of several admins.
    pub(crate) fn enrol_by(
        &mut self,
        who: &str,
        office: &str,
        change: impl FnOnce(&mut Certificate),
    ) -> DeviceId {
        let mut certificate = self.draft(office);
        change(&mut certificate);
        let signed = self.certify(who, &certificate);
        let (key, (noise_secret, _)) = device_keys(office);
        let device = SampleDevice {
            id: key.id().as_device(),
            key,
            noise_secret,
            certificate,
            signed: signed.clone(),
            grant: self.admins[who].signed.clone(),
        };
        let id = device.id;
        self.devices.insert(office.into(), device);
        let act = Act::DeviceEnrolled {
            certificate: signed,
            invitation: None,
            address: None,
        };
        self.say_as(who, act);
        id
    }

    /// The node of an office.
    pub(crate) fn device(&self, office: &str) -> &SampleDevice {
        &self.devices[office]
    }

    /// What it would take to revoke the node of an office now.
    pub(crate) fn revocation(&self, office: &str, ends: Vec<LogEnd>) -> Revocation {
        let certificate = &self.device(office).certificate;
        Revocation {
            device: certificate.device,
            serial: certificate.serial,
            noise_key: certificate.noise_key,
            ends,
            at: self.now,
        }
    }

    /// Revokes the node of an office; its logs end now.
    pub(crate) fn revoke(&mut self, office: &str) -> StatementId {
        let revocation = self.revocation(office, Vec::new());
        self.say(Act::DeviceRevoked { revocation })
    }

    /// Adds a staff member who is at home in these offices.
    pub(crate) fn staff<const N: usize>(&mut self, who: &str, homes: [&str; N]) -> StaffId {
        let staff = StaffId::new(seed16("staff", who));
        let facts = facts(who, homes);
        self.say(Act::StaffAdded { staff, facts });
        staff
    }

    /// Creates a room in which new members see everything.
    pub(crate) fn room<const N: usize>(&mut self, title: &str, members: [StaffId; N]) -> Space {
        let room = RoomId::new(seed16("room", title));
        self.say(Act::RoomCreated {
            room,
            name: name(title),
            history: History::All,
            members: sorted(members),
        });
        Space::Room(room)
    }

    /// What the root in office would sign for a key of this name to follow it, with its log up to
    /// `last`.
    pub(crate) fn rotation(&self, next: &str, last: u64) -> (SignedRotation, SigningKey) {
        let new = SigningKey::from_seed(&seed("root", next));
        let (old, record) = (self.root.id().as_admin(), self.record());
        let place = record.roots.iter().position(|root| root.key == old);
        let rotation = Rotation {
            version: rotation::VERSION,
            clinic: self.id,
            number: u8::try_from(place.expect("a root") + 1).expect("few"),
            old,
            new: new.id().as_admin(),
            last,
            history: rotation::history(&self.id, &old, &self.items, last).expect("all is here"),
        };
        (SignedRotation::new(&rotation, &self.root, &new), new)
    }

    /// An admin signs for another root key.
    pub(crate) fn say_rotated(&mut self, who: &str, rotation: &SignedRotation) -> StatementId {
        let rotation = rotation.clone();
        self.say_as(who, Act::RootRotated { rotation })
    }

    /// How many statements the root in office has made.
    pub(crate) fn root_head(&self) -> u64 {
        let root = self.root.id();
        let heads = self.heads.iter();
        let own = heads
            .filter(|(log, _)| log.author == root)
            .map(|(_, head)| head.seq);
        own.max().unwrap_or(0)
    }

    /// [`ADMIN`] signs a statement, having seen everything before it.
    pub(crate) fn say(&mut self, act: Act) -> StatementId {
        self.say_as(ADMIN, act)
    }

    /// The root signs a statement.
    pub(crate) fn say_root(&mut self, act: Act) -> StatementId {
        let key = self.root.clone();
        let seen = self.seen_by(&key.id());
        self.say_with(&key, seen, act)
    }

    /// An admin signs a statement, having seen everything before it.
    pub(crate) fn say_as(&mut self, who: &str, act: Act) -> StatementId {
        let key = self.admins[who].key.clone();
        let seen = self.seen_by(&key.id());
        self.say_with(&key, seen, act)
    }

    /// An admin signs a statement, having seen nothing of what others signed.
    pub(crate) fn say_blind(&mut self, who: &str, act: Act) -> StatementId {
        let key = self.admins[who].key.clone();
        self.say_with(&key, Vec::new(), act)
    }

    /// Whoever holds `key` signs a statement, having seen `seen`.
    pub(crate) fn say_with(&mut self, key: &SigningKey, seen: Vec<Seen>, act: Act) -> StatementId {
        let log = Log {
            space: Space::Record,
            author: key.id(),
            epoch: Epoch::RECORD,
        };
        let statement = Statement { seen, act };
        let segment = self.append(key, log, Day::NEVER, vec![statement.to_body()]);
        let id = StatementId {
            author: key.id(),
            seq: segment.first,
        };
        self.items.push(Item {
            id,
            time: segment.entries[0].header.time,
            statement,
        });
        self.segments.push(segment);
        id
    }

    fn seen_by(&self, author: &AuthorId) -> Vec<Seen> {
        let others = self
            .heads
            .iter()
            .filter(|(log, _)| log.space == Space::Record && log.author != *author);
        others
            .map(|(log, head)| Seen {
                author: log.author,
                seq: head.seq,
            })
            .collect()
    }

    /// Every statement so far, with its place.
    pub(crate) fn items(&self) -> &[Item] {
        &self.items
    }

    /// The clinic that the statements so far make.
    pub(crate) fn record(&self) -> Clinic {
        Clinic::fold_renewed(self.id, &self.items, &self.renewals)
    }

    /// Enrols a node that may renew others.
    pub(crate) fn enrol_renewer(&mut self, office: &str) -> DeviceId {
        self.enrol_as(office, |certificate| {
            certificate.capabilities = Capabilities::of([Capability::Renew, Capability::Witness]);
        })
    }

    /// One node renews another's certificate now; says what became of it.
    pub(crate) fn renew(&mut self, by: &str, office: &str) -> Result<Certificate, NotRenewed> {
        self.renew_as(by, office, |_| {})
    }

    /// One node renews another's certificate otherwise than it should; says what became of it.
    pub(crate) fn renew_as(
        &mut self,
        by: &str,
        office: &str,
        change: impl FnOnce(&mut Certificate),
    ) -> Result<Certificate, NotRenewed> {
        let device = self.device(office).id;
        let mut certificate = self.record().devices[&device].certificate.clone();
        let number = self.renewals.len().to_string();
        certificate.serial = Serial::new(seed16("renewal", &number));
        certificate.not_before = self.now;
        certificate.not_after = self.now.plus(renewal::LIFE);
        change(&mut certificate);
        let renewal = renewal::seal(certificate.clone(), &self.id, &self.device(by).key);
        let id = self.note_renewal(by, renewal);
        match self.record().not_renewed.get(&id) {
            Some(why) => Err(*why),
            None => Ok(certificate),
        }
    }

    /// A node writes a renewal into its log of the record.
    pub(crate) fn note_renewal(&mut self, by: &str, renewal: Renewal) -> RenewalId {
        let by = self.device(by).id;
        let seq = self.renewals.iter().filter(|item| item.id.by == by).count() as u64 + 1;
        let id = RenewalId {
            by,
            epoch: Epoch(1),
            seq,
        };
        let time = self.clock.tick(self.now);
        self.renewals.push(RenewalItem { id, time, renewal });
        id
    }

    /// What the node of an office judges handshakes by; it holds the first mesh key.
    pub(crate) fn trust(&self, office: &str) -> TrustView {
        let keys = BTreeMap::from([(1, mesh_key(1))]);
        let me = self.device(office).id;
        self.record().trust(me, keys, Hash::ZERO)
    }

    /// The node's log in a space; its epoch is 1.
    pub(crate) fn log(&self, office: &str, space: Space) -> Log {
        Log {
            space,
            author: self.device(office).id.into(),
            epoch: Epoch(1),
        }
    }

    /// The node of an office posts these texts as one segment, written by whoever "Ana" is.
    pub(crate) fn post(&mut self, office: &str, space: Space, texts: &[&str]) -> Segment {
        let staff = StaffId::new(seed16("staff", "Ana"));
        let body = |text: &&str| Message::text(staff, (*text).into()).to_body();
        self.write(office, space, texts.iter().map(body).collect())
    }

    /// The node of an office writes these bodies as one segment.
    pub(crate) fn write(&mut self, office: &str, space: Space, bodies: Vec<Vec<u8>>) -> Segment {
        let key = self.device(office).key.clone();
        let log = self.log(office, space);
        let last_day = self.record().policy.last_day(&space, self.now);
        self.append(&key, log, last_day, bodies)
    }

    fn append(
        &mut self,
        key: &SigningKey,
        log: Log,
        last_day: Day,
        bodies: Vec<Vec<u8>>,
    ) -> Segment {
        let head = self.heads.get(&log).copied().unwrap_or(Head::EMPTY);
        let entries = bodies.into_iter().map(|body| {
            let time = self.clock.tick(self.now);
            let salt = seed16("salt", &time.0.to_string());
            Entry::new(time, last_day, Payload { salt, body })
        });
        let (segment, end) = Segment::sign(&self.id, key, log, head, entries.collect());
        self.heads.insert(log, end);
        segment
    }

    /// The id of a space in this clinic.
    pub(crate) fn space_id(&self, space: &Space) -> SpaceId {
        space.id(&self.id)
    }
}

/// The mesh key of an epoch.
pub(crate) fn mesh_key(epoch: u32) -> MeshKey {
    MeshKey::new(seed("mesh", &epoch.to_string()))
}

/// What a sample statement says of a staff member.
pub(crate) fn facts<const N: usize>(who: &str, homes: [&str; N]) -> StaffFacts {
    let mut homes: Vec<Name> = homes.into_iter().map(name).collect();
    homes.sort();
    StaffFacts {
        name: name(who),
        roles: Vec::new(),
        homes,
        sign_in: None,
    }
}

/// A passkey at the sample clinic's pages.
pub(crate) fn passkey(n: u8) -> Passkey {
    Passkey {
        credential: vec![n; 32],
        key: PasskeyKey::P256 {
            x: [n; 32],
            y: [n.wrapping_add(1); 32],
        },
        domain: "sample-clinic.internal".into(),
        name: name("Phone"),
        counter: 5,
        copies: Copies::Never,
    }
}

/// The items in order, as lists in statements have to be.
pub(crate) fn sorted<T: Ord, const N: usize>(items: [T; N]) -> Vec<T> {
    let mut items = Vec::from(items);
    items.sort();
    items
}

/// The identity key and the Noise key pair of a device.
///
/// The Noise pair is an Ed25519 pair in its Montgomery form, so that no other crate is needed here.
pub(crate) fn device_keys(office: &str) -> (SigningKey, ([u8; 32], NoiseKey)) {
    let key = SigningKey::from_seed(&seed("device", office));
    let noise = ed25519_dalek::SigningKey::from_bytes(&seed("noise", office));
    let public = noise.verifying_key().to_montgomery().to_bytes();
    (key, (noise.to_scalar_bytes(), NoiseKey::new(public)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::time::Hlc;

    #[test]
    fn the_sample_clinic_is_sound_and_the_same_every_time() {
        let clinic = SampleClinic::of(["front-desk", "ward-2"]);
        let record = clinic.record();
        assert!(record.void.is_empty(), "{:?}", record.void);
        assert_eq!(record.members().count(), 2);
        let again = SampleClinic::of(["front-desk", "ward-2"]);
        assert_eq!(clinic.segments, again.segments);
    }

    #[test]
    fn what_it_writes_verifies() {
        let mut clinic = SampleClinic::of(["front-desk"]);
        let ana = clinic.staff("Ana", ["front-desk"]);
        let room = clinic.room("rounds", [ana]);
        let segment = clinic.post("front-desk", room, &["Bed 4 is free", "Thanks"]);
        for segment in clinic.segments.iter().chain([&segment]) {
            assert!(segment.verify(&clinic.id, Hlc(0)).is_ok());
        }
        assert_eq!(clinic.space_id(&room), room.id(&clinic.id));
    }

    #[test]
    fn the_private_half_of_a_noise_key_is_the_certified_ones() {
        let clinic = SampleClinic::of(["front-desk"]);
        let device = clinic.device("front-desk");
        let secret = x25519_dalek::StaticSecret::from(device.noise_secret);
        let public = x25519_dalek::PublicKey::from(&secret);
        assert_eq!(public.as_bytes(), device.certificate.noise_key.as_bytes());
    }
}
