//! Reading a file that is sent while it is made.

use http_body_util::BodyExt as _;
use hyper::body::{Bytes, Incoming};

use super::{Answer, broken};

/// The pieces of a file; whoever reads them checks whether the file is whole.
#[derive(Debug)]
pub struct Pieces(Incoming);

impl Pieces {
    pub(super) const fn new(body: Incoming) -> Self {
        Self(body)
    }

    /// The next piece; `None` when the node has sent all.
    pub async fn next(&mut self) -> Option<Answer<Bytes>> {
        loop {
            match self.0.frame().await? {
                Ok(frame) => {
                    if let Ok(bytes) = frame.into_data() {
                        return Some(Ok(bytes));
                    }
                }
                Err(error) => return Some(Err(broken(error))),
            }
        }
    }
}
