//! A buffer of plaintext.

use zeroize::Zeroize as _;

use super::{SEALED_MAX, buffer};

/// Plaintext on its way in or out: allocated when first needed, wiped as far as it was ever filled.
///
/// Wiping costs time for every byte, and most connections carry frames far below the largest.
#[derive(Default)]
pub(super) struct Plain {
    bytes: Box<[u8]>,
    /// The part that waits to be taken.
    start: usize,
    end: usize,
    /// No byte from here on was ever written to.
    used: usize,
}

impl Plain {
    /// Room for `len` bytes in place of what the buffer held; [`fill`](Self::fill) says how many of
    /// them became plaintext.
    pub(super) fn room(&mut self, len: usize) -> &mut [u8] {
        self.clear();
        self.reach(len);
        &mut self.bytes[..len]
    }

    /// The first `len` bytes of the room given last wait to be taken.
    pub(super) fn fill(&mut self, len: usize) {
        (self.start, self.end) = (0, len);
    }

    /// Appends as much of `data` as makes no more than `limit` bytes.
    pub(super) fn append(&mut self, data: &[u8], limit: usize) -> usize {
        let n = data.len().min(limit - self.end);
        let end = self.end + n;
        self.reach(end);
        self.bytes[self.end..end].copy_from_slice(&data[..n]);
        self.end = end;
        n
    }

    /// Takes as many waiting bytes as fit into `out`.
    pub(super) fn take(&mut self, out: &mut [u8]) -> usize {
        let n = out.len().min(self.waiting().len());
        out[..n].copy_from_slice(&self.waiting()[..n]);
        self.start += n;
        n
    }

    /// What waits to be taken.
    pub(super) fn waiting(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    /// Forgets what waits.
    pub(super) fn clear(&mut self) {
        (self.start, self.end) = (0, 0);
    }

    /// Allocates on first use, a sealed frame's size: the cipher opens a frame together with its tag.
    fn reach(&mut self, end: usize) {
        if self.bytes.is_empty() {
            self.bytes = buffer(SEALED_MAX);
        }
        self.used = self.used.max(end);
    }
}

impl Drop for Plain {
    fn drop(&mut self) {
        self.bytes[..self.used].zeroize();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_appended_is_taken_in_pieces_and_no_more_than_the_limit_is_held() {
        let mut plain = Plain::default();
        assert_eq!(plain.take(&mut [0; 4]), 0);
        assert_eq!(plain.append(b"abcdef", 8), 6);
        assert_eq!(plain.append(b"ghijkl", 8), 2);
        let mut out = [0; 5];
        assert_eq!(plain.take(&mut out), 5);
        assert_eq!(&out, b"abcde");
        assert_eq!(plain.waiting(), b"fgh");
    }

    #[test]
    fn everything_ever_written_is_within_what_will_be_wiped() {
        let mut plain = Plain::default();
        plain.room(7).fill(9);
        plain.fill(3);
        plain.clear();
        plain.append(b"ab", 16);
        assert_eq!(plain.used, 7);
        assert!(plain.bytes[plain.used..].iter().all(|byte| *byte == 0));
    }
}
