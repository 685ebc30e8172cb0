//! What the network saw of others lately: for whoever looks for the cause of a trouble.
//!
//! Addresses, times and reasons, and nothing else. What stands here was said by whoever is there and
//! proves nothing; it is kept on this machine and told to no peer.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::By;
use super::limits::{DEVICES_MAX, HINTS_MAX};
use super::link::{LinkId, Role};
use crate::domain::id::DeviceId;
use crate::domain::trust::Refusal;

/// Addresses of which the last news is kept, in either direction.
///
/// 256: an address for every device of the largest clinic; the one not heard of for longest makes room.
const PLACES_MAX: usize = 256;

/// How a try to connect came to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// There was no connection.
    NoConnection(io::ErrorKind),
    /// Whoever was dialled hung up at the first message, without a word.
    HungUp,
    /// The first message is not made with a mesh key of this clinic.
    Stranger,
    /// The first message is made with a mesh key of this number, which is not accepted here.
    MeshKey(u32),
    /// One of both refused the other.
    Refused {
        /// Who.
        by: By,
        /// Why.
        why: Refusal,
    },
}

/// The last that was seen of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Noted {
    /// The address; of whoever dialled us, its port says nothing.
    pub address: SocketAddr,
    /// Our part.
    pub role: Role,
    /// The device, if an admin of this clinic really certified it.
    pub device: Option<DeviceId>,
    /// What happened.
    pub what: What,
    /// How long ago.
    pub ago: Duration,
}

/// An announcement on the LAN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announced {
    /// Where.
    pub addresses: Vec<SocketAddr>,
    /// Whether a member of this clinic made it.
    pub member: bool,
}

/// A link that is up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Linked {
    /// To whom.
    pub device: DeviceId,
    /// The other end's address.
    pub address: SocketAddr,
    /// Who dialled.
    pub role: Role,
}

/// Everything that was seen.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    /// The links that are up.
    pub links: Vec<Linked>,
    /// Whether any device has connected to this one since it was started.
    pub reached: bool,
    /// Where devices were last dialled; empty where no address is known.
    pub places: BTreeMap<DeviceId, Vec<SocketAddr>>,
    /// What came to nothing.
    pub noted: Vec<Noted>,
    /// What is announced on the LAN, by others.
    pub announced: Vec<Announced>,
    /// Where the node listens.
    pub listeners: Vec<SocketAddr>,
}

/// The notebook that the network's tasks share.
#[derive(Clone, Debug, Default)]
pub(crate) struct Notebook(Arc<Mutex<Pages>>);

#[derive(Debug, Default)]
struct Pages {
    links: BTreeMap<LinkId, Linked>,
    reached: bool,
    places: BTreeMap<DeviceId, Vec<SocketAddr>>,
    /// Where we dialled.
    tried: BTreeMap<SocketAddr, Line>,
    /// Who dialled us; every connection of one machine has another port.
    came: BTreeMap<IpAddr, Line>,
    announced: BTreeMap<String, (Announced, Instant)>,
}

#[derive(Clone, Copy, Debug)]
struct Line {
    noted: Noted,
    at: Instant,
}

impl Notebook {
    /// Something came to nothing.
    pub(crate) fn note(
        &self,
        (role, address): (Role, SocketAddr),
        device: Option<DeviceId>,
        what: What,
    ) {
        let noted = Noted {
            address,
            role,
            device,
            what,
            ago: Duration::ZERO,
        };
        let at = Instant::now();
        let line = Line { noted, at };
        self.with(|pages| match role {
            Role::Dialler => keep(&mut pages.tried, address, line),
            Role::Listener => keep(&mut pages.came, address.ip(), line),
        });
    }

    /// A device is about to be dialled at these addresses.
    pub(crate) fn dials(&self, device: DeviceId, addresses: Vec<SocketAddr>) {
        self.with(|pages| {
            if pages.places.len() < DEVICES_MAX || pages.places.contains_key(&device) {
                pages.places.insert(device, addresses);
            }
        });
    }

    /// Only these devices are still dialled.
    pub(crate) fn retain(&self, keep: impl Fn(&DeviceId) -> bool) {
        self.with(|pages| pages.places.retain(|device, _| keep(device)));
    }

    /// A link has come up, so what came to nothing there before is of no interest.
    pub(crate) fn up(&self, link: LinkId, linked: Linked) {
        self.with(|pages| {
            pages.tried.remove(&linked.address);
            pages.came.remove(&linked.address.ip());
            pages.reached |= linked.role == Role::Listener;
            pages.links.insert(link, linked);
        });
    }

    /// A link is gone.
    pub(crate) fn down(&self, link: LinkId) {
        self.with(|pages| pages.links.retain(|known, _| *known != link));
    }

