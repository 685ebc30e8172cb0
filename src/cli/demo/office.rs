//! One office of the demo: a directory, ports on loopback, and a process while it runs.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use crate::api::SOCKET;
use crate::api::client::Client;
use crate::api::status::StatusView;
use crate::cli::failure::Failure;

/// Longest wait for anything in the demo: a slow machine is not a failure, a minute of nothing is.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often a state is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// One office.
pub(super) struct Office {
    pub(super) name: &'static str,
    dir: PathBuf,
    pub(super) listen: String,
    pub(super) enrolment: String,
    web: String,
    process: Option<Child>,
}

/// The files that commands of the demo take secrets from.
pub(super) struct Secrets {
    pub(super) dir: PathBuf,
}

impl Secrets {
    fn file(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }
}

impl Office {
    /// An office that is not made yet.
    pub(super) fn new(stage: &Path, name: &'static str) -> Result<Self, Failure> {
        Ok(Self {
            name,
            dir: stage.join(name),
            listen: free_address()?,
            enrolment: free_address()?,
            web: free_address()?,
            process: None,
        })
    }

    /// The node's socket.
    pub(super) fn socket(&self) -> PathBuf {
        self.dir.join(SOCKET)
    }

    /// The node's directory.
    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// What to type into a browser on this machine.
    pub(super) fn address(&self) -> String {
        let port = self.web.rsplit(':').next().unwrap_or_default();
        format!("http://localhost:{port}/")
    }

    /// How it listens and finds others: by mDNS on loopback, and the first office by its address.
    pub(super) fn local(&self, first: Option<&Self>) -> Vec<String> {
        let mut args: Vec<String> = [
            "--mdns",
            "loopback",
            "--listen",
            &self.listen,
            "--enrolment",
            &self.enrolment,
            "--web-loopback",
            &self.web,
        ]
        .map(str::to_owned)
        .to_vec();
        args.extend(
            first
                .into_iter()
                .flat_map(|first| ["--bootstrap".to_owned(), first.listen.clone()]),
        );
        args
    }

    /// Starts the node and waits until it answers.
    pub(super) async fn start(
        &mut self,
        secrets: &Secrets,
        days_ahead: u32,
    ) -> Result<(), Failure> {
        let log = std::fs::File::create(self.dir.with_extension("log"))?;
        let days = days_ahead.to_string();
        let mut command = command(secrets, Some(self), &["node", "run", "--days-ahead", &days])?;
        command
            .stdout(Stdio::null())
            .stderr(log)
            .kill_on_drop(false);
        self.process = Some(command.spawn()?);
        self.until("it answers", |_| true).await.map(drop)
    }

    /// Stops the node hard, as a power cut would.
    pub(super) async fn kill(&mut self) -> Result<(), Failure> {
        if let Some(mut process) = self.process.take() {
            process.kill().await?;
        }
        Ok(())
    }

    /// Stops the node in order.
    pub(super) async fn stop(&mut self) -> Result<(), Failure> {
        if let Some(mut process) = self.process.take() {
            Client::new(&self.socket()).stop().await?;
            process.wait().await?;
        }
        Ok(())
    }

    /// The number of the process, while it runs.
    pub(super) fn process_id(&self) -> Option<u32> {
        self.process.as_ref().and_then(Child::id)
    }

    /// Waits until the node's state is as wished; says how long that took.
    pub(super) async fn until(
        &self,
        what: &str,
        wished: impl Fn(&StatusView) -> bool,
    ) -> Result<Duration, Failure> {
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            if let Ok(status) = Client::new(&self.socket()).status().await
                && wished(&status)
            {
                return Ok(begun.elapsed());
            }
            tokio::time::sleep(LOOK).await;
        }
        let name = self.name;
        let log = self.dir.with_extension("log");
        let said = std::fs::read_to_string(log).unwrap_or_default();
        Err(Failure::error(format!(
            "{name} waited a minute in vain until {what}\n{said}"
        )))
    }
}

impl Drop for Office {
    /// Nothing of a demo that failed stays behind; a demo that is kept has given its offices away.
    fn drop(&mut self) {
        if let Some(process) = &mut self.process {
            let _already_gone = process.start_kill();
        }
    }
}

impl Office {
    /// Lets the process live on after the demo.
    pub(super) fn release(mut self) {
        if let Some(process) = self.process.take() {
            // The process was started without "kill on drop".
            drop(process);
        }
    }
}

/// A free port of loopback.
fn free_address() -> Result<String, Failure> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string())
}

/// This program with the demo's secrets, at an office or without one.
fn command(secrets: &Secrets, office: Option<&Office>, args: &[&str]) -> Result<Command, Failure> {
    let mut command = Command::new(std::env::current_exe()?);
    command
        .args(args)
        .stdin(Stdio::null())
        .env_clear()
        .env("HOME", &secrets.dir)
        .env("XDG_RUNTIME_DIR", &secrets.dir)
        .env("CLINIC_MESH_AUTHORITY", secrets.file("authority"))
        .env("CLINIC_MESH_ROOT_PASSPHRASE_FILE", secrets.file("root"))
        .env("CLINIC_MESH_ADMIN_PASSPHRASE_FILE", secrets.file("admin"))
        .env("CLINIC_MESH_PASSWORD_FILE", secrets.file("password"));
    if let Some(office) = office {
        command.env("CLINIC_MESH_DIR", &office.dir);
        command.env("CLINIC_MESH_KEY_FILE", office.dir.with_extension("key"));
    }
    Ok(command)
}

/// Runs a command of this program to its end and gives its JSON answer.
pub(super) async fn run(
    secrets: &Secrets,
    office: Option<&Office>,
    args: &[&str],
) -> Result<Value, Failure> {
    let output = command(secrets, office, args)?
        .arg("--json")
        .output()
        .await?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(Failure::error(format!(
            "`{}` failed: {said}",
            args.join(" ")
        )));
    }
    Ok(serde_json::from_slice(&output.stdout).unwrap_or(Value::Null))
}

/// A command that talks line by line while it runs.
pub(super) struct Talk {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Talk {
    /// Starts the command.
    pub(super) fn begin(
        secrets: &Secrets,
        office: &Office,
        args: &[&str],
    ) -> Result<Self, Failure> {
        let mut command = command(secrets, Some(office), args)?;
        command
            .arg("--json")
            .stdout(Stdio::piped())
            .kill_on_drop(true);
        let mut child = command.spawn()?;
        let output = child
            .stdout
            .take()
            .ok_or_else(|| Failure::error("a command without output"))?;
        Ok(Self {
            child,
            lines: BufReader::new(output).lines(),
        })
    }

    /// Its next line, as JSON.
    pub(super) async fn line(&mut self) -> Result<Value, Failure> {
        let line = tokio::time::timeout(PATIENCE, self.lines.next_line()).await;
        let line = line.map_err(|_| Failure::error("a command said nothing for a minute"))??;
        let line = line.ok_or_else(|| Failure::error("a command ended early"))?;
        serde_json::from_str(&line).map_err(|_| Failure::error(format!("not JSON: {line}")))
    }

    /// Waits for its end.
    pub(super) async fn end(mut self) -> Result<(), Failure> {
        let status = self.child.wait().await?;
        if status.success() {
            Ok(())
        } else {
            Err(Failure::error("a command failed"))
        }
    }
}
