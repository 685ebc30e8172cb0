//! What a policy would change, in plain words, and the digest that agrees to it.

use serde::Serialize;

use super::places::{Place, Reach, places, reach};
use super::setting::SETTINGS;
use crate::api::client::Client;
use crate::cli::Failure;
use crate::domain::codec;
use crate::domain::id::Hash;
use crate::domain::policy::{Policy, Switch};

/// What signing a document would do.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(in crate::cli) struct Plan {
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
    /// Whom changed networks keep out; nothing where they stay.
    networks: Option<Reach>,
    /// Names this plan and no other; `policy apply` and `policy set` ask for it.
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

/// What a node knows that a plan is made with.
#[derive(Debug, Default)]
pub(in crate::cli) struct Known {
    /// Entries that it holds.
    pub(super) entries: u64,
    /// Where the clinic's nodes are.
    pub(super) places: Vec<Place>,
}

/// Asks the running node.
pub(in crate::cli) async fn known(client: &Client) -> Result<Known, Failure> {
    Ok(Known {
        entries: client.status().await?.entries,
        // A node that cannot tell just then keeps nobody from setting days: the plan says that none is known.
        places: places(client).await.unwrap_or_default(),
    })
}

/// The plan of replacing one policy by another, by what a node knows.
pub(super) fn plan(now: &Policy, then: &Policy, known: &Known) -> Plan {
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
        networks: changes
            .iter()
            .any(|change| change.setting == "networks")
            .then(|| reach(then, &known.places)),
        changes,
        entries_held: known.entries,
        // Each entry has carried its last day, signed, since it was written: no policy moves that.
        entries_destroyed: 0,
        digest: digest(now, then),
    }
}

/// The plan of a policy that an admin has proposed: the one that they were shown themselves, as long as the same
/// policy is in force.
pub(in crate::cli) fn of_proposed(now: &Policy, proposed: &Policy, known: &Known) -> Plan {
    let mut then = proposed.clone();
    // It was planned before it was signed, which counts the version on.
    then.version = now.version;
    plan(now, &then, known)
}

/// Names both policies; a plan that was made while another was in force agrees to nothing.
fn digest(now: &Policy, then: &Policy) -> String {
    let hash = Hash::of(
        "policy-plan/v1",
        &[&codec::encode(now), &codec::encode(then)],
    );
    hash.to_string()[..16].to_owned()
}

/// The setting that may leave an office to itself, which is said in the change's own words.
const READ_ONLY: &str = "stale_read_only_hours";

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
        READ_ONLY => (read_only(now, then), false),
        "opened_receipts" if then.opened_receipts == Switch::On => (
            "Whoever opens a message from now on leaves a mark of it that its writer sees.".to_owned(),
            false,
        ),
        "opened_receipts" => (
            "Whoever opens a message from now on leaves no mark of it that its writer sees.".to_owned(),
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
        "networks" if grows(now, then) => (
            "Nodes may connect from more networks than so far.".to_owned(),
            false,
        ),
        "networks" => (
            "Nodes at addresses outside these networks are cut off at once.".to_owned(),
            true,
        ),
        "two_admins" if then.two_admins.is_some() => (
            "Keeping anything shorter, and turning this off, takes a second admin.".to_owned(),
            false,
        ),
        "two_admins" => (
            "One admin alone may keep anything shorter, and turn this on again.".to_owned(),
            false,
        ),
        _ => ("It holds from the next act on.".to_owned(), false),
    }
}

/// Fewer hours may be over already at an office that is cut off.
fn read_only(now: &Policy, then: &Policy) -> String {
    let (from, to) = (
        now.staleness.read_only_hours,
        then.staleness.read_only_hours,
    );
    let at_once = if to < from {
        " An office that has been for longer stops taking it as soon as it hears of this."
    } else {
        ""
    };
    format!(
        "A node that was level with no other for {to} hours takes nothing more for people of other \
         offices; reading and conversations inside the office go on.{at_once}"
    )
}

/// Whether every network that is let in stays so.
fn grows(now: &Policy, then: &Policy) -> bool {
    let kept = |network| then.networks.contains(network);
    !now.networks.is_empty() && now.networks.iter().all(kept)
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
/// `agree` is the command that signs it, in words that a shell reads as they are meant; without it nothing is
/// said of how to agree, for whoever did.
pub(in crate::cli) fn text(plan: &Plan, agree: Option<&str>) -> String {
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
        if let Some(reach) = plan.networks.as_ref().filter(|_| *setting == "networks") {
            text.push_str(&format!("    {}\n", reach.text()));
        }
    }
    text.push_str(&format!(
        "\nOf {} entries that this node holds (messages of direct conversations and rooms, what belongs to \
         them,\naudit records, the clinic record), {} are destroyed by this: each keeps the last day that it \
         was signed with.\n",
        plan.entries_held, plan.entries_destroyed
    ));
    if !plan.destructive {
        let parted = plan.changes.iter().any(|one| one.setting == READ_ONLY);
        text.push_str(match parted {
            true => "Nothing is destroyed sooner.\n",
            false => "Nothing is destroyed sooner and nobody is cut off.\n",
        });
        return text;
    }
    text.push_str(&cost(plan));
    if let Some(command) = agree {
        let digest = &plan.digest;
        text.push_str(&format!(" To agree:\n\n    {command} --plan {digest}"));
    }
    text.push('\n');
    text
}

