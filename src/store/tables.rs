//! The tables. Keys hold numbers and days only; everything else stands in values.

use redb::TableDefinition as Table;

/// Format of everything below. A change here is a migration.
pub(crate) const SCHEMA: u64 = 1;

/// Bytes of CBOR or of a sealed value.
pub(crate) type Value = &'static [u8];

/// Log number → [`LogRow`](super::rows::LogRow).
pub(crate) const LOGS: Table<'_, u32, Value> = Table::new("logs");

/// (log number, number of the last entry) → [`SegmentRow`](super::rows::SegmentRow).
pub(crate) const HEADERS: Table<'_, (u32, u64), Value> = Table::new("headers");

/// (last day, log number, number of the first entry) → a sealed [chunk](super::bodies) of bodies.
///
/// The day comes first, so that what a day destroys lies together.
pub(crate) const BODIES: Table<'_, (u32, u32, u64), Value> = Table::new("bodies");

/// Space number → the space.
pub(crate) const SPACES: Table<'_, u32, Value> = Table::new("spaces");

/// (space number, hash of the subject) → the attestation.
pub(crate) const ATTESTATIONS: Table<'_, (u32, u128), Value> = Table::new("attestations");

/// Number → [`ForkRow`](super::rows::ForkRow).
pub(crate) const FORKS: Table<'_, u32, Value> = Table::new("forks");

/// Space number (0: everywhere) → first day alive.
pub(crate) const HORIZONS: Table<'_, u32, u32> = Table::new("horizons");

/// Number of a log whose space was dropped → [`DroppedRow`](super::rows::DroppedRow), until its
/// rows are gone.
pub(crate) const DROPPED: Table<'_, u32, Value> = Table::new("dropped");

/// Number of a space whose horizon ran ahead → [`ResealRow`](super::rows::ResealRow), until what
/// stays alive is sealed under another key.
pub(crate) const RESEAL: Table<'_, u32, Value> = Table::new("reseal");

/// Hash of a retraction → the retraction, until its day is over.
pub(crate) const RETRACTIONS: Table<'_, u128, Value> = Table::new("retractions");

/// Name → value.
pub(crate) const META: Table<'_, &str, Value> = Table::new("meta");

/// Name → number: [`COUNTER_SCHEMA`] and those below it.
pub(crate) const COUNTERS: Table<'_, &str, u64> = Table::new("counters");

/// The format the store was written with.
pub(crate) const COUNTER_SCHEMA: &str = "schema";

/// The next log number; numbers are never given twice.
pub(crate) const COUNTER_LOG: &str = "next log";

/// The next space number.
pub(crate) const COUNTER_SPACE: &str = "next space";

/// The next fork number.
pub(crate) const COUNTER_FORK: &str = "next fork";

/// The least generation of a keyring that fits.
pub(crate) const COUNTER_KEYRING: &str = "keyring generation";

/// The space number that stands for all.
pub(crate) const EVERYWHERE: u32 = 0;
