//! What a policy would change, in plain words, and the digest that agrees to it.

use serde::Serialize;

use super::setting::SETTINGS;
use crate::domain::codec;
use crate::domain::id::Hash;
use crate::domain::policy::{Policy, Switch};

/// What signing a document would do.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Plan {
    /// The version in force.
    from_version: u32,
    /// Every setting that changes.
    pub(super) changes: Vec<Change>,
    /// Whether something is destroyed sooner, or somebody is cut off, by it.
    pub(super) destructive: bool,
    /// Entries that this node holds.
    entries_held: u64,
    /// How many of them are destroyed by the change itself.
    entries_destroyed: u64,
    /// Names this plan and no other; `policy apply` asks for it.
    pub(super) digest: String,
}

/// One setting that changes.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Change {
    pub(super) setting: &'static str,
    pub(super) from: String,
    pub(super) to: String,
    /// What that does.
    pub(super) means: String,
    /// Whether something is destroyed sooner, or somebody is cut off, by it.
    pub(super) destructive: bool,
}

/// The plan of replacing one policy by another at a node that holds so many entries.
pub(super) fn plan(now: &Policy, then: &Policy, entries_held: u64) -> Plan {
    let differs = |setting: &&super::setting::Setting| (setting.get)(now) != (setting.get)(then);
    let changes: Vec<Change> = SETTINGS
        .iter()
        .filter(differs)
        .map(|setting| {
            let (means, destructive) = effect(setting.name, now, then);
            Change {
                setting: setting.name,
                from: (setting.get)(now),
                to: (setting.get)(then),
                means,
                destructive,
            }
        })
        .collect();
    Plan {
        from_version: now.version,
        destructive: changes.iter().any(|change| change.destructive),
        changes,
        entries_held,
        // Each entry has carried its last day, signed, since it was written: no policy moves that.
        entries_destroyed: 0,
        digest: digest(now, then),
    }
}

/// Names both policies; a plan that was made while another was in force agrees to nothing.
fn digest(now: &Policy, then: &Policy) -> String {
    let hash = Hash::of(
        "policy-plan/v1",
        &[&codec::encode(now), &codec::encode(then)],
    );
    hash.to_string()[..16].to_owned()
}

/// What the change of one setting does, and whether that destroys or cuts off.
fn effect(setting: &str, now: &Policy, then: &Policy) -> (String, bool) {
    match setting {
        "direct_days" => kept("Direct messages", now.direct_days, then.direct_days),
        "room_days" => kept("Messages in rooms", now.room_days, then.room_days),
        "audit_days" => kept("Audit records", now.audit_days, then.audit_days),
        "idle_logoff_minutes" => (
            format!(
                "Logins end after {} idle minutes, those that are open now as well.",
                then.idle_logoff_minutes
            ),
            false,
        ),
        "stale_warning_hours" => (
            format!(
                "A node that was level with no other for {} hours says so, from now on as well.",
                then.staleness.warning_hours
            ),
            false,
        ),
        "stale_read_only_hours" => (
            format!(
                "A node that was level with no other for {} hours takes nothing more for people of \
                 other offices; reading and conversations inside the office go on.",
                then.staleness.read_only_hours
            ),
            false,
        ),
        "printing" if then.printing == Switch::On => (
            "The page prints what is on the screen; paper is kept for as long as nobody destroys it.".to_owned(),
            false,
        ),
        "printing" => ("The page prints one sentence instead of what is on the screen.".to_owned(), false),
        "networks" if then.networks.is_empty() => {
            ("Nodes may connect from any address.".to_owned(), false)
        }
        "networks" => (
            "Nodes at addresses outside these networks are cut off at once.".to_owned(),
            true,
        ),
        "two_admins" if then.two_admins.is_some() => (
            "Keeping anything shorter, and turning this off, takes a second admin.".to_owned(),
            false,
        ),
        _ => ("It holds from the next act on.".to_owned(), false),
    }
}

