//! Runs the programs in `examples/`: what a reader copies has to work.

#[allow(dead_code, reason = "its main reads the arguments of a process")]
#[path = "../examples/bot.rs"]
mod bot;
#[allow(dead_code, reason = "the examples need a part of it")]
#[path = "api/desk.rs"]
mod desk;
#[allow(dead_code, reason = "its main reads the arguments of a process")]
#[path = "../examples/embedded.rs"]
mod embedded;
#[path = "support/offices.rs"]
mod offices;
#[allow(dead_code, reason = "its main reads the arguments of a process")]
#[path = "../examples/trail_check.rs"]
mod trail_check;

use std::path::Path;
use std::time::Duration;

use clinic_mesh::api::client::Client;
use clinic_mesh::domain::statement::Role;
use clinic_mesh::domain::trail::TrailFile;
use desk::{Desk, PASSWORD};
use offices::Clinic;

/// The trail that is frozen beside its format.
const TRAIL: &[u8] = include_bytes!("vectors/trail/front.trail");

/// What `trail_check` answers and prints for files with these bytes.
fn check_trail(clinic: &str, files: &[&[u8]]) -> Result<(bool, String), String> {
    let dir = tempfile::tempdir().expect("a scratch directory");
    let mut args = vec![clinic.to_owned()];
    for (number, bytes) in files.iter().enumerate() {
        let path = dir.path().join(format!("{number}.trail"));
        std::fs::write(&path, bytes).expect("written");
        args.push(path_text(&path));
    }
    let mut printed = Vec::new();
    let whole = trail_check::run(&args, &mut printed).map_err(|failure| failure.to_string())?;
    Ok((whole, String::from_utf8(printed).expect("text")))
}

fn path_text(path: &Path) -> String {
    path.to_str().expect("a plain path").to_owned()
}

#[test]
fn an_exported_trail_is_checked_without_a_node() {
    let trail = TrailFile::from_file(TRAIL).expect("the frozen file");
    let clinic = trail.clinic.to_string();
    let (whole, printed) = check_trail(&clinic, &[TRAIL]).expect("it can be checked");
    assert!(whole && printed.ends_with("whole\n"), "{printed}");
    assert!(printed.contains(&trail.device.to_string()), "{printed}");

    let mut cut = trail.clone();
    cut.segments.remove(1);
    let (whole, printed) = check_trail(&clinic, &[&cut.to_file()]).expect("it can be checked");
    assert!(!whole && printed.contains("removed"), "{printed}");

    let mut shorter = trail;
    shorter.segments.pop();
    let (whole, printed) =
        check_trail(&clinic, &[&shorter.to_file(), TRAIL]).expect("it can be checked");
    assert!(!whole, "the other copy has more: {printed}");
}

#[test]
fn a_trail_that_says_nothing_of_this_clinic_is_refused() {
    let stranger = "5".repeat(64);
    let refused = |clinic: &str, files: &[&[u8]]| check_trail(clinic, files).expect_err("refused");
    assert!(refused(&stranger, &[TRAIL]).contains("another clinic"));
    assert!(refused(&stranger, &[b"a letter"]).contains("check which file"));
    assert!(refused("mine", &[TRAIL]).contains("64 hex digits"));
    assert!(refused(&stranger, &[]).contains("usage"));
}

/// A file in the scratch directory of a clinic.
fn written(clinic: &Clinic, file: &str, text: &str) -> String {
    let path = clinic.office_dir(file);
    std::fs::write(&path, text).expect("room");
    path_text(&path)
}

