//! Who is told of what: one look at each change, however many streams are open.
//!
//! A change wakes only those whom it concerns, with the hint already made. A thousand streams of
//! people who are not in a conversation cost its messages nothing.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, watch};

use super::hint::{Whom, hint_of, whom};
use crate::api::event::Hint;
use crate::domain::id::StaffId;
use crate::domain::record::Clinic;
use crate::node::Handle;
use crate::node::engine::{Changed, Command, Reply};

/// Hints that wait for one person's slowest stream; whoever is further behind looks at everything.
const WAITING: usize = 256;

/// The open streams of everybody.
pub(super) struct Hub {
    ears: Arc<Mutex<Ears>>,
    /// Ends the task when the hub is dropped.
    alive: watch::Sender<()>,
}

#[derive(Default)]
struct Ears {
    running: bool,
    operators: Option<broadcast::Sender<Hint>>,
    /// As many as people with open streams, and those whose last one has just closed.
    people: BTreeMap<StaffId, broadcast::Sender<Hint>>,
}

impl Default for Hub {
    fn default() -> Self {
        Self {
            ears: Arc::default(),
            alive: watch::channel(()).0,
        }
    }
}

impl Hub {
    /// Hears of what concerns a person, or of everything as the operator. Must be called inside a
    /// Tokio runtime.
    pub(super) fn join(&self, node: &Handle, staff: Option<StaffId>) -> broadcast::Receiver<Hint> {
        let mut ears = lock(&self.ears);
        ears.people.retain(|_, ear| ear.receiver_count() > 0);
        let fresh = || broadcast::channel(WAITING).0;
        let receiver = match staff {
            Some(staff) => ears.people.entry(staff).or_insert_with(fresh).subscribe(),
            None => ears.operators.get_or_insert_with(fresh).subscribe(),
        };
        if !ears.running {
            ears.running = true;
            let teller = Teller {
                ears: Arc::clone(&self.ears),
                node: node.clone(),
                changes: node.hints(),
                clinic: None,
            };
            tokio::spawn(teller.run(self.alive.subscribe()));
        }
        receiver
    }
}

fn lock(ears: &Mutex<Ears>) -> MutexGuard<'_, Ears> {
    ears.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Ears {
    fn tell(&self, whom: &Whom, hint: &Hint) {
        let people = &self.people;
        let ears: Vec<_> = match whom {
            Whom::Nobody => Vec::new(),
            Whom::These(some) => some.iter().filter_map(|staff| people.get(staff)).collect(),
            Whom::Everybody => people.values().collect(),
        };
        for ear in ears.into_iter().chain(&self.operators) {
            // An ear without a listener hears nothing, and that is all.
            let _ = ear.send(hint.clone());
        }
    }
}

/// Turns changes into hints, once for all.
struct Teller {
    ears: Arc<Mutex<Ears>>,
    node: Handle,
    changes: broadcast::Receiver<Changed>,
    clinic: Option<Arc<Clinic>>,
}

impl Teller {
    async fn run(mut self, mut alive: watch::Receiver<()>) {
        loop {
            let change = tokio::select! {
                _ = alive.changed() => break,
                change = self.changes.recv() => change,
            };
            let told = match change {
                Ok(change) => self.tell(change).await,
                Err(RecvError::Lagged(_)) => {
                    self.clinic = None;
                    lock(&self.ears).tell(&Whom::Everybody, &Hint::Everything);
                    Some(())
                }
                Err(RecvError::Closed) => None,
            };
            if told.is_none() {
                break;
            }
        }
        // Every stream ends; whoever comes back begins anew.
        *lock(&self.ears) = Ears::default();
    }

    /// Tells a change; `None` when the node has stopped.
    async fn tell(&mut self, change: Changed) -> Option<()> {
        if change == Changed::Record {
            self.clinic = None;
        }
        let clinic = match &self.clinic {
            Some(clinic) => Arc::clone(clinic),
            None => self.known().await?,
        };
        let whom = whom(&clinic, &change);
        if let Some(hint) = hint_of(&clinic, change) {
            lock(&self.ears).tell(&whom, &hint);
        }
        self.clinic = Some(clinic);
        Some(())
    }

    async fn known(&self) -> Option<Arc<Clinic>> {
        match self.node.ask(Command::Clinic).await {
            Ok(Reply::Clinic(clinic)) => Some(clinic),
            _ => None,
        }
    }
}