fn kept(what: &str, from: u16, to: u16) -> (String, bool) {
    let sooner = to < from;
    let when = if sooner { "sooner" } else { "later" };
    let days = from.abs_diff(to);
    let text = format!(
        "{what} that are written from now on are destroyed after {to} days, {days} days {when} than \
         so far; those that are written already keep the day they were given."
    );
    (text, sooner)
}

/// The plan for people.
///
/// `file` is the document as it was named, in words that a shell reads as one.
pub(super) fn text(plan: &Plan, file: &str) -> String {
    if plan.changes.is_empty() {
        return format!(
            "That is policy version {}, in force already.\n",
            plan.from_version
        );
    }
    let mut text = String::new();
    for change in &plan.changes {
        let Change {
            setting,
            from,
            to,
            means,
            ..
        } = change;
        text.push_str(&format!("{setting}: {from} → {to}\n    {means}\n"));
    }
    text.push_str(&format!(
        "\nOf {} entries that this node holds, {} are destroyed by this.\n",
        plan.entries_held, plan.entries_destroyed
    ));
    if plan.destructive {
        text.push_str(&format!(
            "What comes later is destroyed sooner, or somebody is cut off. To agree:\n\n    \
             clinic-mesh policy apply {file} --plan {}\n",
            plan.digest
        ));
    } else {
        text.push_str("Nothing is destroyed sooner and nobody is cut off.\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(change: impl FnOnce(&mut Policy)) -> Plan {
        let now = Policy::initial();
        let mut then = now.clone();
        change(&mut then);
        plan(&now, &then, 100)
    }

    #[test]
    fn a_shorter_retention_is_destructive_and_a_longer_one_is_not() {
        type Set = fn(&mut Policy, u16);
        let settings: [(&str, Set); 3] = [
            ("direct_days", |policy, days| policy.direct_days = days),
            ("room_days", |policy, days| policy.room_days = days),
            ("audit_days", |policy, days| policy.audit_days = days),
        ];
        for (setting, set) in settings {
            let before = if setting == "audit_days" { 2192 } else { 30 };
            let shorter = changed(|policy| set(policy, before - 7));
            assert!(shorter.destructive, "{setting}");
            assert!(
                shorter.changes[0].means.contains("7 days sooner"),
                "{shorter:?}"
            );
            let agreed = format!("policy apply new.toml --plan {}", shorter.digest);
            assert!(text(&shorter, "new.toml").contains(&agreed));
            let longer = changed(|policy| set(policy, before + 7));
            assert!(!longer.destructive, "{setting}");
            assert!(
                longer.changes[0].means.contains("7 days later"),
                "{longer:?}"
            );
        }
    }

    #[test]
    fn networks_that_keep_somebody_out_are_destructive_and_none_are_not() {
        let some = |policy: &mut Policy| policy.networks = vec!["10.0.0.0/8".parse().expect("one")];
        assert!(changed(some).destructive);
        let mut now = Policy::initial();
        some(&mut now);
        assert!(!plan(&now, &Policy::initial(), 0).destructive);
    }

    #[test]
    fn what_is_written_already_is_not_destroyed_and_the_plan_says_so_in_numbers() {
        let plan = changed(|policy| policy.room_days = 1);
        assert!(
            text(&plan, "new.toml")
                .contains("Of 100 entries that this node holds, 0 are destroyed")
        );
    }

    #[test]
    fn a_digest_names_one_plan_and_no_other() {
        let one = changed(|policy| policy.room_days = 7);
        assert_eq!(one.digest, changed(|policy| policy.room_days = 7).digest);
        assert_ne!(one.digest, changed(|policy| policy.room_days = 8).digest);
        let (mut now, mut then) = (Policy::initial(), Policy::initial());
        now.version = 2;
        then.room_days = 7;
        assert_ne!(
            one.digest,
            plan(&now, &then, 100).digest,
            "another policy was in force"
        );
    }

    #[test]
    fn the_policy_in_force_is_no_change() {
        let nothing = changed(|_| {});
        assert!(nothing.changes.is_empty() && !nothing.destructive);
        assert!(text(&nothing, "new.toml").contains("in force already"));
    }
}
