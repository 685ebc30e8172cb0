//! Reading a trail.

use serde::Serialize;

use super::since::{self, Since};
use crate::api::audit::{EpochView, RecordView};
use crate::api::client::{Answer, Client};
use crate::cli::Context;
use crate::cli::failure::Outcome;
use crate::cli::output::{Table, when_exactly};
use crate::domain::time::WallTime;

/// Show who did what, the newest last
///
/// Looking at a trail is itself recorded in this node's trail.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct List {
    /// Whose trail; this node's own if left out
    #[arg(long, value_name = "DEVICE")]
    device: Option<String>,
    /// Show everything since then: a date, "2026-11-21 14:05", or 3d, 12h, 45m ago
    #[arg(long, value_name = "TIME", value_parser = since::parse)]
    since: Option<Since>,
    /// Show the newest so many, where --since is not given
    #[arg(long, short = 'n', value_name = "COUNT", default_value_t = 50)]
    limit: u64,
}

/// A record with the run of the node it is from.
#[derive(Serialize)]
struct Line {
    epoch: String,
    #[serde(flatten)]
    record: RecordView,
}

impl List {
    pub(super) fn run(&self, context: &Context) -> Outcome {
        let client = context.client();
        let progress = context.output.progress("reading the audit trail");
        let since = self.since.map(|since| since.from(context.clock.now()));
        let lines =
            context.block_on(async { Ok(progress.during(self.fetch(&client, since)).await?) })?;
        context.output.answer(&lines, || table(context, &lines))
    }

    async fn fetch(&self, client: &Client, since: Option<WallTime>) -> Answer<Vec<Line>> {
        let own;
        let device = match &self.device {
            Some(device) => device.as_str(),
            None => {
                own = client.status().await?.device;
                &own
            }
        };
        let trail = client.trail(device).await?;
        let mut lines = Vec::new();
        for (epoch, from) in self.places(&trail.epochs, since) {
            collect(client, device, epoch, from, &mut lines).await?;
        }
        if let Some(since) = since {
            lines.retain(|line| line.record.at.wall() >= since);
        }
        Ok(lines)
    }

    /// Where to begin in each epoch.
    fn places<'a>(
        &self,
        epochs: &'a [EpochView],
        since: Option<WallTime>,
    ) -> Vec<(&'a EpochView, u64)> {
        let mut wanted = self.limit;
        let mut places = Vec::new();
        let mut ended: Option<WallTime> = None;
        for epoch in epochs.iter().rev() {
            let over = match since {
                Some(since) => ended.is_some_and(|ended| ended < since),
                None => wanted == 0,
            };
            if over {
                break;
            }
            let shown = if since.is_some() {
                epoch.seq
            } else {
                wanted.min(epoch.seq)
            };
            wanted -= if since.is_some() { 0 } else { shown };
            places.push((epoch, epoch.seq - shown + 1));
            ended = Some(epoch.began.wall());
        }
        places.reverse();
        places
    }
}

async fn collect(
    client: &Client,
    device: &str,
    epoch: &EpochView,
    from: u64,
    lines: &mut Vec<Line>,
) -> Answer<()> {
    let mut from = Some(from);
    while let Some(at) = from.filter(|at| *at <= epoch.seq) {
        let part = client.trail_records(device, &epoch.epoch, at).await?;
        let records = part
            .records
            .into_iter()
            .filter(|record| record.seq <= epoch.seq);
        lines.extend(records.map(|record| Line {
            epoch: epoch.epoch.clone(),
            record,
        }));
        from = part.next.filter(|next| *next > at);
    }
    Ok(())
}

fn table(context: &Context, lines: &[Line]) -> String {
    let mut table = Table::new(["WHEN", "NUMBER", "WHO", "WHAT", "FROM"]);
    for Line { record, .. } in lines {
        let refused = if record.outcome == "refused" && record.deed != "peer_refused" {
            format!("refused: {}", record.what)
        } else {
            record.what.clone()
        };
        table.row([
            when_exactly(record.at.wall()),
            record.seq.to_string(),
            record.who.clone(),
            refused,
            record.from.clone(),
        ]);
    }
    if table.is_empty() {
        return "nothing is recorded since then".to_owned();
    }
    table.show(context.output.style())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn epoch(began: u64, seq: u64) -> EpochView {
        EpochView {
            epoch: format!("{began:x}"),
            began: WallTime(began).into(),
            seq,
            hash: String::new(),
        }
    }

    #[test]
    fn the_newest_records_are_fetched_across_runs_and_no_more() {
        let list = List {
            device: None,
            since: None,
            limit: 12,
        };
        let epochs = [epoch(100, 50), epoch(200, 5), epoch(300, 4)];
        let places = |list: &List, since| -> Vec<(u64, u64)> {
            let found = list.places(&epochs, since);
            found
                .iter()
                .map(|(epoch, from)| (epoch.began.ms, *from))
                .collect()
        };
        assert_eq!(places(&list, None), [(100, 48), (200, 1), (300, 1)]);
        assert_eq!(places(&list, Some(WallTime(250))), [(200, 1), (300, 1)]);
        let all = List { limit: 0, ..list };
        assert_eq!(places(&all, None), []);
    }
}
