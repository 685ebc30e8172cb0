//! The API from another process: HTTP/1.1 over the node's Unix socket.
//!
//! Each request has a connection of its own; on a Unix socket that costs less than keeping track.

mod doctor;
mod enrolment;
mod events;
mod pieces;

use std::path::{Path, PathBuf};
use std::time::Duration;

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;
use zeroize::Zeroizing;

pub use events::Events;
pub use pieces::Pieces;

use super::audit::{TrailRecords, TrailSegments, TrailView};
use super::backup::BackupRequest;
use super::clinic::ClinicView;
use super::conversation::{
    AcknowledgeRequest, AmendRequest, ConversationsView, DraftRequest, FoundView, GroupRequest,
    GroupView, HistoryView, OpenedRequest, PageView, PresenceView, RetractRequest, SendRequest,
    Sent,
};
use super::inventory::InventoryView;
use super::login::{
    Done, FactorRequest, LoginAnswer, LoginRequest, LoginsEnded, LoginsEnding, LoginsView, MeView,
    PasswordChange, StepUpRequest,
};
use super::problem::Problem;
use super::record::{EndsView, RecordPart, SubmitRequest, Submitted};
use super::revocation::RevocationsView;
use super::status::StatusView;
use super::web::WebView;
use super::{BACKGROUND, blob};
use crate::domain::id::DeviceId;
use crate::domain::log::Segment;
use crate::domain::statement::LogEnd;
use crate::domain::trust::MeshKey;

/// Longest wait for the node to take the connection.
const CONNECT: Duration = Duration::from_secs(3);

/// Longest wait for an answer: longer than the node itself allows a request to take.
const ANSWER: Duration = Duration::from_secs(45);

/// Largest answer in bytes. A page of 500 long messages is the largest there is.
const ANSWER_MAX: usize = 16 * 1024 * 1024;

/// Segments submitted with one request.
///
/// A statement has at most 64 KiB, so eight of them stay below the limit of a request.
const SUBMIT_AT_ONCE: usize = 8;

/// Why a request had no answer of the kind expected.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No node answers at the socket.
    #[error("no node answers at {path}")]
    Unreachable {
        /// The socket.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The node answered with a problem.
    #[error(transparent)]
    Problem(#[from] Problem),
    /// The connection broke, or what came is no answer of ours.
    #[error("the node's answer could not be read: {0}")]
    Broken(String),
}

/// What requests return.
pub type Answer<T> = Result<T, ClientError>;

/// Whether a person stands behind a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Activity {
    /// A person did something: automatic logoff is put off.
    #[default]
    Person,
    /// The face asks on its own.
    Background,
}

/// Reaches one node through its socket.
#[derive(Clone)]
pub struct Client {
    socket: PathBuf,
    patience: Duration,
    token: Option<Zeroizing<String>>,
    activity: Activity,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Client({})", self.socket.display())
    }
}

impl Client {
    /// A client for the node whose socket this is. Nothing is opened yet.
    pub fn new(socket: &Path) -> Self {
        Self {
            socket: socket.to_owned(),
            patience: ANSWER,
            token: None,
            activity: Activity::default(),
        }
    }

