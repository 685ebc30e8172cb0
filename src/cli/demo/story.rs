//! The story of the demo, part by part; each part ends in what was seen to be true.

use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::Stage;
use super::office::{Office, Secrets, Talk, run};
use super::view::{Seen, follow};
use crate::api::event::Hint;
use crate::cli::failure::{Failure, Outcome};
use crate::platform::files;

/// What the people of the demo write; looked for again when it should be gone.
const TEXT: &str = "Bed 4 is free, please bring the chart";

/// How often a page is read while something is awaited.
const LOOK: Duration = Duration::from_millis(50);

/// How long something may take before it counts as not happening.
const PATIENCE: Duration = Duration::from_secs(30);

/// The demo while it plays.
struct Play {
    stage: Stage,
    secrets: Secrets,
    seen: Seen,
    desk: Office,
    ward: Office,
    pharmacy: Office,
}

/// Plays all of it.
pub(super) async fn tell(stage: Stage, keep: bool) -> Outcome {
    let secrets = Secrets {
        dir: stage.dir.clone(),
    };
    let (desk, ward, pharmacy) = (
        Office::new(&stage.dir, "front-desk")?,
        Office::new(&stage.dir, "ward-2")?,
        Office::new(&stage.dir, "pharmacy")?,
    );
    let mut play = Play {
        stage,
        secrets,
        seen: Seen::default(),
        desk,
        ward,
        pharmacy,
    };
    play.found().await?;
    play.enrol().await?;
    play.people().await?;
    play.messages().await?;
    play.power_cut().await?;
    play.revocation().await?;
    play.retention().await?;
    if keep {
        play.open_to_browsers().await?;
    }
    play.end(keep)
}

impl Play {
    async fn at(&self, office: &Office, args: &[&str]) -> Result<Value, Failure> {
        run(&self.secrets, Some(office), args).await
    }

    fn watch(&self, office: &Office) {
        follow(
            office.name.to_owned(),
            office.socket(),
            self.seen.clone(),
            self.stage.style,
        );
    }

    async fn found(&mut self) -> Outcome {
        self.stage
            .part("1. A clinic is founded, and its first office runs");
        for (name, secret) in [
            ("root", "the root key's own passphrase"),
            ("admin", "the first admin's passphrase"),
            ("password", "violet kettle marching band"),
        ] {
            let path = self.secrets.dir.join(name);
            keep_secret(&path, secret)?;
        }
        let page = self.secrets.dir.join("recovery-page");
        let page = page.to_string_lossy().into_owned();
        let args = [
            "authority",
            "init",
            "--name",
            "Elm Street",
            "--admin",
            "Ana",
            "--recovery-page",
            &page,
        ];
        run(&self.secrets, None, &args).await?;
        self.stage
            .say("  authority: root key and admin key made, recovery page written");

        let local = self.desk.local(None);
        let mut args = vec![
            "node",
            "init",
            "--office",
            "front-desk",
            "--name",
            "front-desk",
        ];
        args.extend(local.iter().map(String::as_str));
        self.at(&self.desk, &args).await?;
        self.watch(&self.desk);
        self.desk.start(&self.secrets, 0).await?;
        let (rooms, direct) = ("room_days=1", "direct_days=1");
        let plan = self
            .at(&self.desk, &["policy", "plan", rooms, direct])
            .await?;
        let digest = plan["digest"].as_str().unwrap_or_default();
        let set = ["policy", "set", rooms, direct, "--plan", digest];
        self.at(&self.desk, &set).await?;
        self.stage.check(
            "the first office runs; policy keeps messages for one day",
            true,
        );
        Ok(())
    }

    async fn enrol(&mut self) -> Outcome {
        self.stage.part("2. Two more offices are invited and enrol");
        let same = join(&self.secrets, &self.desk, &self.ward, &self.stage).await?;
        self.stage
            .check("ward-2 and the admin saw the same short code", same);
        let same = join(&self.secrets, &self.desk, &self.pharmacy, &self.stage).await?;
        self.stage
            .check("pharmacy and the admin saw the same short code", same);
        self.watch(&self.ward);
        self.watch(&self.pharmacy);
        self.ward.start(&self.secrets, 0).await?;
        self.pharmacy.start(&self.secrets, 0).await?;
        let mut slowest = Duration::ZERO;
        for office in [&self.desk, &self.ward, &self.pharmacy] {
            let took = office.until("both others are connected", |status| {
                status.peers.iter().filter(|peer| peer.in_sync).count() == 2
            });
            slowest = slowest.max(took.await?);
        }
        let seconds = slowest.as_secs_f64();
        self.stage.check(
            format!("three offices are fully connected ({seconds:.1} s)"),
            true,
        );
        Ok(())
    }

