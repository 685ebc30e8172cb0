//! Hashing passwords: slow on purpose, so at most a few at once.

use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Params, PasswordHasher as _, PasswordVerifier as _, Version};
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

use crate::api::problem::{Code, Problem};
use crate::platform::entropy;

/// Hashes under way at once: 128 MiB at the product's cost.
const AT_ONCE: usize = 2;

/// Sign-ins that wait for a hash; more are told to come back.
///
/// Sixteen wait about a second and a half in all, which is as long as anyone should stand there.
const WAITING: usize = 16;

/// Most memory, passes and lanes of a stored hash that is looked at.
///
/// A hash comes from another home node of the person; one that asks for more is not ours.
const LIMITS: Cost = Cost {
    memory_kib: 256 * 1024,
    passes: 10,
    lanes: 4,
};

/// How hard a password is hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::web) struct Cost {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
}

impl Cost {
    /// Argon2id with 64 MiB and three passes: about 0.15 s on an office PC.
    pub(in crate::web) const PRODUCT: Self = Self {
        memory_kib: 64 * 1024,
        passes: 3,
        lanes: 1,
    };

    /// As cheap as the algorithm allows, for tests.
    #[cfg(test)]
    pub(in crate::web) const CHEAP: Self = Self {
        memory_kib: 64,
        passes: 1,
        lanes: 1,
    };

    fn argon2(self) -> Argon2<'static> {
        let params = Params::new(self.memory_kib, self.passes, self.lanes, None)
            .expect("the costs are constants within Argon2's bounds");
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
    }
}

/// Hashes and checks passwords, a few at a time.
pub(in crate::web) struct Hashing {
    cost: Cost,
    places: std::sync::Arc<Semaphore>,
    queue: std::sync::Arc<Semaphore>,
    /// What names without a password are checked against, so that they cost the same.
    nobody: String,
}

/// A place in the queue for one hash.
pub(in crate::web) struct Place {
    _queued: tokio::sync::OwnedSemaphorePermit,
}

/// Whether a password was right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::web) enum Verdict {
    /// It was.
    Right,
    /// It was not, or there is none.
    Wrong,
}

impl Hashing {
    pub(in crate::web) fn new(cost: Cost) -> Self {
        let (salt, hash) = (entropy::array::<16>(), entropy::array::<32>());
        Self {
            cost,
            places: std::sync::Arc::new(Semaphore::new(AT_ONCE)),
            queue: std::sync::Arc::new(Semaphore::new(AT_ONCE + WAITING)),
            nobody: phc(cost, &salt, &hash),
        }
    }

    /// Takes a place in the queue, or says that there is none.
    pub(in crate::web) fn queue(&self) -> Result<Place, Problem> {
        let queued = self.queue.clone().try_acquire_owned();
        let _queued = queued.map_err(|_| {
            Problem::new(Code::Busy, "too many people are signing in at once")
                .remedy("try again in a moment")
                .after(2)
        })?;
        Ok(Place { _queued })
    }

    /// Checks a password against the stored hash; without one it takes as long and is wrong.
    pub(in crate::web) async fn verify(
        &self,
        _place: &Place,
        password: &str,
        stored: Option<String>,
    ) -> Verdict {
        let known = stored.filter(|stored| is_bounded(stored));
        let found = known.is_some();
        let against = known.unwrap_or_else(|| self.nobody.clone());
        let password = Zeroizing::new(password.to_owned());
        let right = self.on_a_thread(move || {
            let hash = PasswordHash::new(&against);
            hash.is_ok_and(|hash| {
                Argon2::default()
                    .verify_password(password.as_bytes(), &hash)
                    .is_ok()
            })
        });
        match (right.await, found) {
            (Some(true), true) => Verdict::Right,
            _ => Verdict::Wrong,
        }
    }

    /// Hashes a password for storing.
    pub(in crate::web) async fn hash(
        &self,
        _place: &Place,
        password: &str,
    ) -> Result<String, Problem> {
        let password = Zeroizing::new(password.to_owned());
        let argon2 = self.cost.argon2();
        let salt = entropy::array::<16>();
        let hashed = self.on_a_thread(move || {
            let hashed = argon2.hash_password_with_salt(password.as_bytes(), &salt);
            hashed.ok().map(|hash| hash.to_string())
        });
        hashed.await.flatten().ok_or_else(|| {
            Problem::new(Code::Internal, "the password could not be hashed")
                .remedy("free some memory on this machine")
        })
    }

