//! Which message a command means: the one that is named, or the newest one that fits.

use super::Me;
use crate::api::client::Answer;
use crate::api::conversation::MessageView;
use crate::api::problem::Problem;
use crate::cli::output::when;

/// Messages looked at for the newest one that fits.
const LOOK_BACK: usize = 50;

/// What was asked for.
pub(super) struct Pick<'a> {
    me: &'a Me<'a>,
    conversation: &'a str,
    named: Option<&'a str>,
}

/// A message, and what to call it.
pub(super) struct Picked {
    pub(super) id: String,
    pub(super) what: String,
}

/// A message of a conversation, by its id or without.
pub(super) fn message<'a>(
    me: &'a Me<'a>,
    conversation: &'a str,
    named: Option<&'a str>,
) -> Pick<'a> {
    Pick {
        me,
        conversation,
        named,
    }
}

impl Pick<'_> {
    /// The named one, or the newest by somebody else.
    pub(super) async fn by_others(&self) -> Answer<Picked> {
        self.newest("message by somebody else in", |message| !message.mine)
            .await
    }

    /// The named one, or the newest of one's own that was not taken back.
    pub(super) async fn by_me(&self) -> Answer<Picked> {
        let fits = |message: &MessageView| message.mine && message.retracted.is_none();
        self.newest("message of yours in", fits).await
    }

    async fn newest(
        &self,
        missing: &'static str,
        fits: impl Fn(&MessageView) -> bool,
    ) -> Answer<Picked> {
        if let Some(id) = self.named {
            return Ok(Picked {
                id: id.to_owned(),
                what: "the message".to_owned(),
            });
        }
        let client = &self.me.client;
        let page = client.messages(self.conversation, None, LOOK_BACK).await?;
        let newest = page.messages.iter().rev().find(|message| fits(message));
        let newest = newest.ok_or_else(|| Problem::not_found(missing, &page.name))?;
        let at = when(newest.written.wall(), self.me.context.clock.now());
        let whose = if newest.mine {
            "your".to_owned()
        } else {
            format!("{}'s", newest.by)
        };
        Ok(Picked {
            id: newest.id.clone(),
            what: format!("{whose} message of {at}"),
        })
    }
}
