//! Following conversations live.

use std::collections::BTreeMap;
use std::time::Duration;

use super::show::{Screen, delivery, line};
use super::{AsFlag, Me};
use crate::api::client::{Activity, Client};
use crate::api::conversation::{MessageView, PageView, State};
use crate::api::event::Hint;
use crate::cli::Context;
use crate::cli::failure::{Failure, Outcome};
use crate::cli::output::{Format, plain};

/// Messages shown when a conversation comes into view.
const BEFORE: usize = 5;

/// Messages looked at after a hint.
const PAGE: usize = 50;

/// How often it is looked whether the node has something to say to everyone.
const LOOK: Duration = Duration::from_secs(60);

/// Letters of a message that remind of it.
const REMINDER: usize = 24;

/// Follow your conversations live, until Ctrl-C
///
/// Shows messages as they arrive, and how far your own have come. Looking on does not put off
/// automatic logoff.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Watch {
    /// A room, a person, or several with commas between; all of your conversations if left out
    conversation: Option<String>,
    #[command(flatten)]
    whose: AsFlag,
}

/// What was shown, by message: the delivery as it was said.
type Seen = BTreeMap<String, String>;

struct Follower<'a> {
    context: &'a Context,
    me: &'a Me<'a>,
    client: Client,
    /// What was shown of each conversation.
    seen: BTreeMap<String, Seen>,
    /// Whether lines say which conversation they are from.
    named: bool,
    last: String,
}

impl Watch {
    pub(in crate::cli) fn run(&self, context: &Context) -> Outcome {
        let me = Me::find(context, &self.whose)?;
        context.block_on(self.follow(context, &me))
    }

    async fn follow(&self, context: &Context, me: &Me<'_>) -> Outcome {
        let failed = |error| me.failure(error);
        let mut events = me.client.events().await.map_err(failed)?;
        let mut follower = Follower {
            context,
            me,
            client: me.client.clone().acting(Activity::Background),
            seen: BTreeMap::new(),
            named: self.conversation.is_none(),
            last: String::new(),
        };
        follower.begin(self.conversation.as_deref()).await?;
        let mut look = tokio::time::interval(LOOK);
        loop {
            let hint = tokio::select! {
                hint = events.next() => hint,
                _ = look.tick() => {
                    me.say_warnings().await;
                    continue;
                }
            };
            let Some(hint) = hint else { break };
            match hint.map_err(failed)? {
                Hint::Conversation { conversation, .. }
                | Hint::Receipts { conversation, .. }
                | Hint::Stored { conversation, .. } => follower.look(&conversation).await?,
                Hint::Everything => follower.look_at_all().await?,
                Hint::LoginEnded => return Err(follower.logged_off()),
                _ => {}
            }
        }
        Err(Failure::unreachable("the node has stopped")
            .remedy("start it with `clinic-mesh node run` and sign in again"))
    }
}

impl Follower<'_> {
    async fn begin(&mut self, one: Option<&str>) -> Outcome {
        let who = &self.me.login.name;
        self.context
            .output
            .note(&format!("following as {who}; Ctrl-C ends"));
        if let Some(name) = one {
            let page = self.client.messages(name, None, BEFORE).await;
            let page = page.map_err(|error| self.me.failure(error))?;
            self.seen.insert(page.conversation.clone(), Seen::new());
            return self.show(&page);
        }
        let list = self
            .client
            .conversations()
            .await
            .map_err(|error| self.me.failure(error))?;
        for conversation in list.conversations.iter().rev() {
            self.seen.insert(conversation.id.clone(), Seen::new());
            let page = self.client.messages(&conversation.id, None, BEFORE).await;
            self.show(&page.map_err(|error| self.me.failure(error))?)?;
        }
        Ok(())
    }

    async fn look_at_all(&mut self) -> Outcome {
        let all: Vec<String> = self.seen.keys().cloned().collect();
        for conversation in all {
            self.look(&conversation).await?;
        }
        Ok(())
    }

    async fn look(&mut self, conversation: &str) -> Outcome {
        if !self.named && !self.seen.contains_key(conversation) {
            return Ok(());
        }
        let page = self.client.messages(conversation, None, PAGE).await;
        self.show(&page.map_err(|error| self.me.failure(error))?)
    }

    /// Shows what has not been shown, and what was said otherwise.
    fn show(&mut self, page: &PageView) -> Outcome {
        let began = self
            .seen
            .get(&page.conversation)
            .is_some_and(|seen| !seen.is_empty());
        let screen = Screen::of(self.context, &self.me.login.staff);
        for message in &page.messages {
            let said = delivery(&message.delivery);
            let seen = self.seen.entry(page.conversation.clone()).or_default();
            match seen.insert(message.id.clone(), said.clone()) {
                None => self.print(page, message, &line(&screen, message))?,
                Some(before) if before != said && began && self.is_news(message) => {
                    let news = format!("{} → {said}", reminder(message));
                    let indent = " ".repeat(7);
                    self.print(
                        page,
                        message,
                        &format!("{indent}{}", screen_dim(self.context, &news)),
                    )?;
                }
                Some(_) => {}
            }
        }
        Ok(())
    }

    fn print(&mut self, page: &PageView, message: &MessageView, text: &str) -> Outcome {
        let output = self.context.output;
        if output.format == Format::Json {
            return output.json_line(&serde_json::json!({
                "conversation": page.conversation,
                "name": page.name,
                "message": message,
            }));
        }
        if self.named && self.last != page.conversation {
            self.last.clone_from(&page.conversation);
            output.text(&format!("\n{}", output.style().bold(&page.name)))?;
        }
        output.text(text)
    }

    /// One's own messages matter in every state, others' once somebody has taken them in hand.
    fn is_news(&self, message: &MessageView) -> bool {
        message.staff == self.me.login.staff || message.delivery.state == State::Acknowledged
    }

    fn logged_off(&self) -> Failure {
        super::forget(self.context, &self.me.login);
        Failure::refused("the login has ended")
            .remedy(format!("clinic-mesh login {:?}", self.me.login.name))
    }
}

fn screen_dim(context: &Context, text: &str) -> String {
    context.output.style().dim(text)
}

/// The beginning of a message's text.
fn reminder(message: &MessageView) -> String {
    let text = plain(message.text.as_deref().unwrap_or_default()).replace('\n', " ");
    let short: String = text.chars().take(REMINDER).collect();
    let more = if text.chars().count() > REMINDER {
        "…"
    } else {
        ""
    };
    format!("“{short}{more}”")
}
