//! A node inside another program: a lamp at the front desk that is green while other offices are connected.
//!
//! The node's directory is made by `clinic-mesh node init` or `node join` with `--key-file`. Then this
//! program runs the node in place of `clinic-mesh node run`:
//!
//! ```text
//! cargo run --example embedded /var/lib/clinic-mesh node.key 0.0.0.0:7846 ward-2.example:7846
//! ```
//!
//! The node lives in tasks on this program's Tokio runtime. The program asks it through its handle, and
//! follows its hints, which say that something changed and never what is in a message.

use std::io::{self, Write};
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::path::Path;
use std::process::ExitCode;

use clinic_mesh::node::engine::{Command, DeviceStanding, Reply, Status};
use clinic_mesh::node::{
    self, Discovery, Handle, Interfaces, MDNS_PORT, Settings, Store, StoreOptions, Unlock,
};
use tokio::sync::broadcast::error::RecvError;
use zeroize::Zeroizing;

const USAGE: &str = "usage: embedded DIR KEY_FILE LISTEN [PEER...]";

type Failure = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main]
async fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let stop = async {
        // Without signals the program can only be killed, which the node survives as well.
        let _ = tokio::signal::ctrl_c().await;
    };
    match run(&args, &mut io::stdout(), stop).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // Nobody is left to tell if this cannot be written.
            let _ = writeln!(io::stderr(), "embedded: {failure}");
            ExitCode::FAILURE
        }
    }
}

/// Runs the node that the arguments name until `stop`, and writes a line whenever the lamp changes.
pub(crate) async fn run(
    args: &[String],
    out: &mut impl Write,
    stop: impl Future<Output = ()>,
) -> Result<(), Failure> {
    let [dir, key_file, listen, peers @ ..] = args else {
        return Err(USAGE.into());
    };
    let store = Store::open(Path::new(dir), &StoreOptions::PRODUCT, &key(key_file)?)?;
    let mut running = node::start(store, settings(listen, peers)?)?;
    tokio::select! {
        shown = follow(&running.handle, out) => shown?,
        () = stop => {}
    }
    // An orderly end: what was accepted is on disk, and the peers are told. An error says that the node has
    // stopped already; why, `ended` knows.
    let _ = running.handle.ask(Command::Stop).await;
    Ok(running.ended().await?)
}

/// Reads a key file: 64 hex digits.
fn key(path: &str) -> Result<Unlock, Failure> {
    let digits = Zeroizing::new(std::fs::read_to_string(path)?);
    let mut key = Zeroizing::new([0; 32]);
    for (number, byte) in key.iter_mut().enumerate() {
        let pair = digits.get(2 * number..2 * number + 2);
        *byte = u8::from_str_radix(pair.ok_or("a key file has 64 hex digits")?, 16)?;
    }
    Ok(Unlock::KeyFile(key))
}

fn settings(listen: &str, peers: &[String]) -> Result<Settings, Failure> {
    let mut bootstrap: Vec<SocketAddr> = Vec::new();
    for peer in peers {
        bootstrap.extend(peer.to_socket_addrs()?);
    }
    let listen: SocketAddr = listen.parse()?;
    Ok(Settings {
        listen: vec![listen],
        // A free port, bound only while somebody hosts an invitation, which this program never does.
        enrolment: SocketAddr::new(listen.ip(), 0),
        bootstrap,
        // This program is told its peers; `Interfaces::All` would find them on the LAN by itself.
        discovery: Discovery {
            interfaces: Interfaces::Off,
            port: MDNS_PORT,
        },
        days_ahead: 0,
    })
}

/// Shows the lamp until the node stops by itself.
async fn follow(node: &Handle, out: &mut impl Write) -> io::Result<()> {
    let mut hints = node.hints();
    let mut shown = None;
    while let Ok(reply) = node.ask(Command::Status).await {
        if let Reply::Status(status) = reply {
            let lamp = Lamp::of(&status);
            if shown.replace(lamp) != Some(lamp) {
                writeln!(out, "{}", lamp.words())?;
            }
        }
        match hints.recv().await {
            // Whoever falls behind looks again, and so does this program after every hint.
            Ok(_) | Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => break,
        }
    }
    Ok(())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Lamp {
    Green,
    Amber,
    Red,
}

impl Lamp {
    fn of(status: &Status) -> Self {
        match status.standing {
            DeviceStanding::Revoked => Self::Red,
            DeviceStanding::Enrolled | DeviceStanding::Unknown if status.links.is_empty() => {
                Self::Amber
            }
            DeviceStanding::Enrolled | DeviceStanding::Unknown => Self::Green,
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Green => "green: other offices are connected",
            Self::Amber => "amber: no other office is connected",
            Self::Red => "red: this machine was revoked",
        }
    }
}
