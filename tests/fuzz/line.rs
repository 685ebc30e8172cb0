//! A line between two machines, with somebody on it who changes what passes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, ReadHalf, WriteHalf};
use tokio_util::compat::{Compat, TokioAsyncReadCompatExt as _};

/// One end of a line.
pub(crate) type End = Compat<DuplexStream>;

/// Bytes in flight: more than a whole handshake.
const WIRE: usize = 1 << 17;

/// Longer than a handshake may take; the time is virtual.
const PATIENCE: Duration = Duration::from_secs(60);

/// Bytes before the end of a direction from which on noise may be what stood there.
const TOO_SHORT: usize = 16;

/// What happens to the bytes of one direction.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Tamper {
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

/// What two ends came to, and how many bytes passed in each direction.
pub(crate) struct Met {
    /// Whether dialler and listener each took it for good.
    pub(crate) ends: (bool, bool),
    /// Bytes of the dialler and of the listener.
    pub(crate) passed: [usize; 2],
}

/// What is done to a handshake, made from a seed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attack {
    /// To what the dialler says, and to what the listener says.
    pub(crate) tampers: [Tamper; 2],
    /// Whether it falls where it cannot go unnoticed.
    pub(crate) shows: bool,
}

impl Attack {
    /// On one direction of a handshake whose directions have so many bytes.
    pub(crate) fn new(seed: u64, lengths: [usize; 2]) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let direction = random.random_range(0..2);
        let at = random.random_range(0..lengths[direction]);
        let tamper = match random.random_range(0..4) {
            0 => Tamper::Change(at, random.random_range(1..=255)),
            1 => Tamper::Insert(at, random.random()),
            2 => Tamper::Cut(at),
            _ => Tamper::Noise(at, random.random()),
        };
        let mut tampers = [Tamper::Nothing; 2];
        tampers[direction] = tamper;
        Self {
            tampers,
            shows: at + TOO_SHORT < lengths[direction],
        }
    }
}

/// Lets two ends talk over a line on which this is done.
pub(crate) async fn over_a_line<One, Other>(
    tampers: [Tamper; 2],
    dial: impl FnOnce(End) -> One,
    listen: impl FnOnce(End) -> Other,
) -> Met
where
    One: Future<Output = bool>,
    Other: Future<Output = bool>,
{
    let (dialler, there) = tokio::io::duplex(WIRE);
    let (listener, here) = tokio::io::duplex(WIRE);
    let (from_dialler, to_dialler) = tokio::io::split(there);
    let (from_listener, to_listener) = tokio::io::split(here);
    let passed = [Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0))];
    let pipes = [
        tokio::spawn(pipe(
            from_dialler,
            to_listener,
            tampers[0],
            passed[0].clone(),
        )),
        tokio::spawn(pipe(
            from_listener,
            to_dialler,
            tampers[1],
            passed[1].clone(),
        )),
    ];
    let both = async { tokio::join!(dial(dialler.compat()), listen(listener.compat())) };
    let ended = tokio::time::timeout(PATIENCE, both).await;
    pipes.iter().for_each(tokio::task::JoinHandle::abort);
    Met {
        ends: ended.expect("a handshake ends"),
        passed: passed.map(|count| count.load(Ordering::Relaxed)),
    }
}

/// Passes bytes on, changed.
async fn pipe(
    mut from: ReadHalf<DuplexStream>,
    mut to: WriteHalf<DuplexStream>,
    tamper: Tamper,
    count_passed: Arc<AtomicUsize>,
) {
    let (mut buffer, mut passed) = ([0; 2048], 0);
    while let Ok(count) = from.read(&mut buffer).await {
        if count == 0 {
            break;
        }
        let mut bytes = buffer[..count].to_vec();
        let cut = change(&mut bytes, passed, tamper);
        passed += count;
        count_passed.store(passed, Ordering::Relaxed);
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
