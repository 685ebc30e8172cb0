//! What this machine tells of itself.

use std::path::Path;

use crate::cli::node::settings::{Mdns, Settings};
use crate::cli::node::unlock::UnlockArgs;
use crate::cli::{Context, output};
use crate::doctor::facts::{
    Discovery, Disk, Interface, Key, Kind, Machine, Place, Port, PortState, Service,
};
use crate::node::{Store, StoreOptions, check_key};
use crate::platform::network::{self, ports};
use crate::platform::{files, lock, space};

/// Everything that does not ask on the wire. `service` is what came of asking the node.
pub(super) fn look(context: &Context, unlock: &UnlockArgs, service: Service) -> Machine {
    let dir = context.dir();
    let mut machine = Machine {
        clock: output::when_exactly(context.clock.now()),
        place: place(dir),
        interfaces: interfaces(),
        ..Machine::default()
    };
    let settings = Settings::load(dir);
    // What keeps the node from starting, though the file can be read.
    let settings = settings.and_then(|settings| settings.schedule(dir).map(|_| settings));
    match settings {
        Ok(settings) => machine.settings = Some(of_settings(&settings)),
        Err(failure) => machine.settings_error = Some(failure.message),
    }
    machine.service = match service {
        Service::Stopped => stopped(dir),
        other => other,
    };
    machine.disk = disk(dir);
    let is_there = matches!(machine.service, Service::Answers | Service::Locked);
    if is_there || machine.place != Place::Fine {
        return machine;
    }
    machine.ports = listening(&machine);
    if machine.service == Service::Stopped {
        machine.key = key(dir, unlock);
    }
    machine
}

fn place(dir: &Path) -> Place {
    match files::check_dir(dir) {
        Err(files::FileError::Missing { .. }) => Place::Empty,
        Err(error) => Place::Refused(error.to_string()),
        Ok(()) => match std::fs::read_dir(dir) {
            Err(error) => Place::Refused(error.to_string()),
            Ok(_) if Store::exists(dir) => Place::Fine,
            Ok(_) => Place::Empty,
        },
    }
}

/// The node does not answer: is its store in use all the same?
fn stopped(dir: &Path) -> Service {
    let Ok(Some(pid)) = lock::holder(&dir.join("lock")) else {
        return Service::Stopped;
    };
    let program = pid.parse().ok().and_then(ports::program);
    let by = match program {
        Some(program) => format!("\"{program}\", process {pid}"),
        None => format!("process {pid}"),
    };
    Service::InUse { by }
}

fn key(dir: &Path, unlock: &UnlockArgs) -> Key {
    match unlock.given() {
        None => Key::NotGiven,
        Some(Err(failure)) => Key::Refused(failure.message),
        Some(Ok(secret)) => match check_key(dir, &secret) {
            Ok(()) => Key::Fits,
            Err(error) => Key::Refused(error.to_string()),
        },
    }
}

fn disk(dir: &Path) -> Option<Disk> {
    let limits = StoreOptions::PRODUCT.room;
    let reserve = dir.join("reserve").metadata().map_or(0, |meta| meta.len());
    Some(Disk {
        free: space::free_bytes(dir).ok()?,
        needed: limits.messages + limits.reserve.saturating_sub(reserve),
    })
}

fn of_settings(settings: &Settings) -> crate::doctor::facts::Settings {
    let (start, unresolved) = settings.start(0);
    crate::doctor::facts::Settings {
        listen: settings.listen.clone(),
        discovery: match settings.mdns {
            Mdns::On => Discovery::On,
            Mdns::Off => Discovery::Off,
            Mdns::Loopback => Discovery::Loopback,
        },
        interfaces: settings.interfaces.clone(),
        bootstrap: start.bootstrap,
        unresolved,
    }
}

/// The interfaces of this machine.
pub(in crate::cli) fn interfaces() -> Vec<Interface> {
    let found = network::interfaces().unwrap_or_default();
    let shown = found.into_iter().map(|interface| Interface {
        kind: match interface.kind {
            network::Kind::Lan => Kind::Lan,
            network::Kind::Wifi => Kind::Wifi,
            network::Kind::Tunnel => Kind::Tunnel,
            network::Kind::Container => Kind::Container,
            network::Kind::Loopback => Kind::Loopback,
        },
        name: interface.name,
        up: interface.up,
        networks: interface.networks,
    });
    shown.collect()
}

fn listening(machine: &Machine) -> Vec<Port> {
    let addresses = machine.settings.iter().flat_map(|s| s.listen.clone());
    let looked = addresses.filter_map(|address| {
        let state = match ports::look_at(address).ok()? {
            ports::Port::Free => PortState::Free,
            ports::Port::Taken(by) => PortState::Taken(by),
            ports::Port::NotHere => PortState::NotHere,
            ports::Port::Denied => PortState::Denied,
        };
        Some(Port { address, state })
    });
    looked.collect()
}
