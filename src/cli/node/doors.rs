//! The doors of `node run`: opened once, whether the node is still locked or runs.

use std::path::Path;
use std::sync::Arc;

use sd_notify::NotifyState;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::info;

use super::run::tell;
use super::settings::Settings;
use super::with_remedy;
use crate::cli::Failure;
use crate::node::engine::Now;
use crate::node::{Running, Store, StoreOptions, Unlock, has_staff_slots};
use crate::platform::clock::Clock;
use crate::web::{Api, DoorError, Locked, LockedDoor, Socket, Unlocked, WebDoor};

/// The open doors of a node.
pub(super) struct Doors<'a> {
    local: &'a Settings,
    socket: Socket,
    loopback: Option<WebDoor>,
    /// Open before the node runs only where a locked node has something to show there.
    network: Option<WebDoor>,
}

/// An open store, and who has unlocked it if that was a staff member.
pub(super) struct Opened {
    pub(super) store: Store,
    pub(super) by: Option<Unlocked>,
}

impl Opened {
    /// Opens the store with the key at hand.
    pub(super) fn by_key(dir: &Path, unlock: &Unlock) -> Result<Self, Failure> {
        let store = Store::open(dir, &StoreOptions::PRODUCT, unlock)?;
        Ok(Self { store, by: None })
    }
}

/// Faces that are served.
pub(super) struct Faces {
    close: watch::Sender<()>,
    served: JoinSet<()>,
}

impl Faces {
    /// Closes the doors and lets requests under way finish.
    pub(super) async fn close(mut self) {
        drop(self.close);
        // Whether the faces ended well changes nothing.
        while self.served.join_next().await.is_some() {}
    }
}

impl<'a> Doors<'a> {
    /// Opens the socket, and the door for browsers on this machine.
    pub(super) async fn open(dir: &Path, local: &'a Settings) -> Result<Self, Failure> {
        let socket = Socket::open(dir).map_err(|error| with_remedy(Failure::error(error)))?;
        let loopback = match local.web_loopback {
            None => None,
            Some(address) => Some(opened(WebDoor::loopback(address).await, "web_loopback")?),
        };
        Ok(Self {
            local,
            socket,
            loopback,
            network: None,
        })
    }

    /// Shows the page of a locked node until somebody has unlocked it, and opens the store.
    pub(super) async fn wait_for_staff(&mut self, dir: &Path) -> Result<Opened, Failure> {
        has_staff_slots(dir).map_err(|error| with_remedy(Failure::refused(error)))?;
        let shown = LockedDoor::load(dir).map_err(|error| with_remedy(Failure::error(error)))?;
        if let Some((address, shown)) = self.local.web_listen.zip(shown.as_ref()) {
            let door = WebDoor::network(address, shown.key.clone()).await;
            self.network = Some(opened(door, "web_listen")?);
        }
        let clock = Clock::start();
        let now = move || Now {
            wall: clock.now(),
            mono: clock.elapsed(),
        };
        let locked = Locked::new(dir, Arc::new(now));
        info!("the node is locked until a staff member unlocks it");
        tell(&[NotifyState::Ready, NotifyState::Status("locked")]);
        let watchdog = tokio::spawn(feed_watchdog());
        let (close, closing) = watch::channel(());
        let opening = async {
            let opened = open_store(dir, &locked).await;
            drop(close);
            opened
        };
        let ((), opened) = tokio::join!(self.show(&locked, shown.as_ref(), closing), opening);
        watchdog.abort();
        opened
    }

    async fn show(
        &self,
        locked: &Locked,
        shown: Option<&LockedDoor>,
        closing: watch::Receiver<()>,
    ) {
        let socket = self.socket.serve_locked(locked, closed(closing.clone()));
        let browsers = [&self.loopback, &self.network].map(|door| {
            let closing = closing.clone();
            async move {
                if let Some(door) = door {
                    door.serve_locked(locked, shown, closed(closing)).await;
                }
            }
        });
        let [loopback, network] = browsers;
        drop(closing);
        tokio::join!(socket, loopback, network);
    }

    /// Serves the API of the running node at every door.
    pub(super) async fn serve(self, api: &Api, running: &Running) -> Result<Faces, Failure> {
        let key = running.identity.keys.web_key();
        let network = match (self.network, self.local.web_listen) {
            (Some(door), _) => Some(door.with_key(key)),
            (None, Some(address)) => {
                Some(opened(WebDoor::network(address, key).await, "web_listen")?)
            }
            (None, None) => None,
        };
        let (close, closing) = watch::channel(());
        let mut served = JoinSet::new();
        for door in self.loopback.into_iter().chain(network) {
            served.spawn(door.serve(api.clone(), closed(closing.clone())));
        }
        served.spawn(self.socket.serve(api.clone(), closed(closing)));
        Ok(Faces { close, served })
    }
}

/// Opens the store once somebody has unlocked it.
async fn open_store(dir: &Path, locked: &Locked) -> Result<Opened, Failure> {
    let (by, key) = locked.unlocked().await;
    let dir = dir.to_owned();
    let open = move || Store::open_by_staff(&dir, &StoreOptions::PRODUCT, key);
    let store = tokio::task::spawn_blocking(open).await;
    let store = store.map_err(|_| Failure::error("opening the store failed"))??;
    Ok(Opened {
        store,
        by: Some(by),
    })
}

/// Resolves once the other end is gone.
async fn closed(mut closing: watch::Receiver<()>) {
    while closing.changed().await.is_ok() {}
}

/// Tells systemd, where it wants to hear it, that a locked node still waits; there is no engine yet
/// that could hang.
async fn feed_watchdog() {
    let Some(limit) = sd_notify::watchdog_enabled() else {
        return;
    };
    let mut tick = tokio::time::interval(limit / 3);
    loop {
        tick.tick().await;
        tell(&[NotifyState::Watchdog]);
    }
}

fn opened(door: Result<WebDoor, DoorError>, setting: &str) -> Result<WebDoor, Failure> {
    door.map_err(|error| {
        Failure::error(error).remedy(format!("choose another address for {setting} in node.toml"))
    })
}
