//! `node run`: the node as a service in the foreground.

use std::path::Path;
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{info, warn};

use super::doors::{Doors, Opened};
use super::logs::{self, Look};
use super::settings::Settings;
use super::unlock::UnlockArgs;
use crate::cli::{Context, Failure, Outcome};
use crate::node::backup::Schedule;
use crate::node::engine::Command;
use crate::node::{self, Handle, Running};
use crate::platform::{files, lock};
use crate::web::{Api, Unlocking};

/// How long stopping in order may take before the process ends all the same.
///
/// Ten seconds: a commit takes milliseconds, links close within one; systemd waits ninety.
const STOP_MAX: Duration = Duration::from_secs(10);

/// Longest wait for the engine's word that it is alive, before the watchdog is not fed.
const ALIVE_MAX: Duration = Duration::from_secs(5);

/// Run this machine's node in the foreground until it is told to stop
///
/// SIGINT and SIGTERM stop it in order. Log lines go to standard error; CLINIC_MESH_LOG chooses what
/// is logged, such as "debug" or "info,clinic_mesh::net=debug".
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Run {
    /// Log lines as JSON objects
    #[arg(long)]
    log_json: bool,

    /// Move the node's clock ahead by DAYS, for a drill; never in a real office
    #[arg(long, value_name = "DAYS", default_value_t = 0)]
    days_ahead: u32,

    #[command(flatten)]
    unlock: UnlockArgs,
}

impl Run {
    pub(super) fn run(&self, context: &Context) -> Outcome {
        logs::start(if self.log_json {
            Look::Json
        } else {
            Look::Text
        });
        files::check_dir(context.dir()).map_err(|error| missing(context, error))?;
        // Before a passphrase is asked for: nobody should type it in vain.
        refuse_second(context)?;
        let local = Settings::load(context.dir())?;
        let schedule = local.schedule(context.dir())?;
        let (settings, unknown) = local.start(self.days_ahead);
        for peer in unknown {
            warn!(peer, "a bootstrap peer's name does not resolve");
        }
        let unlock = match local.staff_unlock {
            true => self.unlock.at_hand()?,
            false => Some(self.unlock.existing()?),
        };
        let opened = unlock.map(|unlock| Opened::by_key(context.dir(), &unlock));
        let opened = opened.transpose()?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(workers())
            .enable_all()
            .build()?;
        let outcome = runtime.block_on(serve(context, opened, (settings, schedule), &local));
        runtime.shutdown_timeout(STOP_MAX);
        outcome
    }
}

/// Two to four threads: an office PC has more to do than carry messages.
fn workers() -> usize {
    std::thread::available_parallelism().map_or(2, |cores| cores.get().clamp(2, 4))
}

fn missing(context: &Context, error: files::FileError) -> Failure {
    match error {
        files::FileError::Missing { .. } => {
            Failure::not_found(format!("there is no node in {}", context.dir().display())).remedy(
                "make one with `clinic-mesh node init` or `node join`, or name it with --dir DIR",
            )
        }
        other => super::with_remedy(Failure::error(other)),
    }
}

/// Refuses to run a node beside itself.
fn refuse_second(context: &Context) -> Outcome {
    // What cannot be looked at is said when the store is opened.
    match lock::holder(&context.dir().join("lock")) {
        Ok(Some(pid)) => Err(running_already(context.dir(), &pid)),
        Ok(None) | Err(_) => Ok(()),
    }
}

fn running_already(dir: &Path, pid: &str) -> Failure {
    let dir = dir.display();
    let which = match pid.parse::<u32>() {
        Ok(pid) => format!(" (process {pid})"),
        Err(_) => String::new(),
    };
    Failure::refused(format!("the node in {dir} is running already{which}")).remedy(
        "look at it with `clinic-mesh node status`; to start it anew, stop it first, with Ctrl-C where it runs or \
         as the service that it is",
    )
}

async fn serve(
    context: &Context,
    opened: Option<Opened>,
    (settings, schedule): (node::Settings, Option<Schedule>),
    local: &Settings,
) -> Outcome {
    let mut stop = Stop::listen()?;
    let mut doors = Doors::open(context.dir(), local).await?;
    let opened = match opened {
        Some(opened) => opened,
        None => tokio::select! {
            opened = doors.wait_for_staff(context.dir()) => opened?,
            name = stop.requested() => {
                info!(signal = name, "stopping");
                return Ok(());
            }
        },
    };
    let mut running = node::start(opened.store, settings)
        .map_err(|error| super::with_remedy(Failure::error(error)))?;
    let backups = running.backups.clone().scheduled(schedule);
    let backups = backups.with_settings(Settings::file(context.dir()));
    let api = Api::new(running.handle.clone(), running.timepiece.clone())
        .enrolling(running.enrolment.clone())
        .backing_up(backups.clone())
        .observing(running.observer.clone())
        .showing(running.identity.keys.web_key().public())
        .unlocked_by_staff(unlocking(context.dir(), local, &running)?);
    if let Some(by) = &opened.by {
        api.count_on(by).await;
    }
    let faces = doors.serve(&api, &running).await?;
    if let Some(by) = &opened.by {
        api.note_unlocked(by).await;
    }
    let keeping = backups.keep(&running.handle, running.timepiece.clone());
    let watchdog = tokio::spawn(watched(running.handle.clone()));
    info!(device = %running.identity.keys.device().short(), "node is ready");
    tell(&[match &opened.by {
        None => NotifyState::Ready,
        // It was ready for being unlocked.
        Some(_) => NotifyState::Status("unlocked"),
    }]);
    let outcome = live(&mut running, &mut stop).await;
    tell(&[NotifyState::Stopping]);
    watchdog.abort();
    drop(keeping);
    faces.close().await;
    outcome
}

