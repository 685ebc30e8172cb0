//! Where the logs of a revoked device end, as far as its revocation says.

use super::Clinic;
use crate::domain::id::AuthorId;
use crate::domain::log::Epoch;
use crate::domain::space::Space;
use crate::domain::statement::{LogEnd, Revocation};
use crate::domain::time::WallTime;

impl Clinic {
    /// Number of the last entry that counts in a log of the device, if it was revoked and the
    /// revocation names the log.
    pub fn named_end(&self, author: &AuthorId, space: &Space, epoch: Epoch) -> Option<u64> {
        let revocation = self.devices.get(&author.as_device())?.revocation.as_ref()?;
        end_named(revocation, space, epoch)
    }

    /// The moment the device was revoked, if it was.
    pub fn revoked_at(&self, author: &AuthorId) -> Option<WallTime> {
        Some(
            self.devices
                .get(&author.as_device())?
                .revocation
                .as_ref()?
                .at,
        )
    }
}

/// The end that a revocation of the fold names for a log.
///
/// A device that ran for years has thousands of logs, and every one is asked for at every change: the fold
/// keeps the ends in order.
pub(in crate::domain) fn end_named(
    revocation: &Revocation,
    space: &Space,
    epoch: Epoch,
) -> Option<u64> {
    let place = |end: &LogEnd| (end.space, end.epoch).cmp(&(*space, epoch));
    let at = revocation.ends.binary_search_by(place).ok()?;
    Some(revocation.ends[at].seq)
}