    async fn on_a_thread<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let place = self.places.clone().acquire_owned().await.ok()?;
        // Whoever hangs up does not end the work, so the place belongs to the work.
        let held = move || {
            let _place = place;
            work()
        };
        tokio::task::spawn_blocking(held).await.ok()
    }
}

/// Whether checking against a hash costs no more than we are ready to spend.
fn is_bounded(phc: &str) -> bool {
    let Ok(hash) = PasswordHash::new(phc) else {
        return false;
    };
    let within = |name, limit| {
        let found = hash.params.get_decimal(name);
        found.is_some_and(|value| value <= limit)
    };
    hash.algorithm.as_str() == "argon2id"
        && within("m", LIMITS.memory_kib)
        && within("t", LIMITS.passes)
        && within("p", LIMITS.lanes)
}

/// A hash in PHC form, from its parts.
fn phc(cost: Cost, salt: &[u8], hash: &[u8]) -> String {
    use base64::Engine as _;
    let base64 = base64::engine::general_purpose::STANDARD_NO_PAD;
    let (salt, hash) = (base64.encode(salt), base64.encode(hash));
    let Cost {
        memory_kib,
        passes,
        lanes,
    } = cost;
    format!("$argon2id$v=19$m={memory_kib},t={passes},p={lanes}${salt}${hash}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_password_that_was_hashed_is_right() {
        let hashing = Hashing::new(Cost::CHEAP);
        let place = hashing.queue().expect("nobody else");
        let stored = hashing
            .hash(&place, "correct horse")
            .await
            .expect("memory for it");
        let verify = |password, stored| hashing.verify(&place, password, stored);
        assert_eq!(
            verify("correct horse", Some(stored.clone())).await,
            Verdict::Right
        );
        assert_eq!(verify("wrong horse", Some(stored)).await, Verdict::Wrong);
        assert_eq!(verify("correct horse", None).await, Verdict::Wrong);
        assert_eq!(
            verify("correct horse", Some("nonsense".into())).await,
            Verdict::Wrong
        );
    }

    #[tokio::test]
    async fn a_hash_keeps_its_place_though_its_asker_hangs_up() {
        let hashing = std::sync::Arc::new(Hashing::new(Cost::CHEAP));
        let (begun, begins) = tokio::sync::oneshot::channel();
        let (end, ends) = std::sync::mpsc::channel::<()>();
        let asker = tokio::spawn({
            let hashing = hashing.clone();
            async move {
                let work = move || {
                    begun.send(()).expect("awaited");
                    let _ = ends.recv();
                };
                hashing.on_a_thread(work).await
            }
        });
        begins.await.expect("it begins");
        asker.abort();
        assert!(asker.await.is_err(), "hung up");
        assert_eq!(hashing.places.available_permits(), AT_ONCE - 1);
        end.send(()).expect("still at work");
        let all = u32::try_from(AT_ONCE).expect("few");
        let again = hashing.places.acquire_many(all).await;
        assert!(again.is_ok(), "free once the work is done");
    }

    #[tokio::test]
    async fn the_products_cost_is_the_stated_one_and_nobody_costs_the_same() {
        let hashing = Hashing::new(Cost::PRODUCT);
        assert!(
            hashing
                .nobody
                .starts_with("$argon2id$v=19$m=65536,t=3,p=1$")
        );
        assert!(is_bounded(&hashing.nobody));
        assert!(PasswordHash::new(&hashing.nobody).is_ok());
    }

    #[test]
    fn a_stored_hash_that_asks_for_too_much_is_not_looked_at() {
        let asks = |memory_kib, passes, lanes| {
            is_bounded(&phc(
                Cost {
                    memory_kib,
                    passes,
                    lanes,
                },
                &[1; 16],
                &[2; 32],
            ))
        };
        assert!(asks(256 * 1024, 10, 4));
        assert!(!asks(256 * 1024 + 1, 10, 4));
        assert!(!asks(256 * 1024, 11, 4));
        assert!(!asks(256 * 1024, 10, 5));
        assert!(!is_bounded(
            "$argon2i$v=19$m=64,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA"
        ));
    }

    #[test]
    fn the_nineteenth_at_once_is_told_to_come_back() {
        let hashing = Hashing::new(Cost::CHEAP);
        let places: Vec<_> = (0..18)
            .map(|_| hashing.queue().map_err(|p| p.code))
            .collect();
        assert!(places.iter().all(Result::is_ok));
        assert_eq!(
            hashing.queue().map(drop).map_err(|problem| problem.code),
            Err(Code::Busy)
        );
        drop(places);
        assert!(hashing.queue().is_ok());
    }
}
