//! Counts the frames that the nodes of this process queue, by their kind.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Mutex, PoisonError};

use serde_json::{Value, json};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};

/// Where the product says what it queues.
const TARGET: &str = "clinic_mesh::net::handle";

/// Frames and their bytes, by kind.
static COUNTED: Mutex<BTreeMap<String, (u64, u64)>> = Mutex::new(BTreeMap::new());

/// Begins to count, once for the whole process.
pub(crate) fn count() {
    let only = Targets::new().with_target(TARGET, LevelFilter::TRACE);
    let subscriber = tracing_subscriber::registry().with(Counter.with_filter(only));
    // Whoever counts already goes on counting.
    let _already = tracing::subscriber::set_global_default(subscriber);
}

/// Forgets what was counted so far.
pub(crate) fn forget() {
    COUNTED
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clear();
}

/// Frames and bytes of each kind since [`forget`].
pub(crate) fn counted() -> Value {
    let counted = COUNTED.lock().unwrap_or_else(PoisonError::into_inner);
    let lines = counted
        .iter()
        .map(|(kind, (frames, bytes))| (kind.clone(), json!({ "frames": frames, "bytes": bytes })));
    Value::Object(lines.collect())
}

struct Counter;

impl<S: Subscriber> Layer<S> for Counter {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut line = Line::default();
        event.record(&mut line);
        let kind = format!("{} {}", line.frame, line.space).trim().to_owned();
        let mut counted = COUNTED.lock().unwrap_or_else(PoisonError::into_inner);
        let (frames, bytes) = counted.entry(kind).or_default();
        *frames += 1;
        *bytes += line.bytes;
    }
}

/// The fields of one event.
#[derive(Default)]
struct Line {
    frame: String,
    space: String,
    bytes: u64,
}

impl Visit for Line {
    fn record_u64(&mut self, field: &Field, value: u64) {
        if field.name() == "bytes" {
            self.bytes = value;
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "frame" => value.clone_into(&mut self.frame),
            "space" => value.clone_into(&mut self.space),
            _ => {}
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn Debug) {}
}
