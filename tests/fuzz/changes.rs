//! Inputs made from a corpus: the same seed gives the same inputs.

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

/// Longest input: over every cap but the largest, so that caps are met too.
const LONGEST: usize = 128 * 1024;

/// Values at the edges of what lengths and heads of CBOR can say.
const EDGES: [u8; 14] = [
    0x00, 0x01, 0x17, 0x18, 0x1b, 0x3b, 0x5b, 0x5f, 0x7f, 0x80, 0x9b, 0xbf, 0xf6, 0xff,
];

/// An endless row of changed inputs.
pub(crate) struct Changes {
    random: StdRng,
    corpus: Vec<Vec<u8>>,
}

impl Changes {
    pub(crate) fn new(seed: u64, corpus: Vec<Vec<u8>>) -> Self {
        Self {
            random: StdRng::seed_from_u64(seed),
            corpus,
        }
    }

    /// The next input: a file of the corpus with one to eight changes.
    pub(crate) fn next(&mut self) -> Vec<u8> {
        let which = self.random.random_range(0..self.corpus.len());
        let mut input = self.corpus[which].clone();
        for _ in 0..self.random.random_range(1..=8) {
            self.change(&mut input);
        }
        input.truncate(LONGEST);
        input
    }

    fn change(&mut self, input: &mut Vec<u8>) {
        let random = &mut self.random;
        let at = random.random_range(0..=input.len());
        let end = random.random_range(at..=input.len().min(at + 64));
        match random.random_range(0..9) {
            0 if at < input.len() => input[at] ^= 1 << random.random_range(0..8),
            1 if at < input.len() => input[at] = random.random(),
            2 if at < input.len() => input[at] = EDGES[random.random_range(0..EDGES.len())],
            3 => input.insert(at, EDGES[random.random_range(0..EDGES.len())]),
            4 => drop(input.drain(at..end)),
            5 => {
                let piece = input[at..end].to_vec();
                input.splice(at..at, piece);
            }
            6 => input.truncate(at),
            7 => {
                let other = random.random_range(0..self.corpus.len());
                let other = &self.corpus[other];
                let from = random.random_range(0..=other.len());
                let to = random.random_range(from..=other.len().min(from + 256));
                input.splice(at..end, other[from..to].iter().copied());
            }
            _ => input.splice(at..at, [0xff; 8]).for_each(drop),
        }
    }
}
