//! Messages on a terminal.

use crate::api::conversation::{DeliveryView, MessageView, PageView, QuoteView, State};
use crate::cli::Context;
use crate::cli::output::{Style, clock_time, day_name, plain, screen_width, wrap};
use crate::domain::time::WallTime;

/// Widest name that keeps the texts in one column.
const NAME_WIDTH: usize = 16;

/// Narrowest column of text that is still read with ease.
const TEXT_LEAST: usize = 30;

/// For whom, and how, messages are drawn.
pub(super) struct Screen {
    me: String,
    style: Style,
    width: usize,
    now: WallTime,
}

impl Screen {
    pub(super) fn of(context: &Context, me: &str) -> Self {
        Self {
            me: me.to_owned(),
            style: context.output.style(),
            width: screen_width(),
            now: context.clock.now(),
        }
    }

    #[cfg(test)]
    fn plain(me: &str, width: usize, now: WallTime) -> Self {
        Self {
            me: me.to_owned(),
            style: Style::default(),
            width,
            now,
        }
    }
}

/// A page with a heading, day by day.
pub(super) fn page(screen: &Screen, view: &PageView) -> String {
    let mut text = format!("{}\n", screen.style.bold(&view.name));
    if let Some(earlier) = &view.earlier {
        // Alone on its line, however long it is: it is there to be copied.
        let hint = format!("earlier: read on with the same command and\n--before {earlier}");
        text.push_str(&format!("{}\n", screen.style.dim(&hint)));
    }
    let mut day = String::new();
    for message in &view.messages {
        let of = day_name(message.written.wall(), screen.now);
        if of != day {
            text.push_str(&format!("\n{}\n", screen.style.dim(&format!("— {of} —"))));
            day = of;
        }
        text.push_str(&line(screen, message));
    }
    if view.messages.is_empty() {
        text.push_str(&format!(
            "{}\n",
            screen.style.dim("nothing is written here yet")
        ));
    }
    text
}

/// One message: time, name, text, and under it how far it has come.
pub(super) fn line(screen: &Screen, message: &MessageView) -> String {
    let time = clock_time(message.written.wall());
    let name: String = message.by.chars().take(NAME_WIDTH).collect();
    let margin = time.chars().count() + 2 + NAME_WIDTH + 2;
    let room = screen.width.saturating_sub(margin).max(TEXT_LEAST);
    let body = match (&message.text, &message.retracted) {
        (Some(text), _) => plain(text),
        (None, Some(told)) => plain(&format!("(taken back: {})", told.reason)),
        (None, None) => "(purged under policy)".to_owned(),
    };
    let padding = " ".repeat(NAME_WIDTH - name.chars().count());
    let mut shown = format!(
        "{}  {}{padding}  ",
        screen.style.dim(&time),
        screen.style.bold(&name)
    );
    let indent = " ".repeat(margin);
    if let Some(quote) = &message.reply_to {
        let quoted = quoted(quote, room);
        shown.push_str(&format!("{}\n{indent}", screen.style.dim(&quoted)));
    }
    shown.push_str(&wrap(&body, room).join(&format!("\n{indent}")));
    shown.push('\n');
    for remark in remarks(screen, message) {
        shown.push_str(&format!("{indent}{}\n", screen.style.dim(&remark)));
    }
    shown
}

/// One line that reminds of the message that is answered.
fn quoted(quote: &QuoteView, room: usize) -> String {
    let (Some(by), Some(text)) = (&quote.by, &quote.text) else {
        return "> a message that is purged or not held here".to_owned();
    };
    let line = plain(&format!("> {by}: {text}")).replace('\n', " ");
    match line.chars().count() {
        count if count <= room => line,
        _ => line.chars().take(room - 1).chain(['…']).collect(),
    }
}

