//! The figures of the mesh: `cargo bench --bench mesh [-- NAME…]`.
//!
//! Real nodes in one process (unless said otherwise), real stores on this machine's disk, real
//! sockets on loopback. Each figure is one JSON line on standard output, with the conditions and,
//! where there is one, the floor measured in the same run.

#![allow(clippy::print_stdout, reason = "figures are what it prints")]

#[path = "mesh/frames.rs"]
mod frames;
#[path = "../tests/support/offices.rs"]
mod offices;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clinic_mesh::domain::audit::Origin;
use clinic_mesh::domain::id::StaffId;
use clinic_mesh::domain::log::Log;
use clinic_mesh::domain::space::Space;
use clinic_mesh::node::Handle;
use clinic_mesh::node::engine::{Changed, Command, Reply};
use clinic_mesh::platform::clock::Clock;
use clinic_mesh::platform::vault::BackupKey;
use clinic_mesh::store::{Batch, Meta};
use offices::{Clinic, Office};
use serde_json::{Value, json};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

/// The size that the figures are stated for.
const BODY: usize = 512;

/// Between one typed message and the next: what follows a message is over by then.
const PAUSE: Duration = Duration::from_millis(3);

fn main() {
    let wished: Vec<String> = std::env::args()
        .skip(1)
        .filter(|arg| !arg.starts_with('-'))
        .collect();
    if let Some(dir) = std::env::var_os(CHILD) {
        runtime().block_on(idle_child(Path::new(&dir)));
        return;
    }
    let all: [(&str, fn()); 8] = [
        ("message", || runtime().block_on(one_message())),
        ("stream", || runtime().block_on(stream())),
        ("catch-up", || runtime().block_on(catch_up())),
        ("resume", || runtime().block_on(resume())),
        ("handshake", || runtime().block_on(handshake::measure())),
        ("idle", idle),
        ("backup", || runtime().block_on(backup())),
        ("purge", || runtime().block_on(purge())),
    ];
    for (name, figure) in all {
        if wished.is_empty() || wished.iter().any(|wish| wish == name) {
            eprintln!("measuring: {name}");
            figure();
        }
    }
}

/// Runs a measurement as a task of its own, as a node's faces and links are: a thread outside the runtime would
/// be one more to wake with each answer.
async fn on_a_task<T: Send + 'static>(measured: impl Future<Output = T> + Send + 'static) -> T {
    tokio::spawn(measured).await.expect("measured")
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime")
}

fn print(name: &str, figure: Value) {
    println!("{}", json!({ "figure": name, "result": figure }));
}

/// Median, p99 and count of durations, in milliseconds.
fn summary(mut times: Vec<Duration>) -> Value {
    times.sort_unstable();
    let at = |part: f64| {
        let index = ((times.len() - 1) as f64 * part).round() as usize;
        times[index].as_secs_f64() * 1000.0
    };
    json!({ "median_ms": at(0.5), "p99_ms": at(0.99), "count": times.len() })
}

/// Two connected offices with one person each.
struct Pair {
    clinic: Clinic,
    desk: Office,
    ward: Office,
    ana: StaffId,
    space: Space,
}

async fn pair() -> Pair {
    let (clinic, ana, space) = founded();
    let desk = clinic.start("desk", &[]);
    clinic.publish(&desk).await;
    let ward = clinic.start("ward", &[desk.address().await]);
    ward.until("in sync", |status| {
        status.links.iter().any(|link| link.in_sync)
    })
    .await;
    desk.until("in sync", |status| {
        status.links.iter().any(|link| link.in_sync)
    })
    .await;
    Pair {
        clinic,
        desk,
        ward,
        ana,
        space,
    }
}

fn founded() -> (Clinic, StaffId, Space) {
    let mut clinic = Clinic::found();
    let ana = clinic.add_staff("Ana", "desk");
    let ben = clinic.add_staff("Ben", "ward");
    clinic.enrol("desk");
    clinic.enrol("ward");
    (clinic, ana, Space::direct(ana, ben).expect("two people"))
}

/// Waits for a hint; a receiver that fell behind goes on with the next.
async fn hint(hints: &mut Receiver<Changed>, wished: impl Fn(&Changed) -> bool) {
    loop {
        match hints.recv().await {
            Ok(changed) if wished(&changed) => return,
            Ok(_) | Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => panic!("the node stopped"),
        }
    }
}