    /// The same client, which waits no longer than this for an answer to begin.
    #[must_use]
    pub fn within(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// The same client with a login.
    #[must_use]
    pub fn with_token(mut self, token: &str) -> Self {
        self.token = Some(Zeroizing::new(token.to_owned()));
        self
    }

    /// The same client for requests of the other kind.
    #[must_use]
    pub fn acting(mut self, activity: Activity) -> Self {
        self.activity = activity;
        self
    }

    /// The state of the node.
    pub async fn status(&self) -> Answer<StatusView> {
        self.get("/v1/status").await
    }

    /// The directory.
    pub async fn clinic(&self) -> Answer<ClinicView> {
        self.get("/v1/clinic").await
    }

    /// Every machine, and who may sign in where.
    pub async fn inventory(&self) -> Answer<InventoryView> {
        self.get("/v1/inventory").await
    }

    /// Signs in; use the answer's token with [`Client::with_token`].
    pub async fn login(&self, request: &LoginRequest) -> Answer<LoginAnswer> {
        self.post("/v1/login", request).await
    }

    /// Shows the second factor of a login that waits for it; the answer has another token.
    pub async fn show_factor(&self, factor: &FactorRequest) -> Answer<LoginAnswer> {
        self.post("/v1/login/factor", factor).await
    }

    /// Ends the login.
    pub async fn logout(&self) -> Answer<Done> {
        self.post("/v1/logout", &Done {}).await
    }

    /// The logins of a staff member at this node; named by id or name.
    pub async fn logins_of(&self, staff: &str) -> Answer<LoginsView> {
        self.get(&format!("/v1/staff/{}/logins", escape(staff)))
            .await
    }

    /// Ends one of them, or all.
    pub async fn end_logins_of(&self, staff: &str, which: &LoginsEnding) -> Answer<LoginsEnded> {
        let path = format!("/v1/staff/{}/logins/end", escape(staff));
        self.post(&path, which).await
    }

    /// Who is signed in, and how far.
    pub async fn me(&self) -> Answer<MeView> {
        self.get("/v1/me").await
    }

    /// Proves once more who one is; the answer has another token.
    pub async fn step_up(&self, proof: &StepUpRequest) -> Answer<LoginAnswer> {
        self.post("/v1/step-up", proof).await
    }

    /// Changes one's own password.
    pub async fn change_password(&self, change: &PasswordChange) -> Answer<Done> {
        self.post("/v1/password", change).await
    }

    /// One's conversations.
    pub async fn conversations(&self) -> Answer<ConversationsView> {
        self.get("/v1/conversations").await
    }

    /// The conversation of oneself and the people named.
    pub async fn group(&self, members: Vec<String>) -> Answer<GroupView> {
        self.post("/v1/groups", &GroupRequest { members }).await
    }

    /// A page of messages; the conversation is an id, a room's name or a person's name.
    pub async fn messages(
        &self,
        conversation: &str,
        before: Option<&str>,
        limit: usize,
    ) -> Answer<PageView> {
        let place = before.map_or_else(String::new, |before| format!("&before={}", escape(before)));
        let path = conversation_path(conversation, "messages");
        self.get(&format!("{path}?limit={limit}{place}")).await
    }

    /// Sends a message; returns once it is durable on the node.
    pub async fn send(&self, conversation: &str, text: &str) -> Answer<Sent> {
        self.send_as(conversation, &SendRequest::text(text)).await
    }

    /// Sends a message with all that belongs to it.
    pub async fn send_as(&self, conversation: &str, request: &SendRequest) -> Answer<Sent> {
        self.post(&conversation_path(conversation, "messages"), request)
            .await
    }

    /// Marks everything up to a message as opened.
    pub async fn opened(&self, conversation: &str, message: &str) -> Answer<Done> {
        let request = OpenedRequest {
            message: message.to_owned(),
        };
        self.post(&conversation_path(conversation, "opened"), &request)
            .await
    }

    /// Writes one's own message anew.
    pub async fn amend(&self, conversation: &str, message: &str, text: &str) -> Answer<Sent> {
        let (message, text) = (message.to_owned(), text.to_owned());
        let request = AmendRequest { message, text };
        self.post(&conversation_path(conversation, "amend"), &request)
            .await
    }

    /// Takes one's own message back.
    pub async fn retract(&self, conversation: &str, message: &str, reason: &str) -> Answer<Sent> {
        let (message, reason) = (message.to_owned(), reason.to_owned());
        let request = RetractRequest { message, reason };
        self.post(&conversation_path(conversation, "retract"), &request)
            .await
    }

    /// Everything that a message ever said.
    pub async fn history(&self, conversation: &str, message: &str) -> Answer<HistoryView> {
        let path = conversation_path(conversation, "history");
        self.get(&format!("{path}?message={}", escape(message)))
            .await
    }

    /// Looks for words in all of one's conversations.
    pub async fn search(
        &self,
        words: &str,
        before: Option<&str>,
        limit: usize,
    ) -> Answer<FoundView> {
        let place = before.map_or_else(String::new, |before| format!("&before={}", escape(before)));
        let words = escape(words);
        self.get(&format!("/v1/search?q={words}&limit={limit}{place}"))
            .await
    }

    /// Tells the others that one is writing.
    pub async fn typing(&self, conversation: &str) -> Answer<Done> {
        self.post(&conversation_path(conversation, "typing"), &Done {})
            .await
    }

    /// Who is here.
    pub async fn presence(&self) -> Answer<PresenceView> {
        self.get("/v1/presence").await
    }

    /// Tells that one is here.
    pub async fn seen(&self) -> Answer<Done> {
        self.post("/v1/presence", &Done {}).await
    }

    /// Keeps what one has begun to write; an empty text forgets it.
    pub async fn draft(&self, conversation: &str, text: &str) -> Answer<Done> {
        let request = DraftRequest {
            text: text.to_owned(),
        };
        self.post(&conversation_path(conversation, "draft"), &request)
            .await
    }

    /// Takes a message in hand.
    pub async fn acknowledge(&self, conversation: &str, message: &str) -> Answer<Sent> {
        let request = AcknowledgeRequest {
            message: message.to_owned(),
        };
        self.post(&conversation_path(conversation, "acknowledge"), &request)
            .await
    }

    /// Hints from this moment on.
    pub async fn events(&self) -> Answer<Events> {
        let response = self.call("GET", "/v1/events", Bytes::new()).await?;
        Ok(Events::new(response.into_body()))
    }

    /// A backup of everything, sealed to these recipients.
    pub async fn backup(&self, to: Vec<String>) -> Answer<Pieces> {
        let body = serde_json::to_vec(&BackupRequest { to }).map_err(broken)?;
        let response = self.call("POST", "/v1/backup", body.into()).await?;
        Ok(Pieces::new(response.into_body()))
    }

    /// The whole clinic record as signed.
    pub async fn record(&self) -> Answer<Vec<Segment>> {
        let mut segments = Vec::new();
        let mut from = Some(0);
        while let Some(at) = from {
            let part: RecordPart = self.get(&format!("/v1/record?from={at}")).await?;
            for text in &part.segments {
                segments.push(blob::unwrap(text)?);
            }
            from = part.next.filter(|next| *next > at);
        }
        Ok(segments)
    }

    /// Gives signed statements to the node, and the mesh keys that belong to them.
    pub async fn submit(
        &self,
        segments: &[Segment],
        mesh_keys: &[(u32, MeshKey)],
    ) -> Answer<Submitted> {
        let keys = mesh_keys
            .iter()
            .map(|(epoch, key)| super::record::MeshKeyText {
                epoch: *epoch,
                key: blob::wrap_key(key.expose()),
            });
        let mut keys: Vec<_> = keys.collect();
        let mut all = Submitted { void: Vec::new() };
        let parts = match segments.is_empty() && !keys.is_empty() {
            true => vec![segments],
            false => segments.chunks(SUBMIT_AT_ONCE).collect(),
        };
        let mut parts = parts.into_iter().peekable();
        while let Some(part) = parts.next() {
            let last = parts.peek().is_none();
            let request = SubmitRequest {
                segments: part.iter().map(blob::wrap).collect(),
                mesh_keys: if last {
                    std::mem::take(&mut keys)
                } else {
                    Vec::new()
                },
            };
            let answer: Submitted = self.post("/v1/record", &request).await?;
            all.void.extend(answer.void);
        }
        Ok(all)
    }

    /// Where the logs of a device end at the node.
    pub async fn ends(&self, device: &DeviceId) -> Answer<Vec<LogEnd>> {
        let view: EndsView = self.get(&format!("/v1/devices/{device}/ends")).await?;
        let ends = view
            .ends
            .iter()
            .map(|text| blob::unwrap(text).map_err(Into::into));
        ends.collect()
    }

    /// Where revocations are enforced since when.
    pub async fn revocations(&self) -> Answer<RevocationsView> {
        self.get("/v1/revocations").await
    }

    /// The epochs of an audit trail; the device is an id or a name.
    pub async fn trail(&self, device: &str) -> Answer<TrailView> {
        self.get(&format!("/v1/audit/{}", escape(device))).await
    }

    /// Audit records for reading, from a number on.
    pub async fn trail_records(
        &self,
        device: &str,
        epoch: &str,
        from: u64,
    ) -> Answer<TrailRecords> {
        let device = escape(device);
        self.get(&format!("/v1/audit/{device}/{epoch}/records?from={from}"))
            .await
    }

    /// Audit records as signed, from a number on.
    pub async fn trail_segments(
        &self,
        device: &str,
        epoch: &str,
        from: u64,
    ) -> Answer<TrailSegments> {
        let device = escape(device);
        self.get(&format!("/v1/audit/{device}/{epoch}/segments?from={from}"))
            .await
    }

    /// How browsers reach the node, and why they trust it.
    pub async fn web(&self) -> Answer<WebView> {
        self.get("/v1/web").await
    }

    /// Stops the node in order.
    pub async fn stop(&self) -> Answer<Done> {
        self.post("/v1/stop", &Done {}).await
    }

    /// Any GET route with a JSON answer.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Answer<T> {
        let response = self.call("GET", path, Bytes::new()).await?;
        read(response).await
    }