    /// Something was announced on the LAN.
    pub(crate) fn heard(&self, instance: &str, announced: Announced) {
        self.with(|pages| {
            if pages.announced.len() >= HINTS_MAX && !pages.announced.contains_key(instance) {
                let oldest = pages.announced.iter().min_by_key(|(_, (_, at))| *at);
                if let Some(oldest) = oldest.map(|(name, _)| name.clone()) {
                    pages.announced.remove(&oldest);
                }
            }
            let entry = (announced, Instant::now());
            pages.announced.insert(instance.to_owned(), entry);
        });
    }

    /// An announcement has ended.
    pub(crate) fn gone(&self, instance: &str) {
        self.with(|pages| drop(pages.announced.remove(instance)));
    }

    /// Whether an answer is still awaited from these addresses or from a device that is away, to a try
    /// that began after `since`.
    pub(crate) fn waits(&self, also: &[SocketAddr], since: Instant) -> bool {
        self.with(|pages| {
            let up = |device: &DeviceId| pages.links.values().any(|link| link.device == *device);
            let linked = |at: &SocketAddr| pages.links.values().any(|link| link.address == *at);
            let absent = pages.places.iter().filter(|(device, _)| !up(device));
            let places = absent.flat_map(|(_, places)| places).chain(also);
            let answered = |at: &SocketAddr| pages.tried.get(at).is_some_and(|l| l.at >= since);
            places.into_iter().any(|at| !answered(at) && !linked(at))
        })
    }

    /// What stands here.
    pub(crate) fn read(&self, listeners: Vec<SocketAddr>) -> Observed {
        self.with(|pages| Observed {
            links: pages.links.values().copied().collect(),
            reached: pages.reached,
            places: pages.places.clone(),
            noted: pages
                .tried
                .values()
                .chain(pages.came.values())
                .map(|line| Noted {
                    ago: line.at.elapsed(),
                    ..line.noted
                })
                .collect(),
            announced: pages
                .announced
                .values()
                .map(|(announced, _)| announced.clone())
                .collect(),
            listeners,
        })
    }

    fn with<T>(&self, act: impl FnOnce(&mut Pages) -> T) -> T {
        // Each act is one step, so a panic elsewhere leaves the pages whole.
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Keeps a line; when there is no room, the oldest makes it.
fn keep<K: Ord + Copy>(lines: &mut BTreeMap<K, Line>, key: K, line: Line) {
    if lines.len() >= PLACES_MAX && !lines.contains_key(&key) {
        let oldest = lines.iter().min_by_key(|(_, line)| line.at);
        if let Some(oldest) = oldest.map(|(key, _)| *key) {
            lines.remove(&oldest);
        }
    }
    lines.insert(key, line);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(number: u32) -> SocketAddr {
        (std::net::Ipv4Addr::from(0x0a00_0000 + number), 7846).into()
    }

    #[test]
    fn strangers_do_not_fill_the_notebook() {
        let notebook = Notebook::default();
        for number in 0..2 * PLACES_MAX as u32 {
            notebook.note((Role::Listener, place(number)), None, What::Stranger);
            notebook.note((Role::Dialler, place(number)), None, What::HungUp);
            let announced = Announced {
                addresses: vec![place(number)],
                member: false,
            };
            notebook.heard(&number.to_string(), announced);
        }
        let observed = notebook.read(Vec::new());
        assert_eq!(observed.noted.len(), 2 * PLACES_MAX);
        assert_eq!(observed.announced.len(), HINTS_MAX);
        let newest = place(2 * PLACES_MAX as u32 - 1);
        assert!(observed.noted.iter().any(|noted| noted.address == newest));
    }

    #[test]
    fn a_link_that_comes_up_ends_what_was_noted_of_its_place() {
        let notebook = Notebook::default();
        let device = DeviceId::new([1; 32]);
        notebook.dials(device, vec![place(1)]);
        let since = Instant::now();
        assert!(notebook.waits(&[], since));
        notebook.note((Role::Dialler, place(1)), None, What::HungUp);
        assert!(!notebook.waits(&[], since));
        let linked = Linked {
            device,
            address: place(1),
            role: Role::Dialler,
        };
        notebook.up(LinkId(1), linked);
        let observed = notebook.read(Vec::new());
        assert_eq!(observed.noted, []);
        assert_eq!(observed.links, [linked]);
        assert!(!observed.reached, "nobody has dialled us");
        assert!(!notebook.waits(&[place(1)], Instant::now()));
        notebook.down(LinkId(1));
        assert!(notebook.waits(&[], Instant::now()));
    }
}
