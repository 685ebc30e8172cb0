//! Credentials whose signatures were verified before.
//!
//! Devices reconnect often and show the same two signed objects each time. Their signatures are worth
//! verifying once; all else (revocation, time, issuer, networks) is judged at every handshake.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use crate::domain::codec;
use crate::domain::id::{ClinicId, Hash};
use crate::domain::trust::{Credentials, Refusal, Shown};

/// Credentials remembered.
///
/// 256: ten times the devices of the largest clinic, so renewals push out only what is long unused.
const REMEMBERED_MAX: usize = 256;

/// Credentials with good signatures, by the hash of their bytes. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Verified {
    /// The most recently used at the back.
    seen: Arc<Mutex<VecDeque<Opened>>>,
}

/// A certificate and a grant that verified.
#[derive(Clone, Debug)]
pub(crate) struct Opened {
    /// Of the bytes they were opened from.
    hash: Hash,
    shown: Arc<Shown>,
}

impl Verified {
    /// Opens credentials, with the two signature checks only if these bytes were remembered before.
    pub(crate) fn open(&self, shown: &Credentials, clinic: &ClinicId) -> Result<Opened, Refusal> {
        let hash = Hash::of(
            "credentials/v1",
            &[clinic.as_bytes(), &codec::encode(shown)],
        );
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = seen.iter().rev().find(|known| known.hash == hash) {
            return Ok(known.clone());
        }
        drop(seen);
        Ok(Opened {
            hash,
            shown: Arc::new(shown.open(clinic)?),
        })
    }

    /// Remembers what was opened. Only for what was let in: a member's forgeries push nothing out.
    pub(crate) fn remember(&self, opened: Opened) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.retain(|known| known.hash != opened.hash);
        if seen.len() >= REMEMBERED_MAX {
            seen.pop_front();
        }
        seen.push_back(opened);
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.seen.lock().unwrap().len()
    }
}

impl Opened {
    pub(crate) fn shown(&self) -> &Shown {
        &self.shown
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::fixture::Clinic;
    use crate::domain::id::Serial;

    #[test]
    fn the_longest_unused_credentials_are_forgotten_first() {
        let clinic = Clinic::new();
        let verified = Verified::default();
        let shown = |n: usize| {
            let party =
                clinic.party_with(1, |c, _| c.serial = Serial::new((n as u128).to_be_bytes()));
            Credentials::clone(&party.local.credentials)
        };
        let pass = |n| verified.remember(verified.open(&shown(n), &clinic.id).unwrap());
        (0..REMEMBERED_MAX).for_each(pass);
        pass(0);
        pass(REMEMBERED_MAX);
        assert_eq!(verified.len(), REMEMBERED_MAX);
        let known = |n| {
            let hash = verified.open(&shown(n), &clinic.id).unwrap().hash;
            verified
                .seen
                .lock()
                .unwrap()
                .iter()
                .any(|known| known.hash == hash)
        };
        assert!(known(0) && !known(1) && known(2));
    }

    #[test]
    fn credentials_verified_in_one_clinic_are_not_known_in_another() {
        let (clinic, other) = (Clinic::new(), Clinic::founded_by(0xc1));
        let verified = Verified::default();
        let credentials = clinic.party(1).local.credentials;
        verified.remember(verified.open(&credentials, &clinic.id).unwrap());
        assert!(verified.open(&credentials, &other.id).is_err());
    }
}
