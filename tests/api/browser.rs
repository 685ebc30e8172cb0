//! A browser at the loopback door: what one sends, and nothing a page could not.

use std::time::Duration;

use clinic_mesh::domain::time::WallTime;
use clinic_mesh::web::WebDoor;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use totp_rs::Totp;

use crate::desk::{Desk, PASSWORD};

/// A browser with at most one login.
#[derive(Clone)]
pub(crate) struct Browser {
    pub(crate) port: u16,
    pub(crate) cookie: Option<String>,
    pub(crate) proof: Option<String>,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }
}

impl Desk {
    /// A browser at the same API, by a loopback door of its own.
    pub(crate) async fn browser(&self) -> Browser {
        let door = WebDoor::loopback(([127, 0, 0, 1], 0).into())
            .await
            .expect("a free port");
        let port = door.port();
        tokio::spawn(door.serve(self.api.clone(), std::future::pending()));
        Browser::new(port)
    }

    /// A browser in which this person, who has a password and no second factor, has signed in.
    pub(crate) async fn browser_of(&self, who: &str) -> (Browser, Totp, Vec<String>) {
        let mut browser = self.browser().await;
        let shown = browser.show_password(who, PASSWORD).await;
        assert_eq!(shown.json()["state"], "enrol", "{shown:?}");
        let (totp, codes) = browser.enrol(self.time()).await;
        (browser, totp, codes)
    }

    /// The door for the network, and what a browser needs to find it: its port, its name, and the
    /// certificate of the web CA.
    pub(crate) async fn network_door(&self) -> (u16, String, Vec<u8>) {
        let keys = &self.office.running.identity.keys;
        let door = WebDoor::network(([127, 0, 0, 1], 0).into(), keys.web_key()).await;
        let door = door.expect("a free port");
        let port = door.port();
        tokio::spawn(door.serve(self.api.clone(), std::future::pending()));
        let web = self.operator().web().await.expect("the node answers");
        let name = web.names.first().expect("certified at enrolment").clone();
        while self
            .operator()
            .web()
            .await
            .expect("answers")
            .addresses
            .is_empty()
        {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let record = self.clinic_as_known().await;
        let found = record.devices.get(&self.office.device).expect("enrolled");
        let authority = found.web.as_ref().expect("certified").authority.clone();
        (port, name, authority)
    }

    async fn clinic_as_known(&self) -> std::sync::Arc<clinic_mesh::domain::record::Clinic> {
        use clinic_mesh::node::engine::{Command, Reply};
        match self.office.running.handle.ask(Command::Clinic).await {
            Ok(Reply::Clinic(clinic)) => clinic,
            other => panic!("{other:?}"),
        }
    }
}

impl Browser {
    pub(crate) fn new(port: u16) -> Self {
        Self {
            port,
            cookie: None,
            proof: None,
        }
    }

    /// What a page of ours sends besides what the request is about.
    pub(crate) fn usual(&self) -> Vec<(&'static str, String)> {
        let mut headers = vec![
            ("host", format!("localhost:{}", self.port)),
            ("origin", format!("http://localhost:{}", self.port)),
            ("sec-fetch-site", "same-origin".to_owned()),
            ("content-type", "application/json".to_owned()),
            (
                "user-agent",
                "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0".to_owned(),
            ),
        ];
        headers.extend(self.cookie.clone().map(|cookie| ("cookie", cookie)));
        headers.extend(self.proof.clone().map(|proof| ("clinic-proof", proof)));
        headers
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &self.usual(), "").await
    }

    /// Acts; a login that comes with the answer is kept, as a browser and its page would.
    pub(crate) async fn post(&mut self, path: &str, body: Value) -> Answer {
        let answer = self
            .send("POST", path, &self.usual(), &body.to_string())
            .await;
        if let Some(set) = answer.header("set-cookie") {
            let pair = set.split(';').next().expect("a pair");
            self.cookie = Some(pair.to_owned()).filter(|pair| !pair.ends_with('='));
            self.proof = answer.json()["proof"].as_str().map(str::to_owned);
        }
        answer
    }

    /// Shows a name and a password.
    pub(crate) async fn show_password(&mut self, name: &str, password: &str) -> Answer {
        let request = json!({ "name": name, "password": password });
        self.post("/v1/login", request).await
    }

    /// Sets up an authenticator after the password, and returns it with the recovery codes.
    pub(crate) async fn enrol(&mut self, now: WallTime) -> (Totp, Vec<String>) {
        let begun = self.post("/v1/factors/totp/begin", json!({})).await.json();
        let totp = Totp::from_url(begun["uri"].as_str().expect("a URI")).expect("readable");
        let code = totp.generate(now.0 / 1000).to_string();
        let kept = self
            .post("/v1/factors/totp/finish", json!({ "totp": code }))
            .await;
        assert_eq!(kept.status, 200, "{kept:?}");
        let codes = kept.json()["recovery_codes"].clone();
        let codes = serde_json::from_value(codes).expect("ten codes");
        (totp, codes)
    }

    /// Shows a code of the authenticator.
    pub(crate) async fn show_code(&mut self, totp: &Totp, now: WallTime) -> Answer {
        let code = totp.generate(now.0 / 1000).to_string();
        self.post("/v1/login/factor", json!({ "totp": code })).await
    }

    /// Shows a recovery code.
    pub(crate) async fn show_recovery(&mut self, code: &str) -> Answer {
        self.post("/v1/login/factor", json!({ "recovery": code }))
            .await
    }

    /// The status alone, of an answer that may go on.
    pub(crate) async fn status(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, String)],
        body: &str,
    ) -> u16 {
        let mut stream = self.ask(method, path, headers, body).await;
        let mut head = [0; 12];
        stream.read_exact(&mut head).await.expect("an answer");
        let head = std::str::from_utf8(&head).expect("a status line");
        head[9..12].parse().expect("a status")
    }

    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, String)],
        body: &str,
    ) -> Answer {
        let mut stream = self.ask(method, path, headers, body).await;
        let mut all = Vec::new();
        // A server that closes with a part of the request unread may break the connection behind its answer.
        let _ = stream.read_to_end(&mut all).await;
        parse(&all)
    }

    /// Asks, and leaves the answer to be read.
    pub(crate) async fn ask(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, String)],
        body: &str,
    ) -> TcpStream {
        let mut request = format!("{method} {path} HTTP/1.1\r\nconnection: close\r\n");
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        request.push_str(&format!("content-length: {}\r\n\r\n{body}", body.len()));
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))
            .await
            .expect("an open door");
        // A server that has seen enough may close before the whole body is written.
        let _ = stream.write_all(request.as_bytes()).await;
        stream
    }
}

fn parse(all: &[u8]) -> Answer {
    let end = all
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .expect("a head");
    let head = std::str::from_utf8(&all[..end]).expect("text");
    let mut lines = head.lines();
    let status = lines.next().expect("a status line")[9..12]
        .parse()
        .expect("a status");
    let headers = lines.filter_map(|line| line.split_once(": "));
    Answer {
        status,
        headers: headers
            .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
            .collect(),
        body: all[end + 4..].to_vec(),
    }
}
