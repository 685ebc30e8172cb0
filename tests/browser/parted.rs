//! Two offices whose network is cut and healed under open pages.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;

use crate::clinic::{Place, change, open, say};
use crate::window::Window;

/// The only way from one node to another: a cable that can be cut.
#[derive(Clone)]
struct Cable {
    /// Where whoever dials through it connects.
    address: String,
    cut: Arc<AtomicBool>,
    live: Arc<Mutex<Vec<TcpStream>>>,
}

impl Cable {
    /// A cable to this address.
    fn to(target: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has free ports");
        let cable = Self {
            address: listener.local_addr().expect("it is bound").to_string(),
            cut: Arc::default(),
            live: Arc::default(),
        };
        let carrying = cable.clone();
        std::thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                if carrying.cut.load(Ordering::SeqCst) {
                    continue;
                }
                if let Ok(far) = TcpStream::connect(&target) {
                    carrying.carry(near, far);
                }
            }
        });
        cable
    }

    fn carry(&self, near: TcpStream, far: TcpStream) {
        let ends = [&near, &far].map(|end| end.try_clone().expect("handles are left"));
        self.live.lock().expect("nobody panicked").extend(ends);
        for (from, to) in [(&near, &far), (&far, &near)] {
            let from = from.try_clone().expect("handles are left");
            let to = to.try_clone().expect("handles are left");
            std::thread::spawn(move || pass(from, to));
        }
    }

    /// Cuts it: what is under way is lost, and nobody gets through.
    fn cut(&self) {
        self.cut.store(true, Ordering::SeqCst);
        for end in self.live.lock().expect("nobody panicked").drain(..) {
            // Whoever has hung up already is as good.
            let _ = end.shutdown(Shutdown::Both);
        }
    }

    /// Mends it.
    fn mend(&self) {
        self.cut.store(false, Ordering::SeqCst);
    }
}

/// Two offices, of which the second reaches the first by a cable alone.
fn by_cable(offices: &[&str; 2]) -> (Place, Cable) {
    let mut cable = None;
    let place = Place::of_with(offices, "web_loopback", |first, node| {
        let laid = cable.insert(Cable::to(first.listen.clone()));
        change(node.dir(), |settings| {
            settings.replace(&first.listen, &laid.address)
        });
    });
    (place, cable.expect("laid for the second node"))
}

/// Passes bytes on until either end is closed.
fn pass(mut from: TcpStream, mut to: TcpStream) {
    let mut bytes = [0; 16 * 1024];
    while let Ok(count @ 1..) = from.read(&mut bytes) {
        if to.write_all(&bytes[..count]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
}

/// How the state under a message of one's own reads.
fn state(page: &Window, text: &str) -> String {
    let found = format!(
        "[...document.querySelectorAll('.row.mine')].find(row => row.innerText.includes({}))?.querySelector('.state')?.className ?? ''",
        json!(text)
    );
    let found = page.eval(&found);
    found.as_str().expect("text").to_owned()
}

/// The texts on the page, from the top.
fn texts(page: &Window) -> Vec<String> {
    page.texts(".row .said")
}

#[test]
fn what_is_written_while_offices_are_apart_waits_and_arrives_once_when_they_are_together_again() {
    let (place, cable) = by_cable(&["front-desk", "ward-2"]);
    let ana = place.first_sign_in("Ana", 0);
    let ben = place.first_sign_in("Ben", 1);
    place.room("rounds", &["Ana", "Ben"]);
    open(&ana, "rounds");
    say(&ana, "While together");
    open(&ben, "rounds");
    ben.shows("While together");
    ana.until("document.querySelector('.mine .state.stored_at_theirs, .mine .state.opened')");

    cable.cut();
    for page in [&ana, &ben] {
        page.until(
            "document.querySelector('.link-state.part')?.innerText.includes('1 of 2 offices')",
        );
    }
    say(&ana, "From the front desk, apart");
    say(&ana, "And another");
    say(&ben, "From the ward, apart");
    // It is safe here, the page claims no more than that, and says what becomes of it.
    for (page, text) in [
        (&ana, "From the front desk, apart"),
        (&ben, "From the ward, apart"),
    ] {
        page.until("document.querySelectorAll('.row.pending').length === 0");
        assert_eq!(state(page, text), "state on_this_node", "{text}");
    }
    ana.click(".link-state");
    ana.shows("wait on this node and go by themselves");
    ana.key("Escape");
    // Somebody begins to write, and goes on writing while the network is mended.
    ben.type_text("Half a ");
    std::thread::sleep(Duration::from_secs(2));
    assert!(!ben.text().contains("From the front desk, apart"));
    assert!(!ana.text().contains("From the ward, apart"));

    cable.mend();
    ben.type_text("sentence");
    ben.shows("From the front desk, apart");
    ben.shows("And another");
    ana.shows("From the ward, apart");
    let draft = ben.eval("document.getElementById('write').value");
    assert_eq!(draft, "Half a sentence", "nothing that was typed is lost");
    ben.key("Enter");
    ana.shows("Half a sentence");
    ana.until("document.querySelector('.link-state.good')");
    for page in [&ana, &ben] {
        page.until("[...document.querySelectorAll('.mine .state')].every(one => one.matches('.stored_at_theirs, .opened'))");
    }
    let mut all = texts(&ana);
    assert_eq!(
        texts(&ben),
        all,
        "both offices show the same, in the same order"
    );
    let written = all.len();
    all.sort();
    all.dedup();
    assert_eq!(
        (written, all.len()),
        (5, 5),
        "everything arrived, and nothing twice: {all:?}"
    );
    assert_eq!(ana.complaints(), [""; 0]);
    assert_eq!(ben.complaints(), [""; 0]);
}
