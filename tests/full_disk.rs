//! A real node on a real disk that runs full: a small file system in memory, filled to the last byte.

#[allow(dead_code, reason = "another test file uses the rest of it")]
#[path = "api/desk.rs"]
mod desk;
#[path = "support/offices.rs"]
mod offices;
#[path = "support/small_disk.rs"]
mod small_disk;

use std::collections::BTreeSet;
use std::io::Write as _;
use std::time::{Duration, Instant};

use clinic_mesh::api::client::{Client, ClientError};
use clinic_mesh::api::problem::Code;
use clinic_mesh::domain::audit::Origin;
use clinic_mesh::domain::space::Space;
use clinic_mesh::domain::statement::Role;
use clinic_mesh::node::engine::{Command, CommandRefusal, Reply};
use clinic_mesh::node::{Store, StoreError, StoreOptions, Unlock};
use clinic_mesh::store::RoomLimits;
use desk::{Desk, code};
use offices::{Clinic, Office};
use small_disk::SmallDisk;

/// Set to 1, the test passes where nothing can be mounted, and says that it has not run.
const WITHOUT: &str = "CLINIC_MESH_NO_MOUNTS";

/// Size of the disk in MiB: filled within seconds.
const DISK: u32 = 24;

/// What others have on it at first.
const OTHERS: u64 = 12 << 20;

/// What the node keeps back: enough for what is under way when the last message is accepted.
const ROOM: RoomLimits = RoomLimits {
    reserve: 2 << 20,
    messages: 4 << 20,
    low: 1 << 19,
};

/// Messages that are written at once.
const AT_ONCE: usize = 32;

/// Longest wait for the node to see that there is room.
const PATIENCE: Duration = Duration::from_secs(60);

/// Longest text of a message.
const LONG: usize = 16 * 1024;

/// Messages of a page.
const PAGE: usize = 100;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_refuses_messages_loses_nothing_and_goes_on_when_there_is_room() {
    let disk = match SmallDisk::make(DISK) {
        Ok(disk) => disk,
        Err(why) if std::env::var_os(WITHOUT).is_some_and(|set| set == "1") => {
            let mut err = std::io::stderr();
            writeln!(
                err,
                "NOT RUN: no file system can be mounted ({why}); {WITHOUT} is set"
            )
            .expect("room");
            return;
        }
        Err(why) => panic!("no file system can be mounted here (run as root): {why}"),
    };
    disk.others_take(OTHERS);
    let mut story = Story::begin(&disk).await;
    story.fill_with_messages().await;
    story.is_refused().await;
    story.what_must_go_on_goes_on().await;
    disk.others_go();
    story.goes_on().await;

    story.lets_go_of_its_reserve(&disk).await;
    disk.others_go();
    story.goes_on().await;

    let story = story.fill_to_the_last_byte(&disk).await;
    if let Err(why) = open(&story.clinic) {
        assert!(why.to_string().contains("free space"), "{why}");
    }
    disk.others_go();
    let mut story = story.again().await;
    story.goes_on().await;
    story.nothing_is_lost().await;
    story.desk.stop().await;
}

/// A clinic whose one office is on the small disk.
struct Story {
    desk: Desk,
    ana: Client,
    /// Number of the next message.
    next: usize,
    /// Messages that were acknowledged.
    acknowledged: BTreeSet<usize>,
}

/// The text of a message: its number, and much more.
fn text(number: usize) -> String {
    format!("{number:08} {}", "x".repeat(LONG - 9))
}

/// What is left when the node has stopped.
struct Stopped {
    clinic: Clinic,
    next: usize,
    acknowledged: BTreeSet<usize>,
}

/// Opens the store that is on the small disk.
fn open(clinic: &Clinic) -> Result<Store, StoreError> {
    let options = StoreOptions {
        room: ROOM,
        ..StoreOptions::PRODUCT
    };
    let unlock = Unlock::KeyFile(zeroize::Zeroizing::new([7; 32]));
    Store::open(&clinic.office_dir("front-desk"), &options, &unlock)
}

/// Starts the node of that store.
async fn start(clinic: Clinic) -> Desk {
    let store = open(&clinic).expect("the store opens");
    let office = Office {
        name: "front-desk".to_owned(),
        device: clinic.devices["front-desk"],
        running: offices::run(store, &[]),
    };
    Desk::of(clinic, office).await
}

impl Story {
    async fn begin(disk: &SmallDisk) -> Self {
        let mut clinic = Clinic::found_in(disk.dir());
        clinic.enrol("front-desk");
        let mut desk = start(clinic).await;
        let (_, ana) = desk.signed_in("Ana", &[Role::Clinician]).await;
        desk.person("Bo", &[Role::Clinician]).await;
        let (next, acknowledged) = (0, BTreeSet::new());
        Self {
            desk,
            ana,
            next,
            acknowledged,
        }
    }

