//! The clinic's people with keys: the root, the admins and what they sign.
//!
//! The authority lives outside the mesh, as it does in a clinic: it signs on some office's machine,
//! having seen what that office holds of the record, and keeps a copy of everything it signed.

use std::collections::BTreeMap;
use std::time::Duration;

use clinic_mesh::domain::cert::{
    Capabilities, Capability, Certificate, DeviceKind, Grant, Scope, Scopes, VERSION,
};
use clinic_mesh::domain::id::{
    AdminId, AuthorId, ClinicId, Hash, InvitationId, NoiseKey, RoomId, Serial, StaffId,
};
use clinic_mesh::domain::log::{Entry, Epoch, Head, Log, Payload, Segment};
use clinic_mesh::domain::name::Name;
use clinic_mesh::domain::sign::{Signed, SigningKey};
use clinic_mesh::domain::space::Space;
use clinic_mesh::domain::statement::{
    Act, History, Revocation, Seen, StaffFacts, Statement, StatementId,
};
use clinic_mesh::domain::time::{Day, Hlc, WallTime};
use clinic_mesh::domain::trust::MeshKey;

/// One day.
pub(crate) const DAY: Duration = Duration::from_secs(24 * 3600);

/// The admin that is never ended, so that a clinic can always go on.
pub(crate) const ROBIN: usize = 0;

/// The admin that only looks after staff: what else she signs does not count.
pub(crate) const LEE: usize = 2;

/// An admin with a key.
pub(crate) struct AdminKey {
    pub(crate) key: SigningKey,
    pub(crate) grant: Signed,
    pub(crate) granted: bool,
    pub(crate) last: Option<u64>,
}

/// A machine with its keys, enrolled or not yet.
pub(crate) struct Machine {
    pub(crate) key: SigningKey,
    pub(crate) noise: NoiseKey,
    pub(crate) office: Name,
    pub(crate) capabilities: Capabilities,
    /// The newest certificate, with the grant of its issuer.
    pub(crate) certificate: Option<(Certificate, Signed, Signed)>,
}

/// One statement that exists somewhere.
#[derive(Clone)]
pub(crate) struct Said {
    pub(crate) id: StatementId,
    pub(crate) time: Hlc,
    pub(crate) statement: Statement,
}

/// Everyone who signs statements, and all that they signed.
pub(crate) struct Authority {
    pub(crate) id: ClinicId,
    pub(crate) root: SigningKey,
    /// The root keys before that, oldest first.
    pub(crate) old_roots: Vec<SigningKey>,
    /// What the clinic had said with the root key when somebody else began to use it, until it is
    /// changed.
    pub(crate) stolen: Option<u64>,
    pub(crate) admins: Vec<AdminKey>,
    pub(crate) machines: Vec<Machine>,
    pub(crate) staff: Vec<StaffId>,
    pub(crate) rooms: Vec<RoomId>,
    pub(crate) said: BTreeMap<StatementId, Said>,
    pub(crate) segments: BTreeMap<AuthorId, Vec<Segment>>,
    pub(crate) mesh_keys: BTreeMap<u32, MeshKey>,
    heads: BTreeMap<AuthorId, (Head, Hlc)>,
}

pub(crate) fn name(text: &str) -> Name {
    Name::new(text).expect("the simulator uses plain names")
}

pub(crate) fn seed(purpose: &str, number: usize) -> [u8; 32] {
    *Hash::of(
        "simulator",
        &[purpose.as_bytes(), &(number as u64).to_be_bytes()],
    )
    .as_bytes()
}

fn seed16(purpose: &str, number: usize) -> [u8; 16] {
    let mut short = [0; 16];
    short.copy_from_slice(&seed(purpose, number)[..16]);
    short
}

