//! Verdicts on signatures, remembered.
//!
//! Built for the simulator only, where many nodes in one thread look at the same signature. A verdict depends on
//! nothing but the bytes that are hashed here, so that remembering it saves time and changes nothing else.

use std::cell::RefCell;
use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};

/// Most verdicts remembered at a time: more than a simulated world makes in its few days.
const MOST: usize = 1 << 16;

thread_local! {
    static VERDICTS: RefCell<BTreeMap<[u8; 32], bool>> = const { RefCell::new(BTreeMap::new()) };
}

/// The verdict on this signature over this message, found by `verify` unless it is known.
pub(super) fn verdict(
    key: &[u8; 32],
    message: &[u8],
    signature: &[u8; 64],
    verify: impl FnOnce() -> bool,
) -> bool {
    let hash = Sha256::new().chain_update(key).chain_update(signature);
    let name: [u8; 32] = hash.chain_update(message).finalize().into();
    let known = VERDICTS.with_borrow(|verdicts| verdicts.get(&name).copied());
    known.unwrap_or_else(|| {
        let verdict = verify();
        VERDICTS.with_borrow_mut(|verdicts| {
            if verdicts.len() >= MOST {
                verdicts.clear();
            }
            verdicts.insert(name, verdict);
        });
        verdict
    })
}