    /// Any POST route with a JSON body and answer.
    pub async fn post<B: Serialize, T: DeserializeOwned>(&self, path: &str, body: &B) -> Answer<T> {
        let body = serde_json::to_vec(body).map_err(broken)?;
        let response = self.call("POST", path, body.into()).await?;
        read(response).await
    }

    /// Sends one request and returns the answer, if it is not a problem.
    async fn call(&self, method: &str, path: &str, body: Bytes) -> Answer<Response<Incoming>> {
        let request = self.request(method, path, body)?;
        let stream = self.connect().await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(broken)?;
        tokio::spawn(connection);
        let response = tokio::time::timeout(self.patience, sender.send_request(request));
        let response = response.await.map_err(|_| self.silent())?.map_err(broken)?;
        if response.status().is_success() {
            return Ok(response);
        }
        Err(read_problem(response).await)
    }

    async fn connect(&self) -> Answer<UnixStream> {
        let connecting = tokio::time::timeout(CONNECT, UnixStream::connect(&self.socket));
        let connected = connecting.await.map_err(|_| self.silent())?;
        connected.map_err(|source| self.unreachable(source))
    }

    /// The node is there and says nothing.
    fn silent(&self) -> ClientError {
        self.unreachable(std::io::ErrorKind::TimedOut.into())
    }

