//! The node as systemd sees it: what it says over the socket that systemd names.

#[path = "support/processes.rs"]
mod processes;

use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use processes::Clinic;

/// Longest wait for a word: generous, because test machines are busy.
const PATIENCE: Duration = Duration::from_secs(30);

/// What the node says next.
fn word(systemd: &UnixDatagram) -> String {
    let mut said = [0; 256];
    let length = systemd.recv(&mut said).expect("a word in time");
    String::from_utf8_lossy(&said[..length]).trim().to_owned()
}

#[test]
fn systemd_hears_that_a_node_is_ready_that_it_lives_and_that_it_stops() {
    let clinic = Clinic::found();
    let mut node = clinic.first_node("front-desk");
    let path = clinic.path("notify");
    let systemd = UnixDatagram::bind(&path).expect("a short path");
    systemd.set_read_timeout(Some(PATIENCE)).expect("not zero");
    let path = path.to_str().expect("plain");
    node.start_with(
        &clinic,
        &[("NOTIFY_SOCKET", path), ("WATCHDOG_USEC", "300000")],
    );
    // The watchdog may be fed before the node says that its doors are open.
    let first: Vec<String> = (0..8).map(|_| word(&systemd)).collect();
    let count = |what: &str| first.iter().filter(|said| *said == what).count();
    assert_eq!((count("READY=1"), count("WATCHDOG=1")), (1, 7), "{first:?}");
    node.stop();
    let mut last = word(&systemd);
    while last == "WATCHDOG=1" {
        last = word(&systemd);
    }
    assert_eq!(last, "STOPPING=1");
}

#[test]
fn without_a_watchdog_systemd_hears_only_of_the_beginning_and_the_end() {
    let clinic = Clinic::found();
    let mut node = clinic.first_node("front-desk");
    let path = clinic.path("notify");
    let systemd = UnixDatagram::bind(&path).expect("a short path");
    systemd.set_read_timeout(Some(PATIENCE)).expect("not zero");
    let path = path.to_str().expect("plain");
    node.start_with(&clinic, &[("NOTIFY_SOCKET", path)]);
    assert_eq!(word(&systemd), "READY=1");
    node.stop();
    assert_eq!(word(&systemd), "STOPPING=1");
}