    async fn people(&mut self) -> Outcome {
        self.stage
            .part("3. Staff and a room are added, and everybody signs in");
        for (name, office) in [
            ("Ana", "front-desk"),
            ("Ben", "ward-2"),
            ("Cleo", "pharmacy"),
        ] {
            let args = [
                "staff",
                "add",
                name,
                "--home",
                office,
                "--role",
                "clinician",
            ];
            let added = self.at(&self.desk, &args).await?;
            let code = added["code"]
                .as_str()
                .ok_or_else(|| Failure::error("no sign-in code"))?;
            let file = self.secrets.dir.join(format!("code-{name}"));
            keep_secret(&file, code)?;
        }
        let args = [
            "room", "create", "rounds", "--member", "Ana", "--member", "Ben", "--member", "Cleo",
        ];
        self.at(&self.desk, &args).await?;
        for (name, office) in [
            ("Ana", &self.desk),
            ("Ben", &self.ward),
            ("Cleo", &self.pharmacy),
        ] {
            self.knows(office, name).await?;
            let file = self.secrets.dir.join(format!("code-{name}"));
            let file = file.to_string_lossy().into_owned();
            self.at(office, &["login", name, "--code", "--code-file", &file])
                .await?;
        }
        self.stage
            .check("three people signed in, each at their own office", true);
        Ok(())
    }

