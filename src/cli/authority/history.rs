//! `authority history`: the clinic record in plain words.

use serde::Serialize;

use super::words;
use crate::api::clinic::author_name;
use crate::api::moment::Moment;
use crate::cli::admin::{AuthorityDir, newest_record};
use crate::cli::output::{Style, when_exactly};
use crate::cli::{Context, Outcome};
use crate::domain::copy::RecordCopy;

/// Show every statement of the clinic record, oldest first
///
/// Of the copy in the authority's directory and of what the running node has: what somebody else signed, with
/// this admin's key or another, is known there first. Where no node can be asked it is said how new the copy is.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct History {
    #[command(flatten)]
    dir: AuthorityDir,

    /// Show at most the last N statements
    #[arg(long, value_name = "N")]
    last: Option<usize>,
}

#[derive(Serialize)]
struct Line {
    at: Moment,
    by: String,
    seq: u64,
    act: &'static str,
    what: String,
    /// Why the statement does not count, if it does not.
    void: Option<String>,
}

impl History {
    pub(super) fn run(&self, context: &Context) -> Outcome {
        let record = newest_record(&self.dir.path(), context)?;
        let lines = lines(&record);
        let skipped = self.last.map_or(0, |last| lines.len().saturating_sub(last));
        let shown = &lines[skipped..];
        let style = context.output.style();
        context.output.answer(&shown, || text(shown, style))
    }
}

fn lines(record: &RecordCopy) -> Vec<Line> {
    let clinic = record.clinic();
    let mut items: Vec<_> = record.items().collect();
    items.sort_by_key(|item| (item.time, item.id));
    let line = |item: &&crate::domain::record::Item| Line {
        at: item.time.into(),
        by: author_name(&clinic, &item.id.author),
        seq: item.id.seq,
        act: item.statement.act.title(),
        what: words::of(&clinic, &item.statement.act),
        void: clinic.void.get(&item.id).map(ToString::to_string),
    };
    items.iter().map(line).collect()
}

fn text(lines: &[Line], style: Style) -> String {
    let mut text = String::new();
    for line in lines {
        let at = style.dim(&when_exactly(line.at.wall()));
        let seq = style.dim(&format!("#{}", line.seq));
        text.push_str(&format!(
            "{at}  {} {seq} {}\n",
            style.bold(&line.by),
            line.what
        ));
        if let Some(why) = &line.void {
            text.push_str(&format!(
                "    {}\n",
                style.bad(&format!("does not count: {why}"))
            ));
        }
    }
    text
}