    /// Sends one more message: a number, and much more.
    async fn send(&mut self) -> Result<(), ClientError> {
        let number = self.next;
        self.next += 1;
        self.ana.send("Bo", &text(number)).await?;
        self.acknowledged.insert(number);
        Ok(())
    }

    /// Sends messages as fast as they are taken, until the node takes no more.
    async fn fill_with_messages(&mut self) {
        let staff = |who: &str| self.desk.clinic.staff[who];
        let (ana, bo) = (staff("Ana"), staff("Bo"));
        let space = Space::direct(ana, bo).expect("two people");
        let mut refused = None;
        while refused.is_none() {
            let numbers = self.next..self.next + AT_ONCE;
            self.next = numbers.end;
            let office = &self.desk.office;
            let posts = numbers.map(async |number| {
                let post = Command::Post {
                    staff: ana,
                    origin: Origin::Socket,
                    space,
                    written: text(number).as_str().into(),
                };
                (number, office.ask(post).await)
            });
            for (number, reply) in futures::future::join_all(posts).await {
                match reply {
                    Reply::Posted(_) => {
                        self.acknowledged.insert(number);
                    }
                    Reply::Refused(why) => refused = Some(why),
                    other => panic!("{other:?}"),
                }
            }
        }
        assert_eq!(refused, Some(CommandRefusal::DiskFull));
        assert!(self.acknowledged.len() > AT_ONCE);
    }

    /// A face is told what is wrong and what helps.
    async fn is_refused(&mut self) {
        let refused = self.send().await.expect_err("the disk is full");
        let ClientError::Problem(problem) = refused else {
            panic!("{refused}");
        };
        assert_eq!(problem.code, Code::DiskFull);
        assert!(problem.message.contains("disk"), "{}", problem.message);
        let remedy = problem.remedy.expect("something helps");
        assert!(remedy.contains("space"), "{remedy}");
    }

    /// Messages are accepted again, soon, and nothing but the attempt to send has to happen for it.
    async fn goes_on(&mut self) {
        let begun = Instant::now();
        while self.send().await.is_err() {
            assert!(begun.elapsed() < PATIENCE, "there is room again");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// The disk is so full that what must be written needs what was kept back for it.
    async fn lets_go_of_its_reserve(&mut self, disk: &SmallDisk) {
        disk.others_take(disk.free() - ROOM.low / 2);
        self.desk.token("Ana").await;
        assert!(disk.free() > ROOM.reserve, "{} are free", disk.free());
        self.is_refused().await;
    }

    /// Reading, signing in and the record are what the reserve is for.
    async fn what_must_go_on_goes_on(&mut self) {
        self.nothing_is_lost().await;
        let token = self.desk.token("Ana").await;
        self.ana = self.desk.operator().with_token(&token);
        self.desk.signed_in("Cy", &[Role::Clinician]).await;
        self.is_refused().await;
    }

    /// Every acknowledged message is there, and no other.
    async fn nothing_is_lost(&self) {
        let (mut found, mut before) = (BTreeSet::new(), None);
        loop {
            let page = self.ana.messages("Bo", before.as_deref(), PAGE).await;
            let page = page.expect("hers");
            for message in page.messages {
                let text = message.text.expect("not purged");
                found.insert(text[..8].parse().expect("a number"));
            }
            before = page.earlier;
            if before.is_none() {
                break;
            }
        }
        assert_eq!(found, self.acknowledged);
    }

    /// Others take all there is, and what the node keeps back as soon as it lets it go.
    async fn fill_to_the_last_byte(mut self, disk: &SmallDisk) -> Stopped {
        let staff = |who: &str| self.desk.clinic.staff[who];
        let (ana, bo) = (staff("Ana"), staff("Bo"));
        loop {
            disk.others_take(u64::MAX);
            assert_eq!(disk.free(), 0);
            // Each reading is recorded, so it needs room, and is not refused for the want of it.
            let read = Command::Read {
                staff: ana,
                origin: Origin::Socket,
                space: Space::direct(ana, bo).expect("two people"),
                before: None,
                limit: 1,
            };
            if self.desk.office.running.handle.ask(read).await.is_err() {
                break;
            }
        }
        assert_eq!(code(self.ana.conversations().await), Code::Stopping);
        let ended = self.desk.office.running.ended().await;
        let why = ended.expect_err("it cannot go on").to_string();
        assert!(
            why.contains("No space left") && why.contains("free space"),
            "{why}"
        );
        self.desk.close().await;
        Stopped {
            clinic: self.desk.clinic,
            next: self.next,
            acknowledged: self.acknowledged,
        }
    }
}

impl Stopped {
    async fn again(self) -> Story {
        let desk = start(self.clinic).await;
        let token = desk.token("Ana").await;
        let ana = desk.operator().with_token(&token);
        Story {
            desk,
            ana,
            next: self.next,
            acknowledged: self.acknowledged,
        }
    }
}
