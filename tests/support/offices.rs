//! A real little clinic inside one process: real keys, stores and sockets on loopback.

#![allow(
    dead_code,
    reason = "each user of this module needs another part of it"
)]

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clinic_mesh::authority::{self, Authority, Founding, Passphrase};
use clinic_mesh::channel::{Local, StaticKey, Verified};
use clinic_mesh::domain::audit::Origin;
use clinic_mesh::domain::cert::DeviceKind;
use clinic_mesh::domain::enrol::{self, Arrival, EnrolmentRequest, Promise, Terms};
use clinic_mesh::domain::id::{DeviceId, Hash, StaffId};
use clinic_mesh::domain::message::EntryId;
use clinic_mesh::domain::name::Name;
use clinic_mesh::domain::space::Space;
use clinic_mesh::domain::statement::{History, Role};
use clinic_mesh::domain::time::WallTime;
use clinic_mesh::domain::trust::Credentials;
use clinic_mesh::net::discovery::{self, Interfaces, MDNS_PORT};
use clinic_mesh::node::engine::{Command, Page, Reply, Status};
use clinic_mesh::node::{self, DeviceKeys, Enrolled, Handle, Identity, Running};
use clinic_mesh::platform::clock::Clock;
use clinic_mesh::platform::entropy;
use clinic_mesh::store::{Cost, Options, RoomLimits, Store, Unlock};

/// A clinic with its authority and the directories of its offices.
pub(crate) struct Clinic {
    dir: tempfile::TempDir,
    authority: Authority,
    pub(crate) staff: BTreeMap<String, StaffId>,
    pub(crate) devices: BTreeMap<String, DeviceId>,
    locals: BTreeMap<String, Local>,
}

/// A running office.
pub(crate) struct Office {
    pub(crate) name: String,
    pub(crate) running: Running,
    pub(crate) device: DeviceId,
}

pub(crate) fn name(text: &str) -> Name {
    text.parse().expect("a name")
}

fn now() -> WallTime {
    Clock::start().now()
}

pub(crate) fn options() -> Options {
    Options {
        cost: Cost::CHEAP,
        room: RoomLimits {
            reserve: 1 << 20,
            messages: 1 << 20,
            low: 1 << 18,
        },
    }
}

pub(crate) fn unlock() -> Unlock {
    Unlock::KeyFile(zeroize::Zeroizing::new([7; 32]))
}

impl Clinic {
    /// Founds a clinic; everything is in a scratch directory.
    pub(crate) fn found() -> Self {
        Self::found_in(tempfile::tempdir().expect("a scratch directory"))
    }

    /// Founds a clinic in a directory.
    pub(crate) fn found_in(dir: tempfile::TempDir) -> Self {
        let path = dir.path().join("authority");
        let passphrase = Passphrase::chosen("a long enough passphrase").expect("long enough");
        let cost = authority::Cost {
            memory_kib: 64,
            passes: 1,
            lanes: 1,
        };
        let founding = Founding {
            clinic_name: name("Elm Street Clinic"),
            web_domain: None,
            admin_name: name("Ana"),
            root_passphrase: passphrase.clone(),
            admin_passphrase: passphrase.clone(),
            cost,
        };
        authority::found(&path, &founding, now(), entropy::os()).expect("founded");
        let authority =
            Authority::open_admin(&path, &name("Ana"), &passphrase, entropy::os()).expect("opened");
        Self {
            dir,
            authority,
            staff: BTreeMap::new(),
            devices: BTreeMap::new(),
            locals: BTreeMap::new(),
        }
    }

    pub(crate) fn authority(&mut self) -> &mut Authority {
        &mut self.authority
    }

    pub(crate) fn office_dir(&self, office: &str) -> PathBuf {
        self.dir.path().join(office)
    }

    /// Adds a staff member whose home is one office.
    pub(crate) fn add_staff(&mut self, person: &str, office: &str) -> StaffId {
        let made = self
            .authority
            .add_staff(
                name(person),
                vec![Role::Clinician],
                vec![name(office)],
                now(),
            )
            .expect("added");
        self.staff.insert(person.to_owned(), made.made.0);
        made.made.0
    }

    /// Creates a room of these people.
    pub(crate) fn add_room(&mut self, room: &str, people: &[&str]) -> Space {
        let mut members: Vec<StaffId> = people.iter().map(|person| self.staff[*person]).collect();
        members.sort_unstable();
        let made = self
            .authority
            .create_room(name(room), History::All, members, now())
            .expect("created");
        Space::Room(made.made)
    }