/// When an office got its first channel; that may have been before anybody listened for hints.
async fn connected(office: &Office, hints: &mut Receiver<Changed>) -> Instant {
    let asked = Instant::now();
    if !office.status().await.links.is_empty() {
        return asked;
    }
    hint(hints, |changed| {
        matches!(changed, Changed::Connected { .. })
    })
    .await;
    Instant::now()
}

fn is_receipt(changed: &Changed, log: &Log, least: u64) -> bool {
    matches!(changed, Changed::Receipts { space, author, epoch, seq, .. }
        if *space == log.space && *author == log.author && *epoch == log.epoch && *seq >= least)
}

async fn one_message() {
    const COUNT: usize = 2000;
    let pair = pair().await;
    let (handle, ana, space) = (pair.desk.running.handle.clone(), pair.ana, pair.space);
    let (whole, local) = on_a_task(async move {
        let text = "x".repeat(BODY);
        let mut hints = handle.hints();
        let (mut whole, mut local) = (Vec::new(), Vec::new());
        for round in 0..COUNT + 100 {
            let start = Instant::now();
            let id = offices::post(&handle, ana, space, text.clone()).await;
            let durable = start.elapsed();
            hint(&mut hints, |changed| is_receipt(changed, &id.log(), id.seq)).await;
            if round >= 100 {
                whole.push(start.elapsed());
                local.push(durable);
            }
            // Typing is not a flood: what follows a message is over before the next one.
            tokio::time::sleep(PAUSE).await;
        }
        (whole, local)
    })
    .await;
    let floor = two_commits(pair.clinic.office_dir("floor"), Duration::ZERO);
    let paced = two_commits(pair.clinic.office_dir("paced"), PAUSE);
    print(
        "message",
        json!({
            "what": "typed, durable here, durable and attested there",
            "whole": summary(whole), "durable_here": summary(local), "floor_two_commits": floor,
            "floor_at_the_same_pace": paced,
            "conditions": "512 bytes, one at a time, both nodes in one process, loopback, 2 cores",
        }),
    );
}

/// The time of two durable commits of one message's bytes, one after the other, and nothing else.
///
/// Without a pause the caches and the disk stay warm as they never are when somebody types.
fn two_commits(dir: PathBuf, pause: Duration) -> Value {
    let options = clinic_mesh::store::Options::PRODUCT;
    let unlock = clinic_mesh::store::Unlock::KeyFile(zeroize::Zeroizing::new([7; 32]));
    let store = clinic_mesh::store::Store::create(&dir, &options, &unlock).expect("a store");
    let commit = |n: usize| {
        let meta = Meta {
            name: format!("m{n:06}"),
            value: Some(vec![7; BODY]),
        };
        store
            .commit(Batch {
                metas: vec![meta],
                ..Batch::default()
            })
            .expect("durable");
    };
    let times = (0..1000).map(|n| {
        let start = Instant::now();
        commit(2 * n);
        commit(2 * n + 1);
        let time = start.elapsed();
        std::thread::sleep(pause);
        time
    });
    summary(times.collect())
}

/// Posts `count` messages with many on the way; returns the log and the last number.
async fn pour(handle: &Handle, staff: StaffId, space: Space, count: usize) -> (Log, u64) {
    const WRITERS: usize = 1024;
    let mut tasks = tokio::task::JoinSet::new();
    let text = "x".repeat(BODY);
    for writer in 0..WRITERS {
        let (handle, text) = (handle.clone(), text.clone());
        let share = count / WRITERS + usize::from(writer < count % WRITERS);
        tasks.spawn(async move {
            let mut newest = None;
            for _ in 0..share {
                newest = Some(offices::post(&handle, staff, space, text.clone()).await);
            }
            newest
        });
    }
    let ids = tasks.join_all().await;
    let newest = ids
        .into_iter()
        .flatten()
        .max_by_key(|id| id.seq)
        .expect("something was posted");
    (newest.log(), newest.seq)
}

