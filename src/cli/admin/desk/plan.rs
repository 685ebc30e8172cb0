//! Plans the next mesh keys, beside what an admin came for.

use super::Desk;
use crate::api::inventory::AssetView;
use crate::cli::{Context, Outcome};
use crate::domain::condition::ProgramVersion;
use crate::domain::time::AHEAD_MAX;

/// The first program that reads a statement with planned mesh keys. One from before takes nothing more of the
/// admin who signed it, no revocation either.
const READ_SINCE: &str = "0.2.0";

impl Desk {
    /// Plans more mesh keys where few are left, so that the key changes although no admin comes for a year.
    ///
    /// What the admin came for is done by then: what stands in the way of this is said and no more.
    pub(crate) async fn plan_mesh_keys(&mut self, context: &Context) {
        if let Err(failure) = self.try_to_plan(context).await {
            context.output.note(&format!(
                "note: the next mesh keys were not planned: {}",
                failure.message
            ));
        }
    }

    async fn try_to_plan(&mut self, context: &Context) -> Outcome {
        let now = context.clock.now();
        if !self.authority.should_plan_mesh_keys(now) {
            return Ok(());
        }
        let devices = self.client.inventory().await?.devices;
        let offset = self.client.status().await?.mesh_offset_ms;
        if !all_read_it(&devices) || !is_right(offset, &devices) {
            return Ok(());
        }
        let planned = self.authority.plan_mesh_keys(now)?;
        self.give(&[planned.segment], &planned.made).await
    }
}

/// Whether this clock is known to be right, as far as there is anybody to ask: by one that is behind, what is
/// planned for later would begin at once at all others.
fn is_right(offset_ms: Option<i64>, devices: &[AssetView]) -> bool {
    let mut others = nodes(devices).filter(|node| node.state != "this");
    match offset_ms {
        Some(offset) => u128::from(offset.unsigned_abs()) <= AHEAD_MAX.as_millis(),
        None => others.next().is_none(),
    }
}

fn nodes(devices: &[AssetView]) -> impl Iterator<Item = &AssetView> {
    let takes_part = |device: &&AssetView| device.kind == "node" && device.state != "revoked";
    devices.iter().filter(takes_part)
}

/// Whether every machine that takes part has told a program that reads the statement.
fn all_read_it(devices: &[AssetView]) -> bool {
    let since = ProgramVersion::new(READ_SINCE);
    let reads = |version: &str| {
        let version = ProgramVersion::new(version);
        let both = version.zip(since.clone());
        both.is_some_and(|(version, since)| !version.is_older_than(&since))
    };
    nodes(devices).all(|node| node.version.as_deref().is_some_and(reads))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(kind: &str, state: &str, version: Option<&str>) -> AssetView {
        let value = serde_json::json!({
            "id": "", "name": "", "office": "", "kind": kind, "capabilities": [], "state": state,
            "key_since": null, "certified_until": {"iso": "", "ms": 0}, "revoked": null, "version": version,
            "last_heard": null, "address": null, "people": [], "outdated": false,
        });
        serde_json::from_value(value).expect("an asset")
    }

    #[test]
    fn nothing_is_planned_by_a_clock_that_is_off_or_that_nobody_was_asked_about() {
        let own = node("node", "this", Some("0.2.0"));
        let two = [own.clone(), node("node", "away", Some("0.2.0"))];
        let minute = 60_000;
        for (offset, right) in [
            (Some(minute), true),
            (Some(-9 * minute), false),
            (None, false),
        ] {
            assert_eq!(is_right(offset, &two), right, "{offset:?}");
        }
        assert!(is_right(None, &[own]));
    }

    #[test]
    fn nothing_is_planned_that_some_node_could_not_read() {
        let all = [
            node("node", "this", Some("0.2.0")),
            node("node", "away", Some("1.0.3")),
            node("node", "revoked", Some("0.1.0")),
            node("client", "enrolled", None),
        ];
        assert!(all_read_it(&all));
        for bad in [Some("0.1.0"), Some("0.2.0-rc.1"), Some("?"), None] {
            let mut some = all.to_vec();
            some.push(node("node", "away", bad));
            assert!(!all_read_it(&some), "{bad:?}");
        }
        assert!(all_read_it(&[node("node", "this", Some(READ_SINCE))]));
        let own = ProgramVersion::own().to_string();
        assert!(all_read_it(&[node("node", "this", Some(&own))]), "{own}");
    }
}
