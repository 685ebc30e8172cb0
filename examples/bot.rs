//! A bot that answers standing questions in one conversation.
//!
//! It comes in by the door every face uses, the API on the node's Unix socket, and it is a staff member
//! like any other: an admin adds it, makes it a member of its room, and can suspend it; what it reads and
//! writes stands in the audit trail under its name. Its first sign-in, with the one-time code, is done by
//! hand:
//!
//! ```text
//! clinic-mesh staff add "Desk bot" --home "front-desk" --role front-desk
//! clinic-mesh room create "questions" --member "Desk bot" --member "Ana"
//! clinic-mesh login "Desk bot" --code
//! cargo run --example bot /var/lib/clinic-mesh/api.sock "Desk bot" bot.password questions
//! ```
//!
//! The password is the first line of a file, because arguments can be seen by everybody on the machine. The
//! bot keeps no file of what it has answered: it acknowledges what it has dealt with, like a person would,
//! so after a restart it goes on where it stopped. It fails when the node stops; have it restarted.

use std::convert::Infallible;
use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;

use clinic_mesh::api::client::{Client, ClientError};
use clinic_mesh::api::conversation::{MessageView, PageView};
use clinic_mesh::api::event::Hint;
use clinic_mesh::api::login::LoginRequest;
use clinic_mesh::api::problem::Code;
use zeroize::Zeroizing;

const USAGE: &str = "usage: bot SOCKET NAME PASSWORD_FILE CONVERSATION";

/// How far back the bot looks after a hint. What is further back when the bot comes to it stays
/// unanswered: by then people have moved on.
const PAGE: usize = 100;

/// What is asked, and what the bot says.
const ANSWERS: [(&str, &str); 2] = [
    ("hours?", "Monday to Friday 8 to 18, Saturday 9 to 12."),
    (
        "supplies?",
        "What is ordered before noon comes the next day.",
    ),
];

type Failure = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let failure = run(&args).await;
    // Nobody is left to tell if this cannot be written.
    let _ = writeln!(io::stderr(), "bot: {failure}");
    ExitCode::FAILURE
}

/// Answers until something keeps it from going on, and returns what.
pub(crate) async fn run(args: &[String]) -> Failure {
    let served = async {
        let [socket, name, password_file, conversation] = args else {
            return Err(USAGE.into());
        };
        let node = Client::new(Path::new(socket));
        let password = first_line(password_file)?;
        loop {
            Bot::sign_in(&node, name, &password, conversation)
                .await?
                .serve()
                .await?;
        }
    };
    let Err(failure): Result<Infallible, Failure> = served.await;
    failure
}

fn first_line(path: &str) -> io::Result<Zeroizing<String>> {
    let text = Zeroizing::new(std::fs::read_to_string(path)?);
    Ok(Zeroizing::new(
        text.lines().next().unwrap_or_default().to_owned(),
    ))
}

/// The bot with a login.
struct Bot<'a> {
    client: Client,
    name: String,
    conversation: &'a str,
}

impl<'a> Bot<'a> {
    async fn sign_in(
        node: &Client,
        name: &str,
        password: &str,
        conversation: &'a str,
    ) -> Result<Self, Failure> {
        let request = LoginRequest::with_password(name, password);
        let login = node.login(&request).await?;
        let token = login
            .token
            .as_deref()
            .ok_or("no token: is this the node's own socket?")?;
        Ok(Self {
            client: node.clone().with_token(token),
            name: login.name.clone(),
            conversation,
        })
    }

    /// Answers until the login ends, as every login does some day.
    async fn serve(&self) -> Result<(), Failure> {
        match self.follow().await {
            Err(ClientError::Problem(problem)) if problem.code == Code::LoginEnded => Ok(()),
            Ok(Some(Hint::LoginEnded)) => Ok(()),
            Ok(_) => Err("the node has stopped".into()),
            Err(error) => Err(error.into()),
        }
    }

    /// Follows the hints to the last one.
    async fn follow(&self) -> Result<Option<Hint>, ClientError> {
        let mut hints = self.client.events().await?;
        // What was asked while nobody listened. The stream is open already, so nothing falls in between.
        let id = self.look().await?;
        let mut last = None;
        while let Some(hint) = hints.next().await {
            let hint = hint?;
            let concerns = match &hint {
                Hint::Conversation { conversation, .. } => *conversation == id,
                other => *other == Hint::Everything,
            };
            if concerns {
                self.look().await?;
            }
            last = Some(hint);
        }
        Ok(last)
    }

    /// Answers what is open in the conversation, and returns its id.
    async fn look(&self) -> Result<String, ClientError> {
        let page = self.client.messages(self.conversation, None, PAGE).await?;
        for (message, answer) in self.open_questions(&page) {
            self.client.send(&page.conversation, answer).await?;
            // If the bot is stopped right here the question is answered twice; the other way round it
            // might never be.
            self.client
                .acknowledge(&page.conversation, &message.id)
                .await?;
        }
        Ok(page.conversation)
    }

    /// Others' questions that the bot has not dealt with, the oldest first.
    fn open_questions<'p>(
        &self,
        page: &'p PageView,
    ) -> impl Iterator<Item = (&'p MessageView, &'static str)> {
        let is_open = |message: &&MessageView| {
            message.by != self.name && !message.delivery.acknowledged_by.contains(&self.name)
        };
        let open = page.messages.iter().filter(is_open);
        open.filter_map(|message| Some((message, answer(message.text.as_deref()?)?)))
    }
}

/// What the bot says to a text, if it has anything to say.
fn answer(text: &str) -> Option<&'static str> {
    let asked = text.trim().to_lowercase();
    ANSWERS
        .iter()
        .find(|(question, _)| *question == asked)
        .map(|(_, answer)| *answer)
}