    /// Waits until an office's copy of the record names a person and the room.
    async fn knows(&self, office: &Office, name: &str) -> Outcome {
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            let staff = self.at(office, &["staff", "list"]).await?.to_string();
            let rooms = self.at(office, &["room", "list"]).await?.to_string();
            if staff.contains(&format!("\"{name}\"")) && rooms.contains("rounds") {
                return Ok(());
            }
            tokio::time::sleep(LOOK).await;
        }
        Err(Failure::error(format!(
            "{} never heard of {name}",
            office.name
        )))
    }

    async fn messages(&mut self) -> Outcome {
        self.stage.part("4. Messages, and who has signed for them");
        self.at(&self.desk, &["send", "rounds", TEXT]).await?;
        let stored = self
            .stored(&self.desk, "rounds", TEXT, &["ward-2", "pharmacy"])
            .await?;
        self.stage.check(
            "Ana's message is stored at ward-2 and pharmacy, by their signatures",
            stored,
        );
        self.at(&self.ward, &["send", "Ana", "On my way"]).await?;
        let stored = self
            .stored(&self.ward, "Ana", "On my way", &["front-desk"])
            .await?;
        self.stage.check(
            "Ben's direct message is stored at front-desk, by its signature",
            stored,
        );
        let elsewhere = self
            .at(&self.pharmacy, &["conversations"])
            .await?
            .to_string();
        self.stage.check(
            "pharmacy holds nothing of Ana's and Ben's conversation",
            !elsewhere.contains("direct-"),
        );
        let there = self.reads(&self.pharmacy, "rounds", TEXT).await?;
        self.stage
            .check("Cleo reads Ana's message at pharmacy", there);
        Ok(())
    }

    /// Waits until a message's receipts name these offices.
    async fn stored(
        &self,
        office: &Office,
        place: &str,
        text: &str,
        at: &[&str],
    ) -> Result<bool, Failure> {
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            let page = self.at(office, &["read", place]).await?;
            let named = message(&page, text).is_some_and(|message| {
                let stored = &message["delivery"]["stored_at"];
                at.iter().all(|name| stored.to_string().contains(name))
            });
            if named {
                return Ok(true);
            }
            tokio::time::sleep(LOOK).await;
        }
        Ok(false)
    }

    /// Waits until a text can be read somewhere.
    async fn reads(&self, office: &Office, place: &str, text: &str) -> Result<bool, Failure> {
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            let page = self.at(office, &["read", place]).await?;
            if message(&page, text).is_some() {
                return Ok(true);
            }
            tokio::time::sleep(LOOK).await;
        }
        Ok(false)
    }

    async fn power_cut(&mut self) -> Outcome {
        self.stage
            .part("5. The pharmacy loses power, and catches up");
        self.pharmacy.kill().await?;
        for n in 1..=3 {
            self.at(
                &self.desk,
                &["send", "rounds", &format!("while you were away, {n}")],
            )
            .await?;
        }
        self.stage
            .say("  front-desk has sent three messages meanwhile");
        self.pharmacy.start(&self.secrets, 0).await?;
        let begun = Instant::now();
        let caught = self
            .stored(
                &self.desk,
                "rounds",
                "while you were away, 3",
                &["pharmacy"],
            )
            .await?;
        let seconds = begun.elapsed().as_secs_f64();
        self.stage.check(
            format!("pharmacy has signed for all three ({seconds:.1} s after its start)"),
            caught,
        );
        self.at(&self.pharmacy, &["login", "Cleo"]).await?;
        let before = self.reads(&self.pharmacy, "rounds", TEXT).await?;
        let after = self
            .reads(&self.pharmacy, "rounds", "while you were away, 1")
            .await?;
        self.stage
            .check("what it held before the power cut is still there", before);
        self.stage.check("what it missed is there too", after);
        Ok(())
    }

    async fn revocation(&mut self) -> Outcome {
        self.stage
            .part("6. The pharmacy's machine is stolen: its device is revoked");
        let answer = self
            .at(&self.desk, &["device", "revoke", "pharmacy", "--yes"])
            .await?;
        let out = answer["out_after"].as_f64();
        let seconds = out.unwrap_or(f64::INFINITY);
        self.stage.check(
            format!("it was out after {seconds:.2} s (promised: 5)"),
            seconds <= 5.0,
        );
        let gone = self.ward.until("it is out at ward-2 too", |status| {
            status.peers.iter().all(|peer| peer.name != "pharmacy")
        });
        let gone = gone.await.is_ok();
        self.stage.check("ward-2 has cut it too", gone);
        self.pharmacy.kill().await?;
        self.pharmacy.start(&self.secrets, 0).await?;
        tokio::time::sleep(Duration::from_secs(3)).await;
        let mut back = false;
        for office in [&self.desk, &self.ward] {
            let quick = office.until("asked", |_| true).await;
            let status = self.at(office, &["node", "status"]).await?;
            back |= quick.is_err() || names(&status["peers"]).contains(&"pharmacy".to_owned());
        }
        self.stage
            .check("started again, it does not come back", !back);
        self.pharmacy.kill().await
    }

    async fn retention(&mut self) -> Outcome {
        self.stage
            .part("7. Two days later: what policy says is over is gone");
        let status = self.at(&self.desk, &["node", "status"]).await?;
        let alive = text(&status["horizon"])?;
        self.desk.stop().await?;
        self.ward.stop().await?;
        self.desk.start(&self.secrets, 2).await?;
        self.ward.start(&self.secrets, 2).await?;
        let proven = self.until_seen(|office, hint| {
            office == "front-desk"
                && matches!(hint, Hint::PurgeAttested { by, horizon, .. } if by == "ward-2" && *horizon > alive)
        });
        let proven = proven.await;
        self.stage.check(
            "ward-2 has signed that it destroyed its copies; front-desk keeps the proof",
            proven,
        );
        let proven = self.until_seen(|office, hint| {
            office == "ward-2"
                && matches!(hint, Hint::PurgeAttested { by, horizon, .. } if by == "front-desk" && *horizon > alive)
        });
        let proven = proven.await;
        self.stage.check(
            "front-desk has signed the same; ward-2 keeps the proof",
            proven,
        );
        self.at(&self.desk, &["login", "Ana"]).await?;
        let page = self.at(&self.desk, &["read", "rounds"]).await?;
        self.stage.check(
            "Ana's message can be read nowhere any more",
            message(&page, TEXT).is_none(),
        );
        let trail = self.at(&self.desk, &["audit", "verify"]).await;
        self.stage
            .check("front-desk's audit trail verifies", trail.is_ok());
        Ok(())
    }

    /// People for the browsers: another pharmacy, because a revoked machine never comes back, and a
    /// fresh sign-in code for somebody at each office.
    async fn open_to_browsers(&mut self) -> Outcome {
        self.stage.part("8. The clinic is open to your browser");
        let annex = Office::new(&self.secrets.dir, "annex")?;
        join(&self.secrets, &self.desk, &annex, &self.stage).await?;
        self.watch(&annex);
        // The pharmacy's machine is gone for good; the third office is the annex from here on.
        self.pharmacy = annex;
        self.pharmacy.start(&self.secrets, 2).await?;
        // Cleo's only office went with that machine: what is sent to the room would wait for her there.
        let args = ["staff", "change", "Cleo", "--home", self.pharmacy.name];
        self.at(&self.desk, &args).await?;
        let offices = [&self.desk, &self.ward, &self.pharmacy];
        for (office, name) in offices.into_iter().zip(["Dora", "Emil", "Finn"]) {
            let args = [
                "staff",
                "add",
                name,
                "--home",
                office.name,
                "--role",
                "clinician",
            ];
            let added = self.at(&self.desk, &args).await?;
            let code = text(&added["code"])?;
            let args = ["room", "add", "rounds", "--member", name];
            self.at(&self.desk, &args).await?;
            self.knows(office, name).await?;
            self.stage.say(&format!(
                "  {:>10}  {}  sign in as {name} with the code {code}",
                office.name,
                office.address()
            ));
        }
        self.stage.say(
            "  There, choose \"First time here: use a sign-in code\", then a password of 12 characters or \
             more, and scan the picture with an authenticator app or make a passkey.",
        );
        self.stage.say(
            "  These offices live two days ahead, where part 7 has put them: dates on the page are the clinic's.              Policy keeps their messages for one day.",
        );
        Ok(())
    }

    async fn until_seen(&self, wished: impl Fn(&str, &Hint) -> bool) -> bool {
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            if self.seen.any(&wished) {
                return true;
            }
            tokio::time::sleep(LOOK).await;
        }
        false
    }

    fn end(self, keep: bool) -> Outcome {
        let outcome = self.stage.summary();
        if !keep || outcome.is_err() {
            return outcome;
        }
        let stage = &self.stage;
        stage.say(
            "\nThe clinic goes on running. To talk to it, for example as Ana at the front desk:",
        );
        stage.say(&format!(
            "  export CLINIC_MESH_DIR={}",
            self.desk.dir().display()
        ));
        stage.say(&format!(
            "  export XDG_RUNTIME_DIR={}",
            self.secrets.dir.display()
        ));
        stage.say("  clinic-mesh send rounds \"Hello\"    clinic-mesh read rounds    clinic-mesh node status");
        let ids: Vec<String> = [&self.desk, &self.ward, &self.pharmacy]
            .iter()
            .filter_map(|office| office.process_id())
            .map(|id| id.to_string())
            .collect();
        stage.say(&format!(
            "To end it: kill {}; rm -r {}",
            ids.join(" "),
            self.secrets.dir.display()
        ));
        self.desk.release();
        self.ward.release();
        self.pharmacy.release();
        outcome
    }
}