/// Waits until a conversation of the bot's shows these texts.
async fn reads(client: &Client, texts: &[&str]) {
    let mut seen = Vec::new();
    for _ in 0..1000 {
        let page = client.messages("Desk bot", None, 100).await.expect("hers");
        seen = page
            .messages
            .into_iter()
            .filter_map(|message| message.text)
            .collect();
        if seen == texts {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{seen:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_bot_answers_what_is_asked_while_it_listens_and_what_was_asked_before_and_each_once() {
    let mut desk = Desk::open().await;
    desk.signed_in("Desk bot", &[Role::FrontDesk]).await;
    let (_, ana) = desk.signed_in("Ana", &[Role::Clinician]).await;
    let password = written(&desk.clinic, "bot.password", &format!("{PASSWORD}\n"));
    let args = [
        path_text(&desk.socket()),
        "Desk bot".to_owned(),
        password,
        "Ana".to_owned(),
    ];

    ana.send("Desk bot", "hours?").await.expect("sent");
    let running = tokio::spawn({
        let args = args.clone();
        async move { bot::run(&args).await }
    });
    let hours = "Monday to Friday 8 to 18, Saturday 9 to 12.";
    reads(&ana, &["hours?", hours]).await;
    ana.send("Desk bot", "Thank you").await.expect("sent");
    ana.send("Desk bot", " Supplies? ").await.expect("sent");
    let supplies = "What is ordered before noon comes the next day.";
    let all = ["hours?", hours, "Thank you", " Supplies? ", supplies];
    reads(&ana, &all).await;

    running.abort();
    let again = tokio::spawn(async move { bot::run(&args).await });
    ana.send("Desk bot", "Hours?").await.expect("sent");
    let mut all = [&all[..], &["Hours?", hours]].concat();
    reads(&ana, &all).await;

    // A night without a question: its login ends, and it signs in again.
    desk.pass(Duration::from_secs(24 * 3600));
    ana.send("Desk bot", "hours?")
        .await
        .expect_err("Ana's login is over as well");
    let token = desk.token("Ana").await;
    let ana = desk.operator().with_token(&token);
    ana.send("Desk bot", "Supplies?").await.expect("sent");
    all.extend(["Supplies?", supplies]);
    reads(&ana, &all).await;

    desk.stop().await;
    let ended = tokio::time::timeout(Duration::from_secs(30), again).await;
    ended.expect("it ends with the node").expect("no panic");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_bot_says_what_keeps_it_from_serving() {
    let mut desk = Desk::open().await;
    desk.signed_in("Desk bot", &[Role::FrontDesk]).await;
    let wrong = written(&desk.clinic, "bot.password", "not its password\n");
    let args = |password: &str| {
        let socket = path_text(&desk.socket());
        [&socket, "Desk bot", password, "Ana"].map(str::to_owned)
    };
    let failed = async |args: &[String]| bot::run(args).await.to_string();
    assert!(failed(&[]).await.contains("usage"));
    assert!(failed(&args("/nowhere")).await.contains("No such file"));
    let refused = failed(&args(&wrong)).await;
    assert!(!refused.contains("not its password"), "{refused}");
    desk.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_with_a_node_inside_shows_whether_other_offices_are_connected() {
    let mut clinic = Clinic::found();
    clinic.enrol("front-desk");
    clinic.enrol("ward-2");
    let desk = clinic.start("front-desk", &[]);
    clinic.publish(&desk).await;
    let args = [
        path_text(&clinic.office_dir("ward-2")),
        written(&clinic, "ward-2.key", &format!("{}\n", "07".repeat(32))),
        "127.0.0.1:0".to_owned(),
        desk.address().await.to_string(),
    ];
    let (mut screen, mut lamp) = Screen::new();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let program = tokio::spawn(async move {
        let stopped = async { stopped.await.expect("it is told to stop") };
        embedded::run(&args, &mut screen, stopped).await
    });

    // How often it is amber before is a matter of luck.
    lamp.becomes("green").await;
    desk.stop().await;
    lamp.becomes("amber").await;

    stop.send(()).expect("it runs");
    let ended = tokio::time::timeout(Duration::from_secs(30), program).await;
    let ended = ended.expect("in time").expect("no panic");
    ended.expect("an orderly end");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_with_a_node_inside_says_why_the_node_did_not_start() {
    let mut clinic = Clinic::found();
    clinic.enrol("ward-2");
    let dir = path_text(&clinic.office_dir("ward-2"));
    let other = written(&clinic, "other.key", &"08".repeat(32));
    let short = written(&clinic, "short.key", "0707");
    let failed = async |args: &[&str]| {
        let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
        let ran = embedded::run(&args, &mut std::io::sink(), std::future::pending()).await;
        ran.expect_err("refused").to_string()
    };
    assert!(failed(&[]).await.contains("usage"));
    assert!(
        failed(&[&dir, &short, "127.0.0.1:0"])
            .await
            .contains("64 hex digits")
    );
    let refused = failed(&[&dir, &other, "127.0.0.1:0"]).await;
    assert!(!refused.contains("0808"), "{refused}");
}

/// A screen whose lines a test reads.
struct Screen(tokio::sync::mpsc::UnboundedSender<Vec<u8>>);

/// What was written on a screen.
struct Lines(tokio::sync::mpsc::UnboundedReceiver<Vec<u8>>);

impl Screen {
    fn new() -> (Self, Lines) {
        let (written, shown) = tokio::sync::mpsc::unbounded_channel();
        (Self(written), Lines(shown))
    }
}

impl std::io::Write for Screen {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        // The test reads until it has seen enough.
        let _ = self.0.send(bytes.to_vec());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Lines {
    /// Waits until a line begins with this.
    async fn becomes(&mut self, colour: &str) {
        let shown = async { while !self.line().await.starts_with(colour) {} };
        let shown = tokio::time::timeout(Duration::from_secs(60), shown).await;
        shown.expect("in time");
    }

    async fn line(&mut self) -> String {
        let mut line = Vec::new();
        while !line.ends_with(b"\n") {
            line.extend(self.0.recv().await.expect("it runs"));
        }
        String::from_utf8(line).expect("text")
    }
}
