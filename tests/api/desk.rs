//! One running office with its API, and a clock for logins that tests move.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use clinic_mesh::api::client::{Client, ClientError};
use clinic_mesh::api::login::LoginRequest;
use clinic_mesh::api::problem::Code;
use clinic_mesh::domain::id::StaffId;
use clinic_mesh::domain::invitation::SignInSecret;
use clinic_mesh::domain::log::Segment;
use clinic_mesh::domain::statement::Role;
use clinic_mesh::domain::time::WallTime;
use clinic_mesh::node::engine::Now;
use clinic_mesh::platform::clock::Clock;
use clinic_mesh::web::{Api, Socket};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

use crate::offices::{Clinic, Office, name, open, run};

/// A password that the rules accept.
pub(crate) const PASSWORD: &str = "violet lamp on tuesday";

/// An office with staff, whose API is served.
pub(crate) struct Desk {
    pub(crate) clinic: Clinic,
    pub(crate) office: Office,
    pub(crate) api: Api,
    began: WallTime,
    shift: Arc<Mutex<Duration>>,
    faces: Option<(
        tokio::sync::oneshot::Sender<()>,
        tokio::task::JoinHandle<()>,
    )>,
}

/// A person with the one-time code that an admin handed over.
pub(crate) struct Person {
    pub(crate) id: StaffId,
    pub(crate) code: SignInSecret,
}

pub(crate) fn now() -> WallTime {
    Clock::start().now()
}

impl Desk {
    /// A clinic with one office, "front-desk", that runs.
    pub(crate) async fn open() -> Self {
        let mut clinic = Clinic::found();
        clinic.enrol("front-desk");
        let office = clinic.start("front-desk", &[]);
        Self::of(clinic, office).await
    }

    /// Serves the API of a running office.
    pub(crate) async fn of(clinic: Clinic, office: Office) -> Self {
        let shift = Arc::new(Mutex::new(Duration::ZERO));
        let (moved, began) = (shift.clone(), now());
        let timepiece = Arc::new(move || {
            let shift = *moved.lock().expect("no test panicked with it");
            Now {
                wall: began.plus(shift),
                mono: shift,
            }
        });
        let key = office.running.identity.keys.web_key().public();
        let api = Api::new(office.running.handle.clone(), timepiece).showing(key);
        let api = api.backing_up(office.running.backups.clone());
        let api = api.observing(office.running.observer.clone());
        let mut desk = Self {
            clinic,
            office,
            api,
            began,
            shift,
            faces: None,
        };
        desk.serve();
        desk
    }

    fn dir(&self) -> PathBuf {
        self.clinic.office_dir(&self.office.name)
    }

    /// Serves the API.
    pub(crate) fn serve(&mut self) {
        let socket = Socket::open(&self.dir()).expect("nobody else listens there");
        let (close, closed) = tokio::sync::oneshot::channel();
        let api = self.api.clone();
        let serving = socket.serve(api, async {
            let _ = closed.await;
        });
        self.faces = Some((close, tokio::spawn(serving)));
    }

    /// Time passes for logins and for throttling.
    pub(crate) fn pass(&self, span: Duration) {
        *self.shift.lock().expect("no test panicked with it") += span;
    }

    /// The operator's client.
    pub(crate) fn operator(&self) -> Client {
        Client::new(&self.dir().join("api.sock"))
    }

    /// Adds a person with these roles, at home here, and tells the node.
    pub(crate) async fn person(&mut self, who: &str, roles: &[Role]) -> Person {
        self.person_of(who, roles, &["front-desk"]).await
    }

    /// Adds a person who is at home at these offices.
    pub(crate) async fn person_of(&mut self, who: &str, roles: &[Role], homes: &[&str]) -> Person {
        let home = homes.iter().map(|home| name(home)).collect();
        let roles = roles.to_vec();
        let made = self
            .clinic
            .authority()
            .add_staff(name(who), roles, home, now())
            .expect("added");
        self.submit(made.segment).await;
        self.clinic.staff.insert(who.to_owned(), made.made.0);
        Person {
            id: made.made.0,
            code: made.made.1,
        }
    }

    /// Adds a person who has signed in for the first time, and returns the client of that login.
    pub(crate) async fn signed_in(&mut self, who: &str, roles: &[Role]) -> (Person, Client) {
        let person = self.person(who, roles).await;
        let request = LoginRequest::with_code(who, &person.code.code(), PASSWORD);
        let login = self
            .operator()
            .login(&request)
            .await
            .expect("the first sign-in");
        (
            person,
            self.operator()
                .with_token(login.token.as_deref().expect("a token")),
        )
    }

    /// Signs in with the password, and returns the token.
    pub(crate) async fn token(&self, who: &str) -> String {
        let request = LoginRequest::with_password(who, PASSWORD);
        self.operator()
            .login(&request)
            .await
            .expect("the password is right")
            .token
            .clone()
            .expect("tokens are the socket's")
    }

    /// Gives a signed statement to the node, through the API.
    pub(crate) async fn submit(&self, segment: Segment) {
        let submitted = self
            .operator()
            .submit(&[segment], &[])
            .await
            .expect("taken");
        assert_eq!(submitted.void, []);
    }

    /// The time of logins.
    pub(crate) fn time(&self) -> WallTime {
        self.began
            .plus(*self.shift.lock().expect("no test panicked with it"))
    }

    /// Where the operator's door is.
    pub(crate) fn socket(&self) -> PathBuf {
        self.dir().join("api.sock")
    }

    /// Stops API and node, and returns what is left: the clinic with its directories.
    pub(crate) async fn stop(mut self) -> Clinic {
        self.close().await;
        self.office.stop().await;
        self.clinic
    }

    /// Stops the API.
    pub(crate) async fn close(&mut self) {
        let (close, serving) = self.faces.take().expect("served");
        let _ = close.send(());
        serving.await.expect("an orderly end");
    }

    /// Starts the office again from what is on its disk.
    pub(crate) async fn again(clinic: Clinic) -> Self {
        let running = run(open(&clinic.office_dir("front-desk")), &[]);
        let office = Office {
            name: "front-desk".to_owned(),
            device: clinic.devices["front-desk"],
            running,
        };
        Self::of(clinic, office).await
    }
}

/// The code of a problem.
pub(crate) fn code<T: std::fmt::Debug>(answer: Result<T, ClientError>) -> Code {
    match answer {
        Err(ClientError::Problem(problem)) => problem.code,
        other => panic!("{other:?}"),
    }
}

/// Sends a request as it stands and returns the status of the answer.
pub(crate) async fn status(
    door: &std::path::Path,
    (method, path): (&str, &str),
    headers: &[(&str, &str)],
    body: &str,
) -> u16 {
    let mut stream = UnixStream::connect(door).await.expect("an open door");
    let mut request = format!("{method} {path} HTTP/1.1\r\nhost: node\r\n");
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    request.push_str(&format!("content-length: {}\r\n\r\n{body}", body.len()));
    // A server that has seen enough may close before the whole body is written.
    let _ = stream.write_all(request.as_bytes()).await;
    let mut head = [0; 12];
    stream.read_exact(&mut head).await.expect("an answer");
    let head = std::str::from_utf8(&head).expect("a status line");
    head[9..12].parse().expect("a status")
}
