//! The handshake of two members, with somebody on the line who changes what passes.

use std::time::Duration;

use clinic_mesh::channel::{Attempt, Role, handshake};
use clinic_mesh::platform::clock::Clock;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, ReadHalf, WriteHalf};
use tokio_util::compat::TokioAsyncReadCompatExt as _;

use crate::offices::Clinic;

/// Bytes in flight: more than a whole handshake.
const WIRE: usize = 1 << 17;

/// Longer than a handshake may take; the time is virtual.
const PATIENCE: Duration = Duration::from_secs(60);

/// Bytes of a handshake in one direction, at least: where changes fall.
const REACH: usize = 1_200;

/// What happens to the bytes of one direction.
#[derive(Clone, Copy)]
enum Tamper {
    Nothing,
    /// One byte is another.
    Change(usize, u8),
    /// Bytes are put in.
    Insert(usize, u8),
    /// The line breaks.
    Cut(usize),
    /// Everything from here on is noise.
    Noise(usize, u64),
}

/// Two enrolled devices.
pub(crate) struct Place {
    clinic: Clinic,
    runtime: tokio::runtime::Runtime,
}

impl Place {
    pub(crate) fn new() -> Self {
        let mut clinic = Clinic::found();
        clinic.enrol("front-desk");
        clinic.enrol("ward-2");
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build();
        Self {
            clinic,
            runtime: runtime.expect("timers need nothing"),
        }
    }

    /// Left alone, the two meet: the target is not refusing everything for another reason.
    pub(crate) fn undisturbed(&mut self) {
        assert_eq!(self.meet(Tamper::Nothing, Tamper::Nothing), (true, true));
    }

    /// One handshake with one direction changed; it ends, and never both sides take it for good when
    /// bytes that they exchanged were changed.
    pub(crate) fn tampered(&mut self, seed: u64) {
        let mut random = StdRng::seed_from_u64(seed);
        let at = random.random_range(0..REACH);
        let tamper = match random.random_range(0..4) {
            0 => Tamper::Change(at, random.random_range(1..=255)),
            1 => Tamper::Insert(at, random.random()),
            2 => Tamper::Cut(at),
            _ => Tamper::Noise(at, random.random()),
        };
        let ends = if random.random() {
            self.meet(tamper, Tamper::Nothing)
        } else {
            self.meet(Tamper::Nothing, tamper)
        };
        // A direction that is shorter than `at` was not touched at all.
        let touched = at < 300;
        assert!(
            !touched || ends != (true, true),
            "seed {seed} was not noticed"
        );
    }

    /// Whether the dialler and the listener each have a connection in the end.
    fn meet(&mut self, out: Tamper, back: Tamper) -> (bool, bool) {
        let (dialler, there) = tokio::io::duplex(WIRE);
        let (listener, here) = tokio::io::duplex(WIRE);
        let (one, other) = (
            self.clinic.local("front-desk").clone(),
            self.clinic.local("ward-2").clone(),
        );
        let now = Clock::start().now();
        let attempt = |role| Attempt {
            role,
            address: None,
            now,
        };
        let dial = attempt(Role::Dial {
            device: None,
            epoch: None,
        });
        self.runtime.block_on(async {
            let (from_dialler, to_dialler) = tokio::io::split(there);
            let (from_listener, to_listener) = tokio::io::split(here);
            let pipes = [
                tokio::spawn(pipe(from_dialler, to_listener, out)),
                tokio::spawn(pipe(from_listener, to_dialler, back)),
            ];
            let both = async {
                tokio::join!(
                    handshake(dialler.compat(), &one, dial),
                    handshake(listener.compat(), &other, attempt(Role::Listen)),
                )
            };
            let ended = tokio::time::timeout(PATIENCE, both).await;
            pipes.iter().for_each(tokio::task::JoinHandle::abort);
            let (dialled, heard) = ended.expect("a handshake ends");
            (dialled.is_ok(), heard.is_ok())
        })
    }
}

/// Passes bytes on, changed.
async fn pipe(mut from: ReadHalf<DuplexStream>, mut to: WriteHalf<DuplexStream>, tamper: Tamper) {
    let (mut buffer, mut passed) = ([0; 2048], 0);
    while let Ok(count) = from.read(&mut buffer).await {
        if count == 0 {
            break;
        }
        let mut bytes = buffer[..count].to_vec();
        let cut = change(&mut bytes, passed, tamper);
        passed += count;
        if to.write_all(&bytes).await.is_err() || cut {
            break;
        }
    }
    // The other end may be gone already.
    let _ = to.shutdown().await;
}

/// Changes bytes that begin at `start` of the direction; whether the line breaks after them.
fn change(bytes: &mut Vec<u8>, start: usize, tamper: Tamper) -> bool {
    let place = |at: usize| at.checked_sub(start).filter(|at| *at < bytes.len());
    match tamper {
        Tamper::Nothing => {}
        Tamper::Change(at, by) => {
            if let Some(at) = place(at) {
                bytes[at] ^= by;
            }
        }
        Tamper::Insert(at, byte) => {
            if let Some(at) = place(at) {
                bytes.insert(at, byte);
            }
        }
        Tamper::Cut(at) => {
            if let Some(at) = place(at) {
                bytes.truncate(at);
                return true;
            }
        }
        Tamper::Noise(at, seed) => {
            let mut random = StdRng::seed_from_u64(seed);
            let from = at.saturating_sub(start).min(bytes.len());
            bytes[from..]
                .iter_mut()
                .for_each(|byte| *byte = random.random());
        }
    }
    false
}