fn remarks(screen: &Screen, message: &MessageView) -> Vec<String> {
    let mut remarks = Vec::new();
    if message.before_removal_was_known {
        remarks.push("sent before the writer's removal was known".to_owned());
    }
    if message.amended {
        remarks.push("amended".to_owned());
    }
    let mine = message.staff == screen.me;
    if mine || message.delivery.state == State::Acknowledged {
        remarks.push(delivery(&message.delivery));
    }
    remarks
}

/// How far a message has come, and who says so.
pub(super) fn delivery(view: &DeliveryView) -> String {
    let said = match (view.state, view.stored_at.is_empty()) {
        (State::OnThisNode, _) => "on this node".to_owned(),
        (State::Left, true) => "left this node".to_owned(),
        (State::StoredAtTheirs, true) => "on this node, which is theirs too".to_owned(),
        (State::Left | State::StoredAtTheirs, false) => {
            format!("stored at {}", and(&view.stored_at))
        }
        (State::Opened, _) => format!("opened by {}", and(&view.opened_by)),
        (State::Acknowledged, _) => format!("acknowledged by {}", and(&view.acknowledged_by)),
    };
    match view.missing.as_slice() {
        [] => said,
        missing => format!("{said}; not known to be with {}", and(missing)),
    }
}

/// Names in a sentence.
fn and(names: &[String]) -> String {
    match names {
        [] => "nobody".to_owned(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::testing::NOON;

    fn message(by: &str, text: &str, state: State) -> MessageView {
        MessageView {
            id: "x".into(),
            written: NOON.into(),
            staff: by.to_lowercase(),
            by: by.into(),
            mine: false,
            amended: false,
            retracted: None,
            reply_to: None,
            mentions: Vec::new(),
            text: Some(text.into()),
            before_removal_was_known: false,
            delivery: DeliveryView {
                state,
                stored_at: vec!["ward-2".into(), "lab".into()],
                missing: Vec::new(),
                opened_by: vec!["Bo".into()],
                acknowledged_by: vec!["Bo".into()],
            },
        }
    }

    #[test]
    fn each_state_is_said_with_the_names_behind_it() {
        let said = |state| delivery(&message("Ana", "x", state).delivery);
        assert_eq!(said(State::OnThisNode), "on this node");
        let mut left = message("Ana", "x", State::Left).delivery;
        left.missing = vec!["Cy".into()];
        let words = "stored at ward-2 and lab; not known to be with Cy";
        assert_eq!(delivery(&left), words);
        assert_eq!(said(State::StoredAtTheirs), "stored at ward-2 and lab");
        assert_eq!(said(State::Opened), "opened by Bo");
        assert_eq!(said(State::Acknowledged), "acknowledged by Bo");
    }

    #[test]
    fn a_message_cannot_move_the_cursor_or_reverse_the_line() {
        let screen = Screen::plain("ana", 80, NOON);
        let shown = line(
            &screen,
            &message("Bo", "a\u{1b}[2Jb\u{202e}c\r\nd", State::Opened),
        );
        assert!(!shown.contains(['\u{1b}', '\u{202e}', '\r']), "{shown:?}");
        assert_eq!(shown.lines().count(), 2, "{shown}");
    }

    #[test]
    fn long_texts_are_wrapped_under_themselves_and_own_messages_say_how_far_they_are() {
        let screen = Screen::plain("ana", 60, NOON);
        let text = "Bed 4 is free and the family of bed 5 would like to speak to someone";
        let shown = line(&screen, &message("Ana", text, State::StoredAtTheirs));
        let margin = " ".repeat(25);
        for row in shown.lines().skip(1) {
            assert!(
                row.starts_with(&margin) && row.chars().count() <= 60,
                "{row:?}"
            );
        }
        assert!(shown.ends_with("stored at ward-2 and lab\n"), "{shown}");
        let theirs = line(&screen, &message("Bo", "ok", State::StoredAtTheirs));
        assert_eq!(theirs.lines().count(), 1, "{theirs}");
    }
}