/// Invites a machine at one office and joins with it; whether both screens showed the same code.
async fn join(
    secrets: &Secrets,
    host: &Office,
    office: &Office,
    stage: &Stage,
) -> Result<bool, Failure> {
    let name = office.name;
    let mut invite = Talk::begin(
        secrets,
        host,
        &[
            "device", "invite", "--office", name, "--name", name, "--yes",
        ],
    )?;
    let code = text(&invite.line().await?["code"])?;
    let local = office.local(Some(host));
    let mut args = vec!["node", "join", &code, "--at", &host.enrolment];
    args.extend(local.iter().map(String::as_str));
    let mut joining = Talk::begin(secrets, office, &args)?;
    let theirs = text(&joining.line().await?["short_code"])?;
    let ours = text(&invite.line().await?["short_code"])?;
    stage.say(&format!(
        "  {name}: its screen shows {theirs}, the admin's shows {ours}"
    ));
    invite.line().await?;
    joining.line().await?;
    invite.end().await?;
    joining.end().await?;
    Ok(ours == theirs)
}

/// Writes a secret that a command reads, into a file that nobody else can.
fn keep_secret(path: &Path, secret: &str) -> Outcome {
    let failed = |error: &dyn std::fmt::Display| Failure::error(error.to_string());
    let mut file = files::create(path).map_err(|error| failed(&error))?;
    file.write_all(secret.as_bytes())?;
    Ok(())
}

fn text(value: &Value) -> Result<String, Failure> {
    value
        .as_str()
        .map(str::to_owned)
        .ok_or_else(|| Failure::error("an answer without what was asked"))
}

/// The message with this text in a page.
fn message<'a>(page: &'a Value, text: &str) -> Option<&'a Value> {
    page["messages"]
        .as_array()?
        .iter()
        .find(|message| message["text"] == text)
}

/// The names in a list of things with names.
fn names(list: &Value) -> Vec<String> {
    let list = list.as_array().map(Vec::as_slice).unwrap_or_default();
    list.iter()
        .filter_map(|item| item["name"].as_str())
        .map(str::to_owned)
        .collect()
}