/// What is destroyed sooner, and who is cut off.
fn cost(plan: &Plan) -> String {
    let what = |setting| match setting {
        "direct_days" => "direct messages",
        "room_days" => "messages in rooms",
        "audit_days" => "audit records",
        other => other,
    };
    let costly = plan.changes.iter().filter(|change| change.destructive);
    let (networks, sooner): (Vec<&Change>, Vec<&Change>) =
        costly.partition(|change| change.setting == "networks");
    let sooner: Vec<_> = sooner.iter().map(|change| what(change.setting)).collect();
    let mut said = Vec::new();
    if !sooner.is_empty() {
        let sooner = sooner.join(" and ");
        said.push(format!("From now on {sooner} are destroyed sooner."));
    }
    if !networks.is_empty() {
        let outside = plan.networks.iter().flat_map(|reach| &reach.outside);
        let outside: Vec<_> = outside.map(|node| node.name.as_str()).collect();
        said.push(match outside.is_empty() {
            true => {
                "Whoever is outside the networks is cut off; no such node is known here.".to_owned()
            }
            false => format!("Cut off at once: {}.", outside.join(", ")),
        });
    }
    said.join(" ")
}

/// How it stands with whoever wants to sign a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Agreed {
    /// They gave the plan's digest: nothing is left to ask.
    ByDigest,
    /// Nothing is destroyed sooner: a plain yes is enough.
    Asking,
}

/// Whether what is destroyed was looked at by whoever signs.
pub(super) fn agreed(plan: &Plan, digest: Option<&str>) -> Result<Agreed, Failure> {
    if plan.changes.is_empty() {
        return Err(Failure::usage("that is the policy in force already"));
    }
    match digest {
        Some(digest) if digest == plan.digest => Ok(Agreed::ByDigest),
        None if !plan.destructive => Ok(Agreed::Asking),
        Some(_) => Err(Failure::refused("the digest is another plan's").remedy(
            "look at `clinic-mesh policy plan`, with the same file or settings, and give its digest",
        )),
        None => Err(Failure::refused(
            "this destroys something sooner than so far, or cuts somebody off",
        )
        .remedy(
            "look at `clinic-mesh policy plan`, with the same file or settings, and give its digest \
             with --plan",
        )),
    }
}