    fn unreachable(&self, source: std::io::Error) -> ClientError {
        ClientError::Unreachable {
            path: self.socket.clone(),
            source,
        }
    }

    fn request(&self, method: &str, path: &str, body: Bytes) -> Answer<Request<Full<Bytes>>> {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, "node")
            .header(CONTENT_TYPE, "application/json");
        if let Some(token) = &self.token {
            request = request.header(AUTHORIZATION, format!("Bearer {}", token.as_str()));
        }
        if self.activity == Activity::Background {
            request = request.header(BACKGROUND, "1");
        }
        request.body(Full::new(body)).map_err(broken)
    }
}

fn broken(error: impl std::fmt::Display) -> ClientError {
    ClientError::Broken(error.to_string())
}

async fn read<T: DeserializeOwned>(response: Response<Incoming>) -> Answer<T> {
    let bytes = whole(response).await?;
    serde_json::from_slice(&bytes).map_err(broken)
}

async fn read_problem(response: Response<Incoming>) -> ClientError {
    let status = response.status();
    let bytes = match whole(response).await {
        Ok(bytes) => bytes,
        Err(error) => return error,
    };
    match serde_json::from_slice::<Problem>(&bytes) {
        Ok(problem) => problem.into(),
        Err(_) => ClientError::Broken(format!("HTTP status {status} without a reason")),
    }
}

async fn whole(response: Response<Incoming>) -> Answer<Bytes> {
    let body = Limited::new(response.into_body(), ANSWER_MAX);
    let collected = tokio::time::timeout(ANSWER, body.collect());
    Ok(collected.await.map_err(broken)?.map_err(broken)?.to_bytes())
}

fn conversation_path(conversation: &str, what: &str) -> String {
    format!("/v1/conversations/{}/{what}", escape(conversation))
}

/// Percent-encodes everything that could mean something in a path or query.
fn escape(text: &str) -> String {
    use std::fmt::Write as _;
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => escaped.push(char::from(byte)),
            _ => write!(escaped, "%{byte:02X}").expect("writing to a string cannot fail"),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_node_that_takes_the_connection_and_says_nothing_is_named_as_silent() {
        let scratch = tempfile::tempdir().expect("a scratch directory");
        let socket = scratch.path().join("socket");
        let _silent = tokio::net::UnixListener::bind(&socket).expect("bound");
        let client = Client::new(&socket).within(Duration::from_millis(20));
        let error = client.status().await.expect_err("nobody answers");
        let timed_out = |source: &std::io::Error| source.kind() == std::io::ErrorKind::TimedOut;
        assert!(
            matches!(&error, ClientError::Unreachable { source, .. } if timed_out(source)),
            "{error:?}"
        );
    }

    #[test]
    fn names_with_spaces_slashes_and_accents_fit_into_a_path() {
        assert_eq!(escape("Ward 2/Núñez?"), "Ward%202%2FN%C3%BA%C3%B1ez%3F");
        assert_eq!(escape(".."), "%2E%2E");
    }
}
