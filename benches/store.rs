//! What the store costs: `cargo bench --bench store [-- DIR]` prints one JSON line for each figure.
//!
//! DIR is where the scratch stores are made (the system's temporary directory otherwise): put it on
//! the disk that is to be measured.

#![allow(clippy::print_stdout, reason = "the figures are its output")]

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use clinic_mesh::domain::id::{ClinicId, RoomId};
use clinic_mesh::domain::log::{Entry, Epoch, Head, Log, Payload, Segment};
use clinic_mesh::domain::sign::SigningKey;
use clinic_mesh::domain::space::Space;
use clinic_mesh::domain::time::{Day, Hlc, WallTime};
use clinic_mesh::store::{
    Append, Batch, Cost, Horizon, Options, Reach, RoomLimits, Store, StoreError, Unlock,
};
use zeroize::Zeroizing;

const CLINIC: ClinicId = ClinicId::new([9; 32]);
const ENTRIES: usize = 100_000;
const BODY: usize = 512;
const SEGMENT: usize = 1024;
/// Pause between the messages others write during a purge.
const BETWEEN_OTHERS: Duration = Duration::from_millis(5);
/// Segments under way at once; a catch-up keeps about as many.
const AHEAD: usize = 16;

fn main() -> Result<(), StoreError> {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, open, dir, what] = &arguments[..]
        && open == "--only-open"
    {
        return only_open(Path::new(dir), what);
    }
    let asked = std::env::args()
        .nth(1)
        .filter(|argument| !argument.starts_with('-'));
    let base = asked.map_or_else(std::env::temp_dir, PathBuf::from);
    let dir = base.join(format!("clinic-mesh-bench-{}", std::process::id()));
    floor(&base)?;
    single_commits(&dir.with_extension("single"))?;
    for segment in [SEGMENT, 1] {
        bulk(&dir.with_extension(format!("bulk-{segment}")), segment)?;
    }
    Ok(())
}

fn options() -> Options {
    Options {
        cost: Cost::CHEAP,
        room: RoomLimits::PRODUCT,
    }
}

fn unlock() -> Unlock {
    Unlock::KeyFile(Zeroizing::new([1; 32]))
}

struct Author {
    key: SigningKey,
    log: Log,
    head: Head,
    time: u64,
}

impl Author {
    fn new(seed: u8) -> Self {
        let key = SigningKey::from_seed(&[seed; 32]);
        let space = Space::Room(RoomId::new([seed; 16]));
        let log = Log {
            space,
            author: key.id(),
            epoch: Epoch(1),
        };
        Self {
            key,
            log,
            head: Head::EMPTY,
            time: 0,
        }
    }

    fn write(&mut self, count: usize, last_day: u32) -> Batch {
        let entries = (0..count).map(|_| self.entry(last_day)).collect();
        let (segment, end) = Segment::sign(&CLINIC, &self.key, self.log, self.head, entries);
        self.head = end;
        let appends = vec![Append {
            segment,
            end,
            arrived: WallTime(self.time),
        }];
        Batch {
            appends,
            ..Batch::default()
        }
    }

    fn entry(&mut self, last_day: u32) -> Entry {
        self.time += 1;
        let body = (0..BODY).map(|at| (at as u64 * self.time) as u8).collect();
        let payload = Payload {
            salt: [self.time as u8; 16],
            body,
        };
        Entry::new(Hlc::at(WallTime(self.time)), Day(last_day), payload)
    }
}

/// Two small writes, each synced: what a durable commit in two phases cannot go below.
fn floor(base: &Path) -> Result<(), StoreError> {
    let path = base.join(format!("clinic-mesh-floor-{}", std::process::id()));
    let mut file = File::create(&path)?;
    file.write_all(&[0; 1 << 20])?;
    file.sync_all()?;
    let mut times = Vec::new();
    for _ in 0..1000 {
        let start = Instant::now();
        for _ in 0..2 {
            std::os::unix::fs::FileExt::write_all_at(&file, &[1; 4096], 8192)?;
            file.sync_data()?;
        }
        times.push(start.elapsed());
    }
    std::fs::remove_file(&path)?;
    report("floor: two writes of 4 KiB, each synced", &mut times);
    Ok(())
}

fn single_commits(dir: &Path) -> Result<(), StoreError> {
    let store = Store::create(dir, &options(), &unlock())?;
    let mut author = Author::new(1);
    let mut times = Vec::new();
    for n in 0..3000 {
        let batch = author.write(1, 30);
        let start = Instant::now();
        store.commit(batch)?;
        if n >= 500 {
            times.push(start.elapsed());
        }
    }
    report("durable commit of one entry of 512 bytes", &mut times);
    drop(store);
    Ok(std::fs::remove_dir_all(dir)?)
}

