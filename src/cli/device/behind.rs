//! Whom one more change of the mesh key would lock out.

use crate::api::inventory::AssetView;
use crate::api::moment::Moment;
use crate::cli::Failure;
use crate::cli::admin::Desk;
use crate::domain::id::DeviceId;
use crate::domain::mesh_keys::MESH_KEYS;
use crate::domain::time::WallTime;

/// What is said before the mesh key is changed, where a node has been away for so many changes that it would
/// not get in any more with what it knows. Of a machine that is revoked nobody has to be told.
pub(in crate::cli) async fn warning(
    desk: &Desk,
    revoked: Option<&DeviceId>,
    now: WallTime,
) -> Result<Option<String>, Failure> {
    let keys = &desk.authority.clinic().mesh_keys;
    let begun = keys.begun(now).rev().take(MESH_KEYS);
    let made: Vec<WallTime> = begun.map(|(_, key)| key.made).collect();
    let mut devices = desk.client.inventory().await?.devices;
    devices.retain(|device| revoked.is_none_or(|revoked| device.id != revoked.to_string()));
    let names = locked_out(&made, &devices);
    Ok((!names.is_empty()).then(|| words(&names, revoked)))
}

fn words(names: &[String], revoked: Option<&DeviceId>) -> String {
    let remedy = match revoked {
        Some(_) => {
            "Keep the mesh key now with `clinic-mesh device revoke --keep-mesh-key`, and change it with \
             `clinic-mesh authority rotate-mesh-key` once that node was connected."
        }
        None => "Change it once that node was connected.",
    };
    format!(
        "WARNING: {} was away, as far as this node knows, while the mesh key was changed, and has one that one \
         more change makes too old: it could not connect any more, and would have to be enrolled anew. {remedy}",
        names.join(", ")
    )
}

/// The nodes that have none but the oldest of the accepted keys, by when each was last heard; `made` are the
/// moments at which those were signed for, the newest first. Who has none of them is locked out already.
fn locked_out(made: &[WallTime], devices: &[AssetView]) -> Vec<String> {
    // Who was away until the certificate ended comes back by asking to be renewed, with the key it has.
    let is_away = |device: &&AssetView| matches!(device.state.as_str(), "away" | "expired");
    let away = devices.iter().filter(is_away);
    let behind = away.filter(|device| {
        // Who was never heard has the key that its enrolment gave it.
        let heard = device.last_heard.as_ref().or(device.key_since.as_ref());
        let Some(heard) = heard.map(Moment::wall) else {
            return false;
        };
        let knows = |made: &[WallTime]| made.iter().any(|at| *at <= heard);
        knows(made) && !knows(&made[..made.len().min(MESH_KEYS - 1)])
    });
    behind.map(|device| device.name.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::testing::{NOON, days};

    fn device(name: &str, state: &str, heard: Option<u64>) -> AssetView {
        let heard = heard.map(|day| NOON.plus(days(day)).into());
        AssetView {
            state: state.to_owned(),
            last_heard: heard,
            ..serde_json::from_value(serde_json::json!({
                "id": "", "name": name, "office": "", "kind": "node", "capabilities": [], "state": "",
                "key_since": null, "certified_until": {"iso": "", "ms": 0}, "revoked": null, "version": null,
                "last_heard": null, "address": null, "people": [],
                "outdated": false,
            }))
            .expect("an asset")
        }
    }

    #[test]
    fn what_helps_is_what_the_command_can_do() {
        let names = ["ward".to_owned()];
        assert!(words(&names, Some(&DeviceId::new([1; 32]))).contains("--keep-mesh-key"));
        let rotating = words(&names, None);
        assert!(!rotating.contains("device revoke"), "{rotating}");
        assert!(
            rotating.contains("once that node was connected"),
            "{rotating}"
        );
    }

    #[test]
    fn who_has_the_oldest_key_that_is_accepted_is_named_and_nobody_else() {
        let made: [WallTime; 3] = [30, 20, 10].map(|day| NOON.plus(days(day)));
        let devices = [
            device("already-out", "away", Some(5)),
            device("next-out", "away", Some(15)),
            device("asleep", "expired", Some(16)),
            device("two-left", "away", Some(25)),
            device("here", "connected", Some(15)),
            device("never-heard", "away", None),
            device("gone", "revoked", Some(15)),
        ];
        assert_eq!(locked_out(&made, &devices), ["next-out", "asleep"]);
        let mut enrolled = device("never-started", "away", None);
        enrolled.key_since = Some(NOON.plus(days(12)).into());
        assert_eq!(locked_out(&made, &[enrolled]), ["never-started"]);
        // Of three keys in all a node that has been away since the founding has the first.
        let devices = [device("ward", "away", Some(5))];
        let made: [WallTime; 3] = [20, 10, 0].map(|day| NOON.plus(days(day)));
        assert_eq!(locked_out(&made, &devices), ["ward"]);
        assert!(locked_out(&made[1..], &devices).is_empty());
        assert!(locked_out(&made[2..], &devices).is_empty());
        // Who was away when they were planned has none of the planned keys that have begun.
        let made: [WallTime; 3] = [10, 6, 0].map(|day| NOON.plus(days(day)));
        assert_eq!(locked_out(&made, &devices), ["ward"]);
    }
}