async fn stream() {
    const COUNT: usize = 200_000;
    let pair = pair().await;
    pour(&pair.desk.running.handle, pair.ana, pair.space, 20_000).await;
    let mut hints = pair.desk.running.handle.hints();
    let start = Instant::now();
    let (log, last) = pour(&pair.desk.running.handle, pair.ana, pair.space, COUNT).await;
    let here = start.elapsed();
    if attested(&pair.desk, &log, last).await < last {
        hint(&mut hints, |changed| is_receipt(changed, &log, last)).await;
    }
    let there = start.elapsed();
    print(
        "stream",
        json!({
            "what": "512-byte messages, pipelined",
            "durable_here_per_s": COUNT as f64 / here.as_secs_f64(),
            "attested_there_per_s": COUNT as f64 / there.as_secs_f64(), "count": COUNT,
            "conditions": "1,024 writers, both nodes in one process, loopback, 2 cores",
        }),
    );
}

/// Up to where the other office attests the log, as the newest message's receipts say.
async fn attested(office: &Office, log: &Log, last: u64) -> u64 {
    let staff = match log.space {
        Space::Direct(one, other) => [one, other],
        _ => unreachable!("the benchmark writes direct messages"),
    };
    for staff in staff {
        let origin = Origin::Socket;
        let command = Command::Read {
            staff,
            origin,
            space: log.space,
            before: None,
            limit: 1,
        };
        if let Reply::Page(page) = office.ask(command).await {
            let line = page.messages.last().expect("a message");
            return if line.receipts.held_by.len() > 1 && line.id.seq >= last {
                last
            } else {
                0
            };
        }
    }
    0
}

async fn catch_up() {
    const COUNT: usize = 100_000;
    let (clinic, ana, space) = founded();
    let desk = clinic.start("desk", &[]);
    clinic.publish(&desk).await;
    let (log, last) = pour(&desk.running.handle, ana, space, COUNT).await;
    let address = desk.address().await;
    let before = loopback_bytes();
    let ward = clinic.start("ward", &[address]);
    let mut hints = ward.running.handle.hints();
    let start = connected(&ward, &mut hints).await;
    hint(&mut hints, |changed| {
        matches!(changed, Changed::Stored { log: stored, seq } if *stored == log && *seq >= last)
    })
    .await;
    let time = start.elapsed();
    let wire = loopback_bytes() - before;
    print(
        "catch-up",
        json!({
            "what": "100,000 stored messages by a node that was away, connected to durable",
            "per_s": COUNT as f64 / time.as_secs_f64(), "seconds": time.as_secs_f64(),
            "wire_bytes_per_content_byte": wire as f64 / (COUNT * BODY) as f64,
            "conditions": "512 bytes each, both nodes in one process, loopback counters, 2 cores",
        }),
    );
}

/// Many messages into a sealed file, and into a store again.
async fn backup() {
    let held = std::env::var("BENCH_HELD").ok();
    let held: usize = held.and_then(|text| text.parse().ok()).unwrap_or(1_000_000);
    let (clinic, ana, space) = founded();
    let desk = clinic.start("desk", &[]);
    clinic.publish(&desk).await;
    pour(&desk.running.handle, ana, space, held).await;
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let path = scratch.path().join("backup");
    let key = BackupKey::new(zeroize::Zeroizing::new([7; 32]));
    let (backups, now) = (desk.running.backups.clone(), Clock::start().now());
    let begun = Instant::now();
    let file = std::fs::File::create(&path).expect("a file");
    let mut out = std::io::BufWriter::with_capacity(1 << 18, file);
    backups
        .write(&[key.recipient()], now, &mut out)
        .expect("made");
    out.into_inner()
        .expect("written")
        .sync_all()
        .expect("synced");
    let (made, begun) = (begun.elapsed(), Instant::now());
    let file = std::fs::File::open(&path).expect("a file");
    let bytes = file.metadata().expect("a file").len();
    let input = std::io::BufReader::with_capacity(1 << 18, file);
    let (dir, how) = (
        scratch.path().join("node"),
        (&offices::options(), &offices::unlock()),
    );
    clinic_mesh::node::backup::restore(input, &key, now.day(), &dir, how).expect("restored");
    let restored = begun.elapsed();
    desk.stop().await;
    print(
        "backup",
        json!({
            "what": "a backup of many messages of 512 bytes, and a store restored from it",
            "held": held, "made_s": made.as_secs_f64(), "restored_s": restored.as_secs_f64(),
            "mib": bytes / (1024 * 1024),
        }),
    );
}