fn bulk(dir: &Path, segment: usize) -> Result<(), StoreError> {
    let store = Store::create(dir, &options(), &unlock())?;
    let mut author = Author::new(1);
    let mut batches: Vec<Batch> = Vec::new();
    while author.head.seq < ENTRIES as u64 {
        let mut appends = Vec::new();
        let mut count = 0;
        while count < SEGMENT.min(ENTRIES - author.head.seq as usize + count) && count < SEGMENT {
            let size = segment.min(ENTRIES - author.head.seq as usize);
            appends.extend(author.write(size, 30).appends);
            count += size;
            if author.head.seq as usize == ENTRIES {
                break;
            }
        }
        batches.push(Batch {
            appends,
            ..Batch::default()
        });
    }
    let start = Instant::now();
    append_all(&store, batches)?;
    rate(&format!("append in segments of {segment}"), start.elapsed());

    let start = Instant::now();
    let (mut from, mut read) = (1, 0);
    while from <= ENTRIES as u64 {
        for segment in store.segments(&author.log, from, 256 * 1024)? {
            from = segment.last() + 1;
            read += segment
                .entries
                .iter()
                .filter(|entry| entry.payload.is_some())
                .count();
        }
    }
    assert_eq!(read, ENTRIES, "every body is read back");
    rate(
        &format!("read back in segments of {segment}"),
        start.elapsed(),
    );

    let mut times = Vec::new();
    for n in 0..200_u64 {
        let start = Instant::now();
        let before = store.newest(&author.log.space, None, 1)?[0].position();
        let time = Hlc::at(WallTime(n * 499 + 60));
        let page = store.newest(
            &author.log.space,
            Some(clinic_mesh::store::Position { time, ..before }),
            50,
        )?;
        assert_eq!(page.len(), 50, "a whole page");
        times.push(start.elapsed());
    }
    report(
        &format!("a page of 50 anywhere, segments of {segment}"),
        &mut times,
    );
    drop(store);

    // In a process of its own: what this one used before would count as resident.
    let what = format!("open with {ENTRIES} entries in segments of {segment}");
    let child = std::env::current_exe()?;
    let ended = Command::new(child)
        .arg("--only-open")
        .arg(dir)
        .arg(what)
        .status()?;
    assert!(ended.success(), "the store opens in another process");
    let store = Store::open(dir, &options(), &unlock())?;
    purge(&store, segment)?;
    drop(store);
    Ok(std::fs::remove_dir_all(dir)?)
}

fn only_open(dir: &Path, what: &str) -> Result<(), StoreError> {
    let before = resident_mib();
    let start = Instant::now();
    let store = Store::open(dir, &options(), &unlock())?;
    println!(
        r#"{{"what":"{what}","ms":{:.1},"rss_mib":{:.1},"rss_mib_before":{before:.1}}}"#,
        start.elapsed().as_secs_f64() * 1000.0,
        resident_mib(),
    );
    drop(store);
    Ok(())
}

fn append_all(store: &Store, batches: Vec<Batch>) -> Result<(), StoreError> {
    let (answers, answered) = mpsc::channel();
    let mut under_way = 0;
    for batch in batches {
        if under_way == AHEAD {
            answered.recv().expect("the writer answers")?;
            under_way -= 1;
        }
        let answers = answers.clone();
        store.submit(batch, move |result| {
            answers.send(result).expect("the bench waits")
        })?;
        under_way += 1;
    }
    for _ in 0..under_way {
        answered.recv().expect("the writer answers")?;
    }
    Ok(())
}

fn purge(store: &Store, segment: usize) -> Result<(), StoreError> {
    let mut other = Author::new(2);
    let horizon = Horizon {
        reach: Reach::Everywhere,
        first_alive: Day(31),
    };
    let batch = Batch {
        horizons: vec![horizon],
        ..Batch::default()
    };
    let (done, finished) = mpsc::channel();
    let start = Instant::now();
    store.submit_purge(batch, move |result| {
        done.send((start.elapsed(), result))
            .expect("the bench waits");
    })?;
    let mut times = Vec::new();
    let (took, outcome) = loop {
        let batch = other.write(1, 99);
        let start = Instant::now();
        store.commit(batch)?;
        times.push(start.elapsed());
        if let Ok(finished) = finished.recv_timeout(BETWEEN_OTHERS) {
            break finished;
        }
    };
    assert_eq!(
        outcome?.bodies.values().sum::<u64>(),
        ENTRIES as u64,
        "all of them"
    );
    println!(
        r#"{{"what":"purge of {ENTRIES} in segments of {segment}, others writing","ms":{:.1}}}"#,
        took.as_secs_f64() * 1000.0,
    );
    report(
        &format!("commits during that purge, segments of {segment}"),
        &mut times,
    );
    Ok(())
}

fn rate(what: &str, took: Duration) {
    println!(
        r#"{{"what":"{what}","count":{ENTRIES},"bytes":{BODY},"ms":{:.1},"per_second":{:.0}}}"#,
        took.as_secs_f64() * 1000.0,
        ENTRIES as f64 / took.as_secs_f64(),
    );
}

fn report(what: &str, times: &mut [Duration]) {
    times.sort();
    let at = |part: f64| times[((times.len() - 1) as f64 * part) as usize].as_secs_f64() * 1000.0;
    println!(
        r#"{{"what":"{what}","count":{},"median_ms":{:.3},"p99_ms":{:.3},"max_ms":{:.3}}}"#,
        times.len(),
        at(0.5),
        at(0.99),
        at(1.0),
    );
}

fn resident_mib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok());
    kib.unwrap_or(f64::NAN) / 1024.0
}