impl Authority {
    /// Keys of a clinic of so many machines; nothing is signed yet.
    pub(crate) fn new(machines: usize, people: usize, rooms: usize, witnesses: usize) -> Self {
        let root = SigningKey::from_seed(&seed("root", 0));
        let id = ClinicId::of_root(&root.id().as_admin());
        let machine = |number: usize| Machine {
            key: SigningKey::from_seed(&seed("device", number)),
            noise: noise_key(number),
            // The fifth machine stands in the first office, beside the first.
            office: name(&format!("office-{}", number % 4)),
            capabilities: Capabilities::of((number < witnesses).then_some(Capability::Witness)),
            certificate: None,
        };
        let mut authority = Self {
            id,
            root,
            old_roots: Vec::new(),
            stolen: None,
            admins: Vec::new(),
            machines: (0..machines).map(machine).collect(),
            staff: (0..people)
                .map(|number| StaffId::new(seed16("staff", number)))
                .collect(),
            rooms: (0..rooms)
                .map(|number| RoomId::new(seed16("room", number)))
                .collect(),
            said: BTreeMap::new(),
            segments: BTreeMap::new(),
            mesh_keys: BTreeMap::new(),
            heads: BTreeMap::new(),
        };
        for (number, scopes) in [
            Scopes::of(Scopes::ALL),
            Scopes::of(Scopes::ALL),
            Scopes::of([Scope::Staff]),
            Scopes::of(Scopes::ALL),
        ]
        .into_iter()
        .enumerate()
        {
            authority.admin(number, scopes);
        }
        authority
    }

    fn admin(&mut self, number: usize, scopes: Scopes) {
        let key = SigningKey::from_seed(&seed("admin", number));
        let grant = Grant {
            version: VERSION,
            clinic: self.id,
            admin: key.id().as_admin(),
            name: name(&format!("admin-{number}")),
            scopes,
            not_after: WallTime(u64::MAX >> 17),
        };
        let grant = Signed::new(&grant, &self.id, &self.root);
        self.admins.push(AdminKey {
            key,
            grant,
            granted: false,
            last: None,
        });
    }

    /// The id of an admin.
    pub(crate) fn admin_id(&self, number: usize) -> AdminId {
        self.admins[number].key.id().as_admin()
    }

    /// The newest number that an author of the record used.
    pub(crate) fn newest(&self, author: &AuthorId) -> u64 {
        self.heads.get(author).map_or(0, |(head, _)| head.seq)
    }

    /// Whether an admin is in office.
    pub(crate) fn in_office(&self, number: usize) -> bool {
        self.admins[number].granted && self.admins[number].last.is_none()
    }

    /// Signs an act with a key, having seen `seen`, and keeps a copy.
    pub(crate) fn say(
        &mut self,
        key: &SigningKey,
        seen: Vec<Seen>,
        now: WallTime,
        act: Act,
    ) -> StatementId {
        let author = key.id();
        let (head, last) = self
            .heads
            .get(&author)
            .copied()
            .unwrap_or((Head::EMPTY, Hlc(0)));
        let time = Hlc::at(now).max(last);
        let mut seen: Vec<Seen> = seen
            .into_iter()
            .filter(|line| line.author != author)
            .collect();
        seen.sort_unstable();
        let statement = Statement { seen, act };
        let salt = seed16("salt", self.said.len());
        let body = statement.to_body();
        let entry = Entry::new(time, Day::NEVER, Payload { salt, body });
        let log = record_log(author);
        let (segment, end) = Segment::sign(&self.id, key, log, head, vec![entry]);
        self.heads.insert(author, (end, time));
        self.segments.entry(author).or_default().push(segment);
        let id = StatementId {
            author,
            seq: end.seq,
        };
        let said = Said {
            id,
            time,
            statement,
        };
        self.said.insert(id, said);
        id
    }

    /// The act of granting an admin.
    pub(crate) fn grant(&mut self, number: usize) -> Act {
        self.admins[number].granted = true;
        Act::AdminGranted {
            grant: self.admins[number].grant.clone(),
        }
    }

    /// Another root key is in office; it grants who was not granted yet.
    pub(crate) fn follow(&mut self, root: SigningKey) {
        for admin in self.admins.iter_mut().filter(|admin| !admin.granted) {
            let grant: Grant = minicbor::decode(&admin.grant.body).expect("signed here");
            admin.grant = Signed::new(&grant, &self.id, &root);
        }
        self.old_roots.push(std::mem::replace(&mut self.root, root));
        self.stolen = None;
    }