async fn resume() {
    let held: usize = std::env::var("BENCH_HELD")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(1_000_000);
    frames::count();
    let pair = pair().await;
    let (_, last) = pour(&pair.desk.running.handle, pair.ana, pair.space, held).await;
    let everything = |status: &clinic_mesh::node::engine::Status| status.entries >= last;
    pair.ward.until("everything is there", everything).await;
    // The audit trail of what was poured in is witnessed a little later, and is not what is measured.
    let ward = pair.ward.device;
    let witnessed = |status: &clinic_mesh::node::engine::Status| {
        status.witnesses.contains(&(ward, status.trail))
    };
    pair.desk.until("the trail is witnessed", witnessed).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    pair.ward.stop().await;
    let (log, last) = pour(&pair.desk.running.handle, pair.ana, pair.space, 100).await;
    let address = pair.desk.address().await;
    frames::forget();
    let before = loopback_bytes();
    let ward = pair.clinic.start("ward", &[address]);
    let mut hints = ward.running.handle.hints();
    let start = connected(&ward, &mut hints).await;
    hint(&mut hints, |changed| {
        matches!(changed, Changed::Stored { log: stored, seq } if *stored == log && *seq >= last)
    })
    .await;
    let time = start.elapsed();
    let wire = loopback_bytes() - before;
    let queued = frames::counted();
    print(
        "resume",
        json!({
            "what": "100 new messages among many held, connected to durable",
            "held": held, "ms": time.as_secs_f64() * 1000.0,
            "bytes_beside_entries": wire.saturating_sub((100 * BODY) as u64), "frames": queued,
            "conditions": "512 bytes each, both nodes in one process, loopback counters (handshake and TCP included), 2 cores",
        }),
    );
}

/// Bytes that this machine has received on loopback.
fn loopback_bytes() -> u64 {
    let table = std::fs::read_to_string("/proc/net/dev").expect("Linux keeps counters");
    let line = table
        .lines()
        .find_map(|line| line.trim().strip_prefix("lo:"))
        .expect("loopback");
    line.split_whitespace()
        .next()
        .and_then(|field| field.parse().ok())
        .expect("a number")
}

/// Tells a child process of the idle figure where its store is.
const CHILD: &str = "CLINIC_MESH_BENCH_IDLE";

fn idle() {
    const COUNT: usize = 100_000;
    let clinic = runtime().block_on(async {
        let (clinic, ana, space) = founded();
        let desk = clinic.start("desk", &[]);
        clinic.publish(&desk).await;
        pour(&desk.running.handle, ana, space, COUNT).await;
        desk.stop().await;
        clinic
    });
    let dir = clinic.office_dir("desk");
    let program = std::env::current_exe().expect("this program");
    let mut child = std::process::Command::new(program)
        .env(CHILD, &dir)
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("a child");
    let mut line = String::new();
    let output = child.stdout.take().expect("piped");
    std::io::BufRead::read_line(&mut std::io::BufReader::new(output), &mut line).expect("a line");
    std::thread::sleep(Duration::from_secs(5));
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).expect("running");
    let resident = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .expect("resident size");
    child.kill().expect("stopped");
    child.wait().expect("ended");
    print(
        "idle",
        json!({
            "what": "a node of its own process, store of 100,000 messages",
            "resident": resident.trim(), "unlocked_to_ready_ms": line.trim().parse::<f64>().ok(),
            "conditions": "5 s after the start; key derivation cheap, integrity check included",
        }),
    );
}

async fn idle_child(dir: &Path) {
    let start = Instant::now();
    let store = offices::open(dir);
    let running = offices::run(store, &[]);
    let reply = running.handle.ask(Command::Status).await;
    assert!(reply.is_ok(), "the node answers");
    println!("{}", start.elapsed().as_secs_f64() * 1000.0);
    tokio::time::sleep(Duration::from_secs(60)).await;
}

