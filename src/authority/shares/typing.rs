//! Shares as they are typed: line by line, each judged at once, so that a mistake costs one line.

use zeroize::Zeroizing;

use crate::domain::invitation::{base32, unbase32};

use super::words::{self, NotALine};
use super::{
    KEY_BYTES, LINE_BYTES, LINES, SHARES_MAX, SetId, Share, ShareError, THRESHOLD_MIN, VERSION,
    check, whole,
};

/// Bytes of a share's lines together.
const SHARE_BYTES: usize = words::BYTES * LINES;

/// Shares while they are typed, one line after the other.
///
/// A refused line changes nothing: the same line is typed again.
#[derive(Default)]
pub struct ShareTyping {
    done: Vec<Share>,
    lines: Vec<Zeroizing<[u8; words::BYTES]>>,
}

impl ShareTyping {
    /// Nothing is typed yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a line of words, with or without its number, or the one line that the picture holds.
    ///
    /// Lines without any letter are passed over.
    pub fn line(&mut self, text: &str) -> Result<(), ShareError> {
        let text = text.split_once(':').map_or(text, |(_, words)| words).trim();
        if text.is_empty() {
            return Ok(());
        }
        if let Some(bytes) = self.scanned(text) {
            let taken = bytes
                .chunks(words::BYTES)
                .try_for_each(|line| self.take(line));
            if taken.is_err() {
                self.lines.clear();
            }
            return taken;
        }
        let (share, line) = self.place();
        let bytes = words::read(text).map_err(|error| match error {
            NotALine::Count(words) => ShareError::Words { share, line, words },
            NotALine::Unknown(word) => ShareError::UnknownWord { share, line, word },
        })?;
        self.take(&*bytes)
    }

    /// Which share and which line of it is next, each counted from one.
    pub fn place(&self) -> (usize, usize) {
        (self.done.len() + 1, self.lines.len() + 1)
    }

    /// The shares that are whole.
    pub fn shares(&self) -> &[Share] {
        &self.done
    }

    /// Whether more shares are needed before their set can be tried.
    pub fn wants_more(&self) -> bool {
        let needed = self.done.first().map_or(THRESHOLD_MIN, Share::threshold);
        self.done.len() < usize::from(needed)
    }

    /// All shares; none may have been left unfinished.
    pub fn finish(self) -> Result<Vec<Share>, ShareError> {
        match self.lines.len() {
            0 => Ok(self.done),
            lines => Err(ShareError::Unfinished {
                share: self.done.len() + 1,
                lines,
            }),
        }
    }

    /// What a scanner reads off the picture: a whole share in one line.
    fn scanned(&self, text: &str) -> Option<Zeroizing<Vec<u8>>> {
        let at_start = self.lines.is_empty();
        let bytes = at_start.then(|| unbase32(text, SHARE_BYTES)).flatten()?;
        Some(Zeroizing::new(bytes))
    }

    fn take(&mut self, bytes: &[u8]) -> Result<(), ShareError> {
        let (share, line) = self.place();
        let mistyped = ShareError::Mistyped { share, line };
        let (part, typed_check) = bytes.split_at(LINE_BYTES);
        let head = self
            .lines
            .first()
            .map_or(part, |first| &first[..LINE_BYTES]);
        if typed_check != check(line - 1, head, part) {
            return Err(mistyped);
        }
        let mut kept = Zeroizing::new([0; words::BYTES]);
        kept.copy_from_slice(bytes);
        if self.lines.is_empty() {
            judge_head(share, part)?;
        }
        self.lines.push(kept);
        match self.lines.len() < LINES {
            true => Ok(()),
            false => self.close(share),
        }
    }

    fn close(&mut self, share: usize) -> Result<(), ShareError> {
        let lines = std::mem::take(&mut self.lines);
        let mut bytes = Zeroizing::new([0; LINE_BYTES * LINES]);
        for (place, line) in bytes.chunks_mut(LINE_BYTES).zip(&lines) {
            place.copy_from_slice(&line[..LINE_BYTES]);
        }
        let (head, rest) = bytes.split_at(LINE_BYTES);
        let (secret, typed_check) = rest.split_at(KEY_BYTES);
        if typed_check != whole(head, secret) {
            return Err(ShareError::Mixed { share });
        }
        let mut part = Zeroizing::new([0; KEY_BYTES]);
        part.copy_from_slice(secret);
        self.done.push(Share {
            threshold: head[1] >> 4,
            number: head[1] & 0x0f,
            clinic: [head[2], head[3], head[4], head[5]],
            set: SetId([head[6], head[7], head[8]]),
            part,
        });
        Ok(())
    }
}

fn judge_head(share: usize, head: &[u8]) -> Result<(), ShareError> {
    let (version, threshold, number) = (head[0], head[1] >> 4, head[1] & 0x0f);
    let sound =
        (THRESHOLD_MIN..=SHARES_MAX).contains(&threshold) && (1..=SHARES_MAX).contains(&number);
    match version == VERSION && sound {
        true => Ok(()),
        false => Err(ShareError::Version { share, version }),
    }
}

/// The share's lines of words, numbered.
pub(super) fn lines(share: &Share) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(LINES * 80));
    for (number, line) in (1..).zip(share.lines().iter()) {
        text.push_str(&format!("    {number}:  "));
        text.push_str(&words::of(line));
        text.push('\n');
    }
    text
}

/// The share in one line, for the picture.
pub(super) fn in_one_line(share: &Share) -> Zeroizing<String> {
    Zeroizing::new(base32(share.lines().as_flattened()))
}