/// Whether staff passwords unlock the node at its next start.
fn unlocking(dir: &Path, local: &Settings, running: &Running) -> Result<Unlocking, Failure> {
    match running.staff_slots.clone().filter(|_| local.staff_unlock) {
        Some(slots) => Ok(Unlocking::on(dir, slots)),
        None => Unlocking::off(dir).map_err(Failure::error),
    }
}

/// Lives until the node ends by itself or is told to stop.
async fn live(running: &mut Running, stop: &mut Stop) -> Outcome {
    let handle = running.handle.clone();
    let ended = tokio::select! {
        ended = running.ended() => Some(ended),
        name = stop.requested() => {
            info!(signal = name, "stopping");
            None
        }
    };
    let ended = match ended {
        Some(ended) => ended,
        None => stop_in_order(running, handle, stop).await?,
    };
    ended.map_err(Failure::error)
}

async fn stop_in_order(
    running: &mut Running,
    handle: Handle,
    stop: &mut Stop,
) -> Result<Result<(), node::RunError>, Failure> {
    let stopping = async {
        // An error says that it has stopped already.
        let _ = handle.ask(Command::Stop).await;
        running.ended().await
    };
    tokio::select! {
        ended = stopping => Ok(ended),
        () = tokio::time::sleep(STOP_MAX) => Err(Failure::error("the node did not stop in time")),
        _ = stop.requested() => Err(Failure::error("stopped at once, on a second signal")),
    }
}

/// SIGINT and SIGTERM.
struct Stop {
    interrupt: Signal,
    terminate: Signal,
}

impl Stop {
    fn listen() -> std::io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn requested(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.terminate.recv() => "SIGTERM",
        }
    }
}

/// Tells systemd, where it wants to hear it, that the engine still answers.
async fn watched(handle: Handle) {
    if let Some(limit) = sd_notify::watchdog_enabled() {
        feed_watchdog(&handle, limit, || tell(&[NotifyState::Watchdog])).await;
    }
}

/// Calls `alive` three times within the watchdog's limit for as long as the engine answers.
///
/// What is asked is the engine itself: a process whose timers run while its engine hangs is restarted.
async fn feed_watchdog(handle: &Handle, limit: Duration, alive: impl Fn()) {
    let mut tick = tokio::time::interval(limit / 3);
    loop {
        tick.tick().await;
        match tokio::time::timeout(ALIVE_MAX, handle.ask(Command::Status)).await {
            Ok(Ok(_)) => alive(),
            Ok(Err(_)) => return,
            Err(_) => warn!("the engine does not answer; the watchdog is not fed"),
        }
    }
}

/// Without systemd there is nobody to tell.
pub(super) fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        warn!(%error, "systemd could not be told");
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    use super::*;
    use crate::node::engine::Reply;

    /// What the unit in docs/operations.md allows.
    const LIMIT: Duration = Duration::from_secs(30);

    #[test]
    fn a_node_is_not_run_beside_itself() {
        let dir = tempfile::tempdir().expect("a scratch directory");
        let global = crate::cli::Global {
            node_dir: Some(dir.path().to_owned()),
            json: false,
            quiet: true,
        };
        let context = Context::new(&global, crate::cli::hints::InUse::default());
        assert_eq!(refuse_second(&context), Ok(()));
        let held = lock::Lock::take(&dir.path().join("lock")).expect("free");
        let refused = refuse_second(&context).expect_err("it runs");
        let pid = format!("running already (process {})", std::process::id());
        assert!(refused.message.contains(&pid), "{refused}");
        assert!(
            refused
                .remedy
                .is_some_and(|how| how.contains("node status"))
        );
        drop(held);
        assert_eq!(refuse_second(&context), Ok(()));
        assert!(
            !running_already(dir.path(), "unknown")
                .message
                .contains("process")
        );
    }

    #[tokio::test(start_paused = true)]
    async fn the_watchdog_is_fed_while_the_engine_answers_and_not_while_it_hangs() {
        let (hangs, fed) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicUsize::new(0)),
        );
        let (engine, count) = (hangs.clone(), fed.clone());
        let handle =
            Handle::answered_by(move |_| (!engine.load(Ordering::Relaxed)).then_some(Reply::Done));
        tokio::spawn(async move {
            let alive = || {
                count.fetch_add(1, Ordering::Relaxed);
            };
            feed_watchdog(&handle, LIMIT, alive).await;
        });
        let fed_in = async |time| {
            let before = fed.load(Ordering::Relaxed);
            tokio::time::sleep(time).await;
            fed.load(Ordering::Relaxed) - before
        };
        assert!(fed_in(LIMIT).await >= 2, "late once is not too late");
        hangs.store(true, Ordering::Relaxed);
        assert_eq!(fed_in(2 * LIMIT).await, 0);
        hangs.store(false, Ordering::Relaxed);
        assert!(fed_in(LIMIT).await >= 2);
    }
}