async fn purge() {
    const COUNT: usize = 100_000;
    let (clinic, ana, space) = founded();
    let desk = clinic.start("desk", &[]);
    clinic.publish(&desk).await;
    pour(&desk.running.handle, ana, space, COUNT).await;
    desk.stop().await;
    let store = offices::open(&clinic.office_dir("desk"));
    let day = clinic_mesh::platform::clock::Clock::start()
        .now()
        .day()
        .plus(40);
    let horizon = clinic_mesh::store::Horizon {
        reach: clinic_mesh::store::Reach::Everywhere,
        first_alive: day,
    };
    let (done, outcome) = std::sync::mpsc::channel();
    let start = Instant::now();
    let batch = Batch {
        horizons: vec![horizon],
        ..Batch::default()
    };
    store
        .submit_purge(batch, move |result| drop(done.send(result)))
        .expect("taken");
    let mut delays = Vec::new();
    let purged = loop {
        let write = Instant::now();
        let meta = Meta {
            name: "beside".to_owned(),
            value: Some(vec![7; BODY]),
        };
        store
            .commit(Batch {
                metas: vec![meta],
                ..Batch::default()
            })
            .expect("durable");
        delays.push(write.elapsed());
        if let Ok(result) = outcome.try_recv() {
            break result.expect("purged");
        }
    };
    let time = start.elapsed();
    let bodies: u64 = purged.bodies.values().sum();
    let longest = delays.iter().max().copied().unwrap_or_default();
    print(
        "purge",
        json!({
            "what": "100,000 expired messages destroyed", "seconds": time.as_secs_f64(), "bodies": bodies,
            "other_writes": summary(delays), "longest_other_write_ms": longest.as_secs_f64() * 1000.0,
            "conditions": "512 bytes each; other writes one after the other all the while",
        }),
    );
}

mod handshake {
    use super::{print, summary};
    use serde_json::json;
    use std::net::SocketAddr;
    use std::time::{Duration, Instant};

    use clinic_mesh::channel::{Attempt, Local, Role, handshake};
    use clinic_mesh::domain::id::DeviceId;
    use clinic_mesh::platform::clock::Clock;
    use tokio::net::TcpStream;
    use tokio_util::compat::TokioAsyncReadCompatExt as _;

    /// Dial to established over TCP on loopback, both sides, with nodes that have met before.
    pub(super) async fn measure() {
        const COUNT: usize = 300;
        let (clinic, ..) = super::founded();
        let desk = clinic.start("desk", &[]);
        clinic.publish(&desk).await;
        let address = desk.address().await;
        let (local, device) = (clinic.local("ward").clone(), desk.device);
        let (times, cpu) = super::on_a_task(async move {
            let (mut times, cpu) = (Vec::new(), cpu_time());
            for round in 0..COUNT + 20 {
                let start = Instant::now();
                dial(address, &local, device).await;
                if round >= 20 {
                    times.push(start.elapsed());
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            (times, (cpu_time() - cpu) / (COUNT + 20) as f64)
        })
        .await;
        print(
            "handshake",
            json!({
                "what": "TCP connect to established on the dialling side", "time": summary(times),
                "cpu_ms_both_sides_and_all_else": cpu,
                "conditions": "loopback, both sides in one process, met before",
            }),
        );
    }

    /// One channel, dropped as soon as it is established.
    async fn dial(address: SocketAddr, local: &Local, device: DeviceId) {
        let socket = TcpStream::connect(address).await.expect("connected");
        socket.set_nodelay(true).expect("an option");
        let role = Role::Dial {
            device: Some(device),
            epoch: None,
        };
        let attempt = Attempt {
            role,
            address: Some(address.ip()),
            now: Clock::start().now(),
        };
        let established = handshake(socket.compat(), local, attempt).await;
        drop(established.expect("established"));
    }

    /// Processor time of this process in milliseconds.
    fn cpu_time() -> f64 {
        let stat = std::fs::read_to_string("/proc/self/stat").expect("Linux");
        let fields: Vec<&str> = stat
            .rsplit(')')
            .next()
            .expect("fields")
            .split_whitespace()
            .collect();
        let ticks: f64 = [11, 12]
            .iter()
            .filter_map(|at| fields[*at].parse::<f64>().ok())
            .sum();
        ticks * 10.0
    }
}
