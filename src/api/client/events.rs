//! Reading server-sent events.

use http_body_util::BodyExt as _;
use hyper::body::Incoming;

use super::{Answer, ClientError};
use crate::api::event::Hint;

/// Longest event in bytes; hints are short.
const EVENT_MAX: usize = 64 * 1024;

/// A stream of hints; ends when the node ends it.
#[derive(Debug)]
pub struct Events {
    body: Incoming,
    parser: Parser,
}

impl Events {
    pub(super) fn new(body: Incoming) -> Self {
        Self {
            body,
            parser: Parser::default(),
        }
    }

    /// The next hint; `None` when the node has ended the stream.
    pub async fn next(&mut self) -> Option<Answer<Hint>> {
        loop {
            match self.parser.take() {
                Ok(Some(data)) => return Some(serde_json::from_str(&data).map_err(super::broken)),
                Ok(None) => {}
                Err(error) => return Some(Err(error)),
            }
            match self.body.frame().await? {
                Ok(frame) => {
                    if let Some(bytes) = frame.data_ref() {
                        self.parser.push(bytes);
                    }
                }
                Err(error) => return Some(Err(super::broken(error))),
            }
        }
    }
}

/// Cuts the bytes of a stream into the data of its events.
#[derive(Debug, Default)]
struct Parser {
    bytes: Vec<u8>,
}

impl Parser {
    fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The data of the next whole event; comments and other fields are passed over.
    fn take(&mut self) -> Result<Option<String>, ClientError> {
        while let Some(end) = find_blank_line(&self.bytes) {
            let rest = self.bytes.split_off(end);
            let event = std::mem::replace(&mut self.bytes, rest);
            let text = String::from_utf8(event).map_err(super::broken)?;
            let data: Vec<&str> = text.lines().filter_map(data_of).collect();
            if !data.is_empty() {
                return Ok(Some(data.join("\n")));
            }
        }
        if self.bytes.len() > EVENT_MAX {
            return Err(ClientError::Broken("an event without an end".into()));
        }
        Ok(None)
    }
}

/// The offset behind the first blank line.
fn find_blank_line(bytes: &[u8]) -> Option<usize> {
    let at = bytes.windows(2).position(|pair| pair == b"\n\n")?;
    Some(at + 2)
}

fn data_of(line: &str) -> Option<&str> {
    let data = line.strip_prefix("data:")?;
    Some(data.strip_prefix(' ').unwrap_or(data))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_cut_out_of_the_stream_however_it_is_split() {
        let stream = b": hello\n\ndata: one\n\nevent: x\ndata: two\ndata:three\n\n:\n\n";
        for step in 1..stream.len() {
            let mut parser = Parser::default();
            let mut seen = Vec::new();
            for part in stream.chunks(step) {
                parser.push(part);
                while let Some(data) = parser.take().expect("well formed") {
                    seen.push(data);
                }
            }
            assert_eq!(seen, ["one", "two\nthree"]);
        }
    }

    #[test]
    fn an_event_that_never_ends_is_given_up() {
        let mut parser = Parser::default();
        parser.push(&vec![b'x'; EVENT_MAX + 1]);
        assert!(parser.take().is_err());
    }
}