    /// Enrols an office's node and makes its store.
    pub(crate) fn enrol(&mut self, office: &str) -> DeviceId {
        let keys = DeviceKeys::new(&entropy::array(), &entropy::array());
        let noise_key = StaticKey::from_secret(&keys.noise_secret()).public();
        let request = EnrolmentRequest {
            version: enrol::VERSION,
            device: keys.device(),
            noise_key,
            name: name(office),
            address: None,
            invitation: None,
            binding: None,
            made_at: now(),
            web_key: Some(keys.web_key().public()),
        };
        let signed = request.sign(None, &keys.signing_key());
        let terms = Terms {
            office: name(office),
            name: name(office),
            kind: DeviceKind::Node,
            invitation: None,
        };
        self.authority
            .approve(&signed, Arrival::Offline, Some(terms), now())
            .expect("approved");
        self.devices.insert(office.to_owned(), keys.device());
        let answer = self
            .authority
            .answer(keys.device(), now())
            .expect("answered");
        let promise = Promise {
            device: keys.device(),
            noise_key,
            clinic: None,
            office: None,
            name: None,
            kind: None,
        };
        let (copy, known) = answer.check(&promise, now()).expect("a good answer");
        let mesh_keys = answer
            .mesh_keys
            .iter()
            .map(|key| (key.epoch, key.key.clone()));
        let view = known.trust(
            keys.device(),
            mesh_keys.collect::<BTreeMap<_, _>>(),
            Hash::ZERO,
        );
        let credentials = Credentials {
            certificate: answer.certificate.clone(),
            grant: answer.grant.clone(),
            chain: None,
        };
        let local = Local {
            key: StaticKey::from_secret(&keys.noise_secret()),
            credentials: Arc::new(credentials),
            trust: tokio::sync::watch::channel(Arc::new(view)).1,
            verified: Verified::default(),
            renewer: clinic_mesh::channel::renewal::Renewer::default(),
        };
        self.locals.insert(office.to_owned(), local);
        let identity = Identity {
            clinic: answer.clinic,
            keys: keys.clone(),
            credentials: Credentials {
                certificate: answer.certificate,
                grant: answer.grant,
                chain: None,
            },
        };
        let enrolled = Enrolled {
            identity,
            record: copy.segments().cloned().collect(),
            mesh_keys: answer
                .mesh_keys
                .iter()
                .map(|key| (key.epoch, key.key.clone()))
                .collect(),
        };
        node::create(
            &self.office_dir(office),
            &options(),
            &unlock(),
            &enrolled,
            now(),
        )
        .expect("created");
        keys.device()
    }

    /// Starts an office's node on a free port of loopback.
    pub(crate) fn start(&self, office: &str, bootstrap: &[SocketAddr]) -> Office {
        self.start_ahead(office, bootstrap, 0)
    }

    /// The same with a clock that is so many days ahead.
    pub(crate) fn start_ahead(&self, office: &str, bootstrap: &[SocketAddr], days: u32) -> Office {
        let running = run_ahead(open(&self.office_dir(office)), bootstrap, days);
        Office {
            name: office.to_owned(),
            running,
            device: self.devices[office],
        }
    }

    /// What an office's device brings into a handshake.
    pub(crate) fn local(&self, office: &str) -> &Local {
        &self.locals[office]
    }

    /// Gives a node everything the authority has signed.
    pub(crate) async fn publish(&self, office: &Office) {
        let segments = self.authority.record().segments().cloned().collect();
        let reply = office
            .ask(Command::Submit {
                segments,
                mesh_keys: Vec::new(),
            })
            .await;
        match reply {
            Reply::Submitted(void) => assert!(void.is_empty(), "{void:?}"),
            other => panic!("{other:?}"),
        }
    }
}

/// Opens a store of an office that is not running.
pub(crate) fn open(dir: &Path) -> Store {
    Store::open(dir, &options(), &unlock()).expect("the store opens")
}

/// Runs the node of a store on a free port of loopback.
pub(crate) fn run(store: Store, bootstrap: &[SocketAddr]) -> Running {
    run_ahead(store, bootstrap, 0)
}

fn run_ahead(store: Store, bootstrap: &[SocketAddr], days_ahead: u32) -> Running {
    let settings = node::Settings {
        listen: vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 0))],
        bootstrap: bootstrap.to_vec(),
        enrolment: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        discovery: discovery::Settings {
            interfaces: Interfaces::Off,
            port: MDNS_PORT,
        },
        days_ahead,
    };
    node::start(store, settings).expect("started")
}

impl Office {
    pub(crate) async fn ask(&self, command: Command) -> Reply {
        self.running
            .handle
            .ask(command)
            .await
            .expect("the node runs")
    }

    pub(crate) async fn address(&self) -> SocketAddr {
        loop {
            if let Some(address) = self.running.net.listeners().first() {
                return *address;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    pub(crate) async fn post(&self, staff: StaffId, space: Space, text: &str) -> EntryId {
        post(&self.running.handle, staff, space, text.to_owned()).await
    }

    pub(crate) async fn page(&self, staff: StaffId, space: Space) -> Page {
        let origin = Origin::Socket;
        let command = Command::Read {
            staff,
            origin,
            space,
            before: None,
            limit: 100,
        };
        match self.ask(command).await {
            Reply::Page(page) => page,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn texts(&self, staff: StaffId, space: Space) -> Vec<String> {
        let page = self.page(staff, space).await;
        page.messages
            .into_iter()
            .filter_map(|line| line.text)
            .collect()
    }

    pub(crate) async fn status(&self) -> Status {
        match self.ask(Command::Status).await {
            Reply::Status(status) => *status,
            other => panic!("{other:?}"),
        }
    }

    /// Waits until the state of this node is as wished.
    pub(crate) async fn until(&self, what: &str, wished: impl Fn(&Status) -> bool) {
        for _ in 0..2000 {
            if wished(&self.status().await) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!(
            "{} waited in vain until {what}: {:?}",
            self.name,
            self.status().await
        );
    }

    /// Stops the node in order.
    pub(crate) async fn stop(mut self) {
        self.ask(Command::Stop).await;
        self.running.ended().await.expect("an orderly end");
    }
}

/// Posts and waits until the message is durable on the poster's node.
pub(crate) async fn post(handle: &Handle, staff: StaffId, space: Space, text: String) -> EntryId {
    let (origin, written) = (Origin::Socket, text.as_str().into());
    match handle
        .ask(Command::Post {
            staff,
            origin,
            space,
            written,
        })
        .await
        .expect("the node runs")
    {
        Reply::Posted(id) => id,
        other => panic!("{other:?}"),
    }
}