/// What is asked before a plan that destroys nothing is signed.
pub(super) fn question(plan: &Plan) -> String {
    let changes = plan.changes.iter();
    let changes =
        changes.map(|change| format!("{} from {} to {}", change.setting, change.from, change.to));
    let changes: Vec<String> = changes.collect();
    format!("Set {} for the whole clinic?", changes.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::failure::Exit;
    use crate::domain::policy::TwoAdmins;

    fn known() -> Known {
        Known {
            entries: 100,
            places: vec![Place {
                name: "front-desk".to_owned(),
                own: true,
                addresses: vec!["192.168.1.5".parse().expect("an address")],
            }],
        }
    }

    fn changed(change: impl FnOnce(&mut Policy)) -> Plan {
        let now = Policy::initial();
        let mut then = now.clone();
        change(&mut then);
        plan(&now, &then, &known())
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
            let agree = format!("policy apply new.toml --plan {}", shorter.digest);
            let shown = text(&shorter, Some("clinic-mesh policy apply new.toml"));
            assert!(shown.contains(&agree), "{shown}");
            let agreed = text(&shorter, None);
            assert!(!agreed.contains("To agree"), "{agreed}");
            let longer = changed(|policy| set(policy, before + 7));
            assert!(!longer.destructive, "{setting}");
            assert!(
                longer.changes[0].means.contains("7 days later"),
                "{longer:?}"
            );
        }
    }

    #[test]
    fn a_proposed_policy_has_the_plan_that_whoever_proposed_it_was_shown() {
        let now = Policy::initial();
        let mut then = now.clone();
        then.room_days = 7;
        let shown = plan(&now, &then, &known());
        then.version += 1;
        assert_eq!(of_proposed(&now, &then, &known()), shown);
    }

    #[test]
    fn networks_that_keep_somebody_out_are_destructive_and_none_are_not() {
        let some = |policy: &mut Policy| policy.networks = vec!["10.0.0.0/8".parse().expect("one")];
        assert!(changed(some).destructive);
        let mut now = Policy::initial();
        some(&mut now);
        assert!(!plan(&now, &Policy::initial(), &known()).destructive);
    }

    #[test]
    fn a_plan_for_networks_names_whom_they_keep_out_and_one_for_others_names_nobody() {
        let away = changed(|policy| policy.networks = vec!["10.9.0.0/16".parse().expect("one")]);
        let shown = text(&away, None);
        assert!(
            shown.contains("front-desk, this very node, at 192.168.1.5"),
            "{shown}"
        );
        assert!(shown.contains("Cut off at once: front-desk."), "{shown}");
        assert!(!shown.contains("destroyed sooner"), "{shown}");
        assert_eq!(changed(|policy| policy.room_days = 7).networks, None);
    }

    #[test]
    fn fewer_hours_without_another_node_may_part_an_office_at_once_and_that_is_said() {
        let hours = |hours: u16| changed(|policy| policy.staleness.read_only_hours = hours);
        let usual = Policy::initial().staleness.read_only_hours;
        let (fewer, more) = (hours(usual - 24), hours(usual + 24));
        for plan in [&fewer, &more] {
            assert!(!plan.destructive);
            assert!(!text(plan, None).contains("nobody is cut off"), "{plan:?}");
        }
        let at_once = "as soon as it hears of this";
        assert!(text(&fewer, None).contains(at_once), "{fewer:?}");
        assert!(!text(&more, None).contains(at_once), "{more:?}");
        let other = changed(|policy| policy.idle_logoff_minutes = 5);
        assert!(text(&other, None).contains("nobody is cut off"));
    }

    #[test]
    fn marks_of_opening_and_the_second_admin_have_words_of_their_own_both_ways() {
        let initial = Policy::initial();
        let mut other = initial.clone();
        other.opened_receipts = Switch::Off;
        other.two_admins = Some(TwoAdmins::ShorterRetention);
        let said = |now: &Policy, then: &Policy| {
            let words = |setting| effect(setting, now, then).0;
            (words("opened_receipts"), words("two_admins"))
        };
        let (off, on) = (said(&initial, &other), said(&other, &initial));
        assert!(off.0.contains("leaves no mark"), "{off:?}");
        assert!(on.0.contains("leaves a mark"), "{on:?}");
        assert!(off.1.contains("takes a second admin"), "{off:?}");
        assert!(on.1.contains("One admin alone"), "{on:?}");
    }

    #[test]
    fn networks_that_only_grow_cut_nobody_off() {
        let one = |policy: &mut Policy| policy.networks = vec!["10.0.0.0/8".parse().expect("one")];
        let (mut now, mut then) = (Policy::initial(), Policy::initial());
        one(&mut now);
        one(&mut then);
        then.networks.push("192.168.0.0/16".parse().expect("one"));
        assert!(!plan(&now, &then, &known()).destructive);
        assert!(plan(&then, &now, &known()).destructive);
    }

    #[test]
    fn what_destroys_needs_its_own_plans_digest_and_is_then_agreed_to() {
        let shorter = changed(|policy| policy.room_days = 7);
        let other = changed(|policy| policy.room_days = 8);
        let refused = agreed(&shorter, None).expect_err("no digest");
        assert_eq!(refused.exit, Exit::Refused);
        assert!(
            refused
                .remedy
                .is_some_and(|remedy| remedy.contains("--plan"))
        );
        assert!(agreed(&shorter, Some(&other.digest)).is_err());
        assert_eq!(
            agreed(&shorter, Some(&shorter.digest)),
            Ok(Agreed::ByDigest)
        );
    }

    #[test]
    fn what_destroys_nothing_is_asked_in_plain_words_and_takes_no_wrong_digest() {
        let longer = changed(|policy| policy.room_days = 90);
        assert_eq!(agreed(&longer, None), Ok(Agreed::Asking));
        assert!(agreed(&longer, Some("0000000000000000")).is_err());
        assert!(question(&longer).contains("room_days from 30 to 90"));
    }

    #[test]
    fn what_is_written_already_is_not_destroyed_and_the_plan_says_so_in_numbers() {
        let plan = changed(|policy| policy.room_days = 1);
        let text = text(&plan, None);
        for said in [
            "Of 100 entries",
            "0 are destroyed by this",
            "Messages in rooms that are written from now on",
            "From now on messages in rooms are destroyed sooner.",
        ] {
            assert!(text.contains(said), "{said} in {text}");
        }
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
            plan(&now, &then, &known()).digest,
            "another policy was in force"
        );
    }

    #[test]
    fn the_policy_in_force_is_no_change() {
        let nothing = changed(|_| {});
        assert!(nothing.changes.is_empty() && !nothing.destructive);
        let failed = agreed(&nothing, None).expect_err("nothing to sign");
        assert_eq!(failed.exit, Exit::Usage);
        assert!(text(&nothing, None).contains("in force already"));
    }
}
