//! Peers and faces that mean harm, and say things that must not be repeated.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use clinic_mesh::domain::copy::RecordCopy;
use clinic_mesh::domain::id::{ClinicId, DeviceId, Hash, StaffId};
use clinic_mesh::domain::log::{Entry, Epoch, Head, Log, Payload, Segment};
use clinic_mesh::domain::message::Message;
use clinic_mesh::domain::space::Space;
use clinic_mesh::domain::time::Hlc;
use clinic_mesh::domain::trust::MeshKey;
use clinic_mesh::net::{self, By, Event, LinkId, Source, discovery};
use clinic_mesh::node::{Identity, Interfaces, MDNS_PORT};
use clinic_mesh::platform::clock::Clock;
use clinic_mesh::wire::Frame;

/// Longest wait for anything.
const PATIENCE: Duration = Duration::from_secs(60);

/// Says something to a port that expects a secure channel, and hears nothing.
pub(crate) fn shout_at(address: &str, text: &str) {
    let mut stream = TcpStream::connect(address).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    // It may have had enough before all is written.
    let _ = stream.write_all(text.as_bytes());
    let _ = stream.shutdown(Shutdown::Write);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    assert!(answer.is_empty(), "a stranger gets not one byte");
}

/// Sends a request as it stands through the node's socket, and returns the whole answer.
pub(crate) fn request(socket: &Path, head: &str, body: &str) -> String {
    let mut stream = UnixStream::connect(socket).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let length = body.len();
    let rest = "host: node\r\nconnection: close\r\ncontent-type: application/json";
    let text = format!("{head}\r\n{rest}\r\ncontent-length: {length}\r\n\r\n{body}");
    stream.write_all(text.as_bytes()).expect("it is read");
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

/// Long enough for a node to hear a frame and to cut off who sent it.
const HEARD: Duration = Duration::from_secs(2);

/// A certified device whose software means harm.
pub(crate) struct Traitor {
    identity: Identity,
    record: Vec<Segment>,
    mesh_keys: BTreeMap<u32, MeshKey>,
}

/// Whom it attacks, and with what.
pub(crate) struct Attack<'a> {
    pub(crate) victim: DeviceId,
    pub(crate) address: SocketAddr,
    /// Two people who have a conversation that is none of its business.
    pub(crate) people: (StaffId, StaffId),
    pub(crate) text: &'a str,
    /// A mesh key of its own making.
    pub(crate) key: [u8; 32],
}

impl Traitor {
    pub(crate) fn new(
        identity: Identity,
        record: Vec<Segment>,
        mesh_keys: BTreeMap<u32, MeshKey>,
    ) -> Self {
        Self {
            identity,
            record,
            mesh_keys,
        }
    }

    fn clinic(&self) -> ClinicId {
        self.identity.clinic
    }

    fn start(&self, attack: &Attack<'_>) -> (net::Handle, tokio::sync::mpsc::Receiver<Event>) {
        let me = self.identity.keys.device();
        let mut copy = RecordCopy::new(self.clinic());
        copy.merge(self.record.iter().cloned()).expect("it holds");
        let view = copy.clinic().trust(me, self.mesh_keys.clone(), Hash::ZERO);
        let identity = net::Identity {
            device: me,
            noise_key: self.identity.keys.noise_secret(),
            credentials: self.identity.credentials.clone(),
            // The sender may go: what it said last stays.
            trust: tokio::sync::watch::channel(Arc::new(view)).1,
        };
        let settings = net::Settings {
            listen: vec![(Ipv4Addr::LOCALHOST, 0).into()],
            discovery: discovery::Settings {
                interfaces: Interfaces::Off,
                port: MDNS_PORT,
            },
            seed: [1; 32],
        };
        let clock = Clock::start();
        let (net, events) =
            net::start(settings, identity, Arc::new(move || clock.now())).expect("started");
        let address = (attack.address, Source::Bootstrap);
        net.set_wanted([(attack.victim, vec![address])].into());
        (net, events)
    }

    /// Connects and says what it should not, each on a link of its own, because it is cut off after the
    /// first; returns how often it was.
    pub(crate) async fn attack(&self, attack: &Attack<'_>) -> usize {
        let mut cut_off = 0;
        for frame in self.frames(attack) {
            let (net, mut events) = self.start(attack);
            let link = linked(&mut events).await;
            net.send(link, &frame).expect("an empty queue");
            if tokio::time::timeout(HEARD, ended(&mut events))
                .await
                .is_ok()
            {
                cut_off += 1;
            }
            net.stop().await;
        }
        cut_off
    }

    /// Tries to come back after its revocation, and is turned away.
    pub(crate) async fn come_back(&self, attack: &Attack<'_>) {
        let (net, mut events) = self.start(attack);
        let refused = async {
            while let Some(event) = events.recv().await {
                if matches!(event, Event::Refused { by: By::Peer, .. }) {
                    return;
                }
                assert!(!matches!(event, Event::LinkUp(_)), "it was let in");
            }
        };
        tokio::time::timeout(PATIENCE, refused)
            .await
            .expect("in time");
        net.stop().await;
    }

    fn frames(&self, attack: &Attack<'_>) -> Vec<Frame> {
        let (ana, ben) = attack.people;
        let theirs = Space::direct(ana, ben).expect("two people");
        let own = self.identity.keys.device().into();
        let said = self.said(theirs, own, ana, attack.text);
        let mut forged = said.clone();
        forged.log.author = attack.victim.into();
        let stated = self.said(Space::Record, own, ana, attack.text);
        let mut late = self.said(theirs, own, ben, attack.text);
        late.first = 7;
        let entries = [said, forged, stated, late].map(|segment| Frame::Entries(Arc::new(segment)));
        let mut frames = Vec::from(entries);
        frames.push(Frame::MeshKey {
            epoch: 2,
            key: attack.key,
        });
        frames
    }

    /// Something that a person never said, in a log of this author, signed by this device.
    fn said(
        &self,
        space: Space,
        author: clinic_mesh::domain::id::AuthorId,
        staff: StaffId,
        text: &str,
    ) -> Segment {
        let now = Clock::start().now();
        let body = Message::text(staff, text.into()).to_body();
        let payload = Payload {
            salt: [3; 16],
            body,
        };
        let entry = Entry::new(Hlc::at(now), now.day().plus(3), payload);
        let epoch = Epoch(Hlc::at(now).0);
        let log = Log {
            space,
            author,
            epoch,
        };
        let key = self.identity.keys.signing_key();
        Segment::sign(&self.clinic(), &key, log, Head::EMPTY, vec![entry]).0
    }
}

async fn linked(events: &mut tokio::sync::mpsc::Receiver<Event>) -> LinkId {
    let up = async {
        loop {
            match events.recv().await.expect("it runs") {
                Event::LinkUp(up) => return up.link,
                other => drop(other),
            }
        }
    };
    tokio::time::timeout(PATIENCE, up).await.expect("in time")
}

async fn ended(events: &mut tokio::sync::mpsc::Receiver<Event>) {
    while let Some(event) = events.recv().await {
        if matches!(event, Event::LinkDown { .. }) {
            return;
        }
    }
}
