//! Room on the disk: messages are refused before it is full, so that what must still be written can be.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::platform::space;

/// How much of the disk is kept for what must always be possible.
#[derive(Clone, Copy, Debug)]
pub struct RoomLimits {
    /// Size of the reserve file, let go when the disk runs full.
    pub reserve: u64,
    /// With less than this free beside the reserve, messages are refused.
    pub messages: u64,
    /// With less than this free, the reserve is let go.
    pub low: u64,
}

impl RoomLimits {
    /// 64 MiB each for the reserve and for messages under way; the reserve goes at 16 MiB.
    ///
    /// A purge or a revocation writes some MiB at most, so the reserve outlasts hundreds of them.
    pub const PRODUCT: Self = Self {
        reserve: 64 << 20,
        messages: 64 << 20,
        low: 16 << 20,
    };
}

/// Asks how many bytes are free.
pub(crate) type FreeBytes = Box<dyn Fn() -> io::Result<u64> + Send + Sync>;

/// The reserve and the check of free space.
pub(crate) struct Room {
    limits: RoomLimits,
    reserve: PathBuf,
    free: FreeBytes,
    held: AtomicBool,
    /// One thread at a time takes or lets go.
    adjusting: Mutex<()>,
}

impl Room {
    /// The room of a store whose reserve stands at `reserve`.
    pub(crate) fn new(limits: RoomLimits, reserve: PathBuf, free: FreeBytes) -> Self {
        let room = Self {
            limits,
            reserve,
            free,
            held: AtomicBool::new(false),
            adjusting: Mutex::new(()),
        };
        room.adjust();
        room
    }

    /// Takes or lets go of the reserve, as the disk allows. Called before each commit.
    pub(crate) fn adjust(&self) {
        let _alone = self
            .adjusting
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let Ok(free) = (self.free)() else { return };
        let held = self.held.load(Ordering::Relaxed);
        if free < self.limits.low {
            // A reserve left by an earlier run counts as well.
            let _ = space::let_go(&self.reserve);
            self.held.store(false, Ordering::Relaxed);
        } else if !held && self.wants_reserve(free) {
            let taken = space::hold_back(&self.reserve, self.limits.reserve).is_ok();
            self.held.store(taken, Ordering::Relaxed);
        }
    }

    /// Whether a message may be accepted.
    pub(crate) fn for_messages(&self) -> bool {
        let free = (self.free)().is_ok_and(|free| free >= self.limits.messages);
        free && self.held.load(Ordering::Relaxed)
    }

    fn wants_reserve(&self, free: u64) -> bool {
        let there = self.reserve.metadata().map_or(0, |meta| meta.len());
        free.saturating_add(there) >= self.limits.reserve.saturating_add(self.limits.messages)
    }
}

impl fmt::Debug for Room {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Room")
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicU64;

    use super::*;

    #[test]
    fn messages_are_refused_before_the_disk_is_full_and_again_taken_when_there_is_room() {
        let scratch = tempfile::tempdir().expect("a scratch directory");
        let reserve = scratch.path().join("reserve");
        let free = Arc::new(AtomicU64::new(1000));
        let asked = Arc::clone(&free);
        let limits = RoomLimits {
            reserve: 500,
            messages: 300,
            low: 100,
        };
        let ask: FreeBytes = Box::new(move || Ok(asked.load(Ordering::Relaxed)));
        let room = Room::new(limits, reserve.clone(), ask);
        let at = |bytes| {
            free.store(bytes, Ordering::Relaxed);
            room.adjust();
            (room.for_messages(), reserve.exists())
        };
        assert_eq!(at(500), (true, true));
        assert_eq!(
            at(299),
            (false, true),
            "refused while the reserve is still there"
        );
        assert_eq!(at(99), (false, false), "the reserve is let go");
        assert_eq!(at(400), (false, false), "not before the reserve is back");
        assert_eq!(at(800), (true, true));
    }
}
