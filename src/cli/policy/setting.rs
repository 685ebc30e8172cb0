//! The settings of the policy by name.

use crate::domain::policy::{Network, Policy, Switch, TwoAdmins};

/// What a switch may be.
const SWITCH: &str = "on or off";

/// One setting: how it is called, shown and read.
pub(super) struct Setting {
    /// Its name on the command line and in errors.
    pub(super) name: &'static str,
    /// What it is, in a few words.
    pub(super) about: &'static str,
    /// What it may be.
    pub(super) bounds: &'static str,
    /// Its value as text.
    pub(super) get: fn(&Policy) -> String,
    set: fn(&mut Policy, &str) -> Result<(), String>,
}

/// Every setting.
pub(super) const SETTINGS: [Setting; 10] = [
    Setting {
        name: "direct_days",
        about: "days that direct messages are kept",
        bounds: "1 to 3653",
        get: |policy| policy.direct_days.to_string(),
        set: |policy, text| number(text).map(|days| policy.direct_days = days),
    },
    Setting {
        name: "room_days",
        about: "days that messages in rooms are kept",
        bounds: "1 to 3653",
        get: |policy| policy.room_days.to_string(),
        set: |policy, text| number(text).map(|days| policy.room_days = days),
    },
    Setting {
        name: "audit_days",
        about: "days that audit records are kept",
        bounds: "365 to 3653",
        get: |policy| policy.audit_days.to_string(),
        set: |policy, text| number(text).map(|days| policy.audit_days = days),
    },
    Setting {
        name: "opened_receipts",
        about: "whether writers see who opened their messages",
        bounds: SWITCH,
        get: |policy| shown(policy.opened_receipts),
        set: |policy, text| switch(text).map(|switch| policy.opened_receipts = switch),
    },
    Setting {
        name: "printing",
        about: "whether the page in a browser prints what is on the screen",
        bounds: SWITCH,
        get: |policy| shown(policy.printing),
        set: |policy, text| switch(text).map(|switch| policy.printing = switch),
    },
    Setting {
        name: "idle_logoff_minutes",
        about: "minutes after which an idle login ends",
        bounds: "2 to 120",
        get: |policy| policy.idle_logoff_minutes.to_string(),
        set: |policy, text| number(text).map(|minutes| policy.idle_logoff_minutes = minutes),
    },
    Setting {
        name: "stale_warning_hours",
        about: "hours without another node after which a node says so on every screen",
        bounds: "1 to 1440",
        get: |policy| policy.staleness.warning_hours.to_string(),
        set: |policy, text| number(text).map(|hours| policy.staleness.warning_hours = hours),
    },
    Setting {
        name: "stale_read_only_hours",
        about: "hours without another node after which conversations across offices are read-only",
        bounds: "stale_warning_hours to 1440",
        get: |policy| policy.staleness.read_only_hours.to_string(),
        set: |policy, text| number(text).map(|hours| policy.staleness.read_only_hours = hours),
    },
    Setting {
        name: "networks",
        about: "networks that nodes may connect from, with commas between; any for all",
        bounds: "up to 32, such as 192.168.1.0/24",
        get: |policy| {
            let networks: Vec<_> = policy.networks.iter().map(ToString::to_string).collect();
            if networks.is_empty() {
                "any".to_owned()
            } else {
                networks.join(",")
            }
        },
        set: |policy, text| networks(text).map(|networks| policy.networks = networks),
    },
    Setting {
        name: "two_admins",
        about: "whether keeping messages or audit records shorter takes a second admin",
        bounds: SWITCH,
        get: |policy| match policy.two_admins {
            Some(TwoAdmins::ShorterRetention) => "on".to_owned(),
            None => "off".to_owned(),
        },
        set: |policy, text| {
            let wanted = switch(text)?;
            policy.two_admins = (wanted == Switch::On).then_some(TwoAdmins::ShorterRetention);
            Ok(())
        },
    },
];

/// Applies `NAME=VALUE`.
pub(super) fn apply(policy: &mut Policy, assignment: &str) -> Result<(), String> {
    let (name, value) = assignment
        .split_once('=')
        .ok_or_else(|| format!("{assignment:?} is no setting: write it as NAME=VALUE"))?;
    let setting = SETTINGS.iter().find(|setting| setting.name == name);
    let setting = setting.ok_or_else(|| {
        let names: Vec<_> = SETTINGS.iter().map(|setting| setting.name).collect();
        format!(
            "there is no setting {name:?}; there are {}",
            names.join(", ")
        )
    })?;
    (setting.set)(policy, value).map_err(|why| format!("{name}: {why}"))
}

/// What to do about a setting that is outside its bounds.
pub(super) fn remedy(name: &str) -> String {
    let setting = SETTINGS.iter().find(|setting| setting.name == name);
    setting.map_or_else(
        || "give another value".to_owned(),
        |Setting { about, bounds, .. }| format!("{name} ({about}) may be {bounds}"),
    )
}

impl Setting {
    /// Whether it is on or off.
    pub(super) fn is_switch(&self) -> bool {
        self.bounds == SWITCH
    }

    /// Whether it is a list.
    pub(super) fn is_list(&self) -> bool {
        self.name == "networks"
    }
}

fn number(text: &str) -> Result<u16, String> {
    text.parse()
        .map_err(|_| format!("{text:?} is not a whole number up to {}", u16::MAX))
}

fn shown(switch: Switch) -> String {
    match switch {
        Switch::On => "on".to_owned(),
        Switch::Off => "off".to_owned(),
    }
}

fn switch(text: &str) -> Result<Switch, String> {
    match text {
        "on" => Ok(Switch::On),
        "off" => Ok(Switch::Off),
        other => Err(format!("{other:?} is neither on nor off")),
    }
}

fn networks(text: &str) -> Result<Vec<Network>, String> {
    if text == "any" {
        return Ok(Vec::new());
    }
    text.split(',').map(str::parse).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(assignment: &str) -> Result<Policy, String> {
        let mut policy = Policy::initial();
        apply(&mut policy, assignment).map(|()| policy)
    }

    #[test]
    fn every_setting_is_read_as_it_is_shown() {
        let policy = Policy::initial();
        for setting in &SETTINGS {
            let shown = format!("{}={}", setting.name, (setting.get)(&policy));
            assert_eq!(set(&shown), Ok(policy.clone()), "{shown}");
        }
        let nets = set("networks=10.0.0.0/8,192.168.1.0/24").expect("two networks");
        assert_eq!(nets.networks.len(), 2);
    }

    #[test]
    fn a_mistake_names_the_setting_and_what_is_wrong() {
        assert!(set("room_day=3").is_err_and(|why| why.contains("room_days")));
        assert!(set("room_days=soon").is_err_and(|why| why.contains("whole number")));
        assert!(set("opened_receipts=maybe").is_err_and(|why| why.contains("neither")));
        assert!(set("room_days").is_err_and(|why| why.contains("NAME=VALUE")));
        assert!(set("networks=10.0.0.1").is_err_and(|why| why.contains("network")));
    }
}
