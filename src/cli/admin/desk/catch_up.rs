//! Giving a node what it misses of the record, log by log.
//!
//! A node takes nobody's statements before it knows who appointed them, or made them the root, and from a
//! log with two histories it takes nothing any more. So what it refuses is tried again after something
//! else was taken, and what it refuses for good keeps nothing else from it. No order by time would do:
//! a statement's time is its signer's word.

use std::collections::{BTreeMap, VecDeque};

use crate::domain::id::AuthorId;
use crate::domain::log::Segment;

/// What one signer's log has and the node has not, in order.
#[derive(Debug)]
struct Missing {
    author: AuthorId,
    segments: VecDeque<Segment>,
    /// Why the node refused the first of them last time.
    why: String,
}

/// A log of which the node did not take all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NotTaken {
    /// Whose.
    pub(super) author: AuthorId,
    /// What the node says.
    pub(super) why: String,
}

/// How far it came.
///
/// Every pass but the last has something taken, so there are no more passes than segments, and one.
#[derive(Debug)]
pub(super) struct CatchUp {
    /// To be tried in this pass.
    waiting: VecDeque<Missing>,
    /// Tried in this pass.
    refused: Vec<Missing>,
    /// Whether anything was taken in this pass.
    moved: bool,
}

impl CatchUp {
    /// Begins with the logs of these authors; `first` says which are the roots', on which the others rest.
    pub(super) fn new(
        segments: impl IntoIterator<Item = Segment>,
        first: impl Fn(&AuthorId) -> bool,
    ) -> Self {
        let mut logs: BTreeMap<(bool, AuthorId), VecDeque<Segment>> = BTreeMap::new();
        for segment in segments {
            let author = segment.log.author;
            let log = logs.entry((!first(&author), author)).or_default();
            log.push_back(segment);
        }
        let waiting = logs.into_iter().map(|((_, author), segments)| Missing {
            author,
            segments,
            why: String::new(),
        });
        Self {
            waiting: waiting.collect(),
            refused: Vec::new(),
            moved: false,
        }
    }

    /// What to give next; none when nothing is left, or nothing more is taken.
    pub(super) fn upcoming(&mut self) -> Option<&Segment> {
        if self.waiting.is_empty() && self.moved {
            self.moved = false;
            self.waiting = std::mem::take(&mut self.refused).into();
        }
        self.waiting.front()?.segments.front()
    }

    /// The node took it.
    pub(super) fn taken(&mut self) {
        self.moved = true;
        let Some(log) = self.waiting.front_mut() else {
            return;
        };
        log.segments.pop_front();
        if log.segments.is_empty() {
            self.waiting.pop_front();
        }
    }

    /// The node refused it, and with it what follows it in its log.
    pub(super) fn refused(&mut self, why: String) {
        if let Some(log) = self.waiting.pop_front() {
            self.refused.push(Missing { why, ..log });
        }
    }

    /// What was refused to the end.
    pub(super) fn not_taken(self) -> Vec<NotTaken> {
        let refused = self.refused.into_iter().map(|log| NotTaken {
            author: log.author,
            why: log.why,
        });
        refused.collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::domain::id::{ClinicId, Hash};
    use crate::domain::log::{Entry, Epoch, Head, Log, Payload};
    use crate::domain::sign::SigningKey;
    use crate::domain::space::Space;
    use crate::domain::time::{Day, Hlc};

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_seed(&[seed; 32])
    }

    /// The segment with this number in the log of a key, one entry long.
    fn segment(seed: u8, seq: u64) -> Segment {
        let log = Log {
            space: Space::Record,
            author: key(seed).id(),
            epoch: Epoch::RECORD,
        };
        let payload = Payload {
            salt: [0; 16],
            body: vec![seed],
        };
        let entry = Entry::new(Hlc(seq), Day::NEVER, payload);
        let head = Head {
            seq: seq - 1,
            hash: Hash::ZERO,
        };
        let clinic = ClinicId::new([1; 32]);
        Segment::sign(&clinic, &key(seed), log, head, vec![entry]).0
    }

    /// A node that takes a log once it has another, or never.
    struct Node {
        appointed_by: BTreeMap<AuthorId, AuthorId>,
        forked: AuthorId,
        took: Vec<(AuthorId, u64)>,
        asked: usize,
    }

    impl Node {
        fn take(&mut self, segment: &Segment) -> Result<(), String> {
            self.asked += 1;
            let author = segment.log.author;
            let has: BTreeSet<AuthorId> = self.took.iter().map(|(author, _)| *author).collect();
            let by = self.appointed_by.get(&author);
            if author == self.forked {
                return Err("forked".to_owned());
            }
            if by.is_some_and(|by| !has.contains(by)) {
                return Err("not an admin".to_owned());
            }
            self.took.push((author, segment.first));
            Ok(())
        }

        fn gets(&mut self, mut catch_up: CatchUp) -> Vec<NotTaken> {
            while let Some(segment) = catch_up.upcoming() {
                match self.take(segment) {
                    Ok(()) => catch_up.taken(),
                    Err(why) => catch_up.refused(why),
                }
            }
            catch_up.not_taken()
        }
    }

    #[test]
    fn whoever_rests_on_another_is_taken_after_that_one_and_a_fork_keeps_nobody_else_out() {
        let [root, ana, ben, forked, resting] = [1, 2, 3, 4, 5].map(|seed| key(seed).id());
        // Whichever way the keys sort, in one of the two a log comes before the one that it rests on.
        for (early, late) in [(ana, ben), (ben, ana)] {
            let mut node = Node {
                appointed_by: [(early, root), (late, early), (resting, forked)].into(),
                forked,
                took: Vec::new(),
                asked: 0,
            };
            let all = [5, 4, 3, 2, 1].map(|seed| [segment(seed, 1), segment(seed, 2)]);
            let catch_up = CatchUp::new(all.into_iter().flatten(), |author| *author == root);
            let not_taken = node.gets(catch_up);
            let wanted = [root, early, late].into_iter();
            let wanted: Vec<(AuthorId, u64)> = wanted
                .flat_map(|author| [(author, 1), (author, 2)])
                .collect();
            assert_eq!(node.took, wanted);
            let mut why: Vec<_> = not_taken
                .iter()
                .map(|one| (one.author, one.why.as_str()))
                .collect();
            why.sort_unstable();
            let mut wanted = [(forked, "forked"), (resting, "not an admin")];
            wanted.sort_unstable();
            assert_eq!(why, wanted);
            assert!(node.asked <= 6 + 3 * 4, "{} times", node.asked);
        }
    }

    #[test]
    fn a_node_that_takes_nothing_is_asked_once_for_each_log() {
        let (ana, ben) = (key(2).id(), key(3).id());
        let mut node = Node {
            appointed_by: [(ana, ben), (ben, ana)].into(),
            forked: key(4).id(),
            took: Vec::new(),
            asked: 0,
        };
        let all = [segment(2, 1), segment(2, 2), segment(3, 1)];
        let not_taken = node.gets(CatchUp::new(all, |_| false));
        assert_eq!((not_taken.len(), node.asked), (2, 2));
    }
}