    /// Certifies a machine from `now` on; the admin must sign the statement as well.
    pub(crate) fn enrol(
        &mut self,
        machine: usize,
        admin: usize,
        now: WallTime,
        invitation: Option<InvitationId>,
    ) -> Act {
        let serial = self.said.len();
        let grant = self.admins[admin].grant.clone();
        let subject = &self.machines[machine];
        let certificate = Certificate {
            version: VERSION,
            clinic: self.id,
            serial: Serial::new(seed16("serial", serial)),
            device: subject.key.id().as_device(),
            noise_key: subject.noise,
            name: name(&format!("machine-{machine}")),
            office: subject.office.clone(),
            kind: DeviceKind::Node,
            capabilities: subject.capabilities,
            not_before: now,
            not_after: now.plus(DAY * 30),
        };
        let signed = Signed::new(&certificate, &self.id, &self.admins[admin].key);
        self.machines[machine].certificate = Some((certificate, signed.clone(), grant));
        Act::DeviceEnrolled {
            certificate: signed,
            invitation,
            address: None,
        }
    }

    /// The act of revoking a machine.
    pub(crate) fn revoke(
        &self,
        machine: usize,
        ends: Vec<clinic_mesh::domain::statement::LogEnd>,
        at: WallTime,
    ) -> Option<Act> {
        let (certificate, ..) = self.machines[machine].certificate.as_ref()?;
        let revocation = Revocation {
            device: certificate.device,
            serial: certificate.serial,
            noise_key: certificate.noise_key,
            ends,
            at,
        };
        Some(Act::DeviceRevoked { revocation })
    }

    /// The act of making a mesh key; the key itself is kept here.
    pub(crate) fn rotate(&mut self, epoch: u32) -> Act {
        let commitment = self.mesh_key(epoch);
        Act::MeshKeyRotated { epoch, commitment }
    }

    /// The act of planning some; the keys themselves are kept here.
    pub(crate) fn plan(&mut self, first: u32, begins: WallTime, count: u32) -> Act {
        let commitments = (first..first + count).map(|epoch| self.mesh_key(epoch));
        Act::MeshKeysPlanned {
            first,
            begins,
            commitments: commitments.collect(),
        }
    }

    fn mesh_key(&mut self, epoch: u32) -> Hash {
        let key = MeshKey::new(seed("mesh", epoch as usize + self.said.len() * 1000));
        let commitment = key.commitment(&self.id, epoch);
        self.mesh_keys.entry(epoch).or_insert(key);
        commitment
    }

    /// What is said of a staff member.
    pub(crate) fn facts(&self, person: usize, offices: &[usize]) -> StaffFacts {
        let mut homes: Vec<Name> = offices
            .iter()
            .map(|office| name(&format!("office-{office}")))
            .collect();
        homes.sort();
        homes.dedup();
        StaffFacts {
            name: name(&format!("person-{person}")),
            roles: Vec::new(),
            homes,
            sign_in: None,
        }
    }

    /// The act of making a room.
    pub(crate) fn room(&self, room: usize, history: History, members: &[usize]) -> Act {
        Act::RoomCreated {
            room: self.rooms[room],
            name: name(&format!("room-{room}")),
            history,
            members: self.people(members),
        }
    }

    /// Staff ids, sorted, none twice.
    pub(crate) fn people(&self, people: &[usize]) -> Vec<StaffId> {
        let mut ids: Vec<StaffId> = people.iter().map(|person| self.staff[*person]).collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    }

    /// Everything that was signed, as segments, each author's in order, the root's first.
    pub(crate) fn everything(&self) -> Vec<Segment> {
        let root = self.root.id();
        let of_root = self.segments.get(&root).into_iter();
        let others = self
            .segments
            .iter()
            .filter(|(author, _)| **author != root)
            .map(|(_, segments)| segments);
        of_root.chain(others).flatten().cloned().collect()
    }
}

/// The log of an author in the clinic record.
pub(crate) fn record_log(author: AuthorId) -> Log {
    Log {
        space: Space::Record,
        author,
        epoch: Epoch::RECORD,
    }
}

fn noise_key(number: usize) -> NoiseKey {
    let secret = x25519_dalek::StaticSecret::from(seed("noise", number));
    NoiseKey::new(*x25519_dalek::PublicKey::from(&secret).as_bytes())
}
