use super::*;
use crate::api::inventory::AssetBackupView;
use crate::api::moment::Moment;

fn moment(hours: u64) -> Moment {
    let noon = WallTime(1_795_262_400_000);
    noon.plus(std::time::Duration::from_secs(hours * 3600))
        .into()
}

fn device(office: &str, state: &str, people: &[&str]) -> AssetView {
    AssetView {
        id: "a1".repeat(32),
        name: format!("{office} pc"),
        office: office.to_owned(),
        kind: "node".to_owned(),
        capabilities: vec!["renew".to_owned()],
        state: state.to_owned(),
        key_since: Some(moment(0)),
        certified_until: moment(24 * 30),
        revoked: (state == "revoked").then(|| moment(20)),
        version: (state != "revoked").then(|| "0.1.0".to_owned()),
        version_since: (state == "away").then(|| moment(2)),
        outdated: state == "away",
        backup: (state == "away").then(|| AssetBackupView {
            last: Some(moment(1)),
            every_hours: None,
            failed: true,
        }),
        told: (state == "away").then(|| moment(3)),
        last_heard: (state == "away").then(|| moment(3)),
        address: (state == "connected").then(|| "192.168.1.7".to_owned()),
        people: people.iter().map(|name| (*name).to_owned()).collect(),
    }
}

fn view(devices: Vec<AssetView>) -> InventoryView {
    let person = |name: &str, suspended| AccessView {
        id: String::new(),
        name: name.to_owned(),
        roles: vec!["clinician".to_owned()],
        offices: vec!["Ward 2".to_owned()],
        suspended,
    };
    InventoryView {
        made_at: moment(26),
        clinic: String::new(),
        clinic_name: Some("Sample Clinic".to_owned()),
        made_by: "front".to_owned(),
        devices,
        people: vec![person("Ana", false), person("Ben", true)],
    }
}

#[test]
fn the_list_says_of_each_machine_and_person_what_an_auditor_asks_for() {
    let view = view(vec![
        device("Front desk", "this", &["Ana"]),
        device("Ward 2", "away", &[]),
        device("Lab", "connected", &[]),
    ]);
    let text = text(&view, Style::default(), moment(26).wall());
    for said in [
        "Front desk",
        "away",
        "1 days",
        // With its year: a certificate's end may be in another one.
        "2026-12-2",
        "192.168.1.7",
        "0.1.0 (older) since 2026-11-21",
        "last try failed",
        "a1a1a1a1",
        "clinician",
        "suspended",
    ] {
        assert!(text.contains(said), "{said} in:\n{text}");
    }
}

#[test]
fn the_map_shows_every_node_and_runs_nothing_whatever_names_say() {
    let evil = "<script>alert('x')</script>&\"\u{202e}";
    let mut hostile = device("Ward 2", "connected", &[evil]);
    hostile.name = evil.to_owned();
    hostile.office = evil.to_owned();
    let mut all = view(vec![
        device("Front desk", "this", &["Ana"]),
        hostile,
        device("Lab", "revoked", &[]),
    ]);
    all.clinic_name = Some(evil.to_owned());
    let picture = map::svg(&all);
    for refused in ["<script", "alert('", "\u{202e}", "href", "onload", "<style"] {
        assert!(!picture.contains(refused), "{refused} in {picture}");
    }
    for said in [
        "Front desk",
        "&lt;script&gt;",
        "Revoked",
        "Lab pc",
        "at 192.168.1.7",
    ] {
        assert!(picture.contains(said), "{said} in {picture}");
    }
    let open = picture.matches("<text").count();
    assert_eq!(open, picture.matches("</text>").count());
}

#[test]
fn the_map_says_which_machine_has_an_older_program_and_when_each_was_backed_up() {
    let mut never = device("Lab", "connected", &[]);
    never.backup = Some(AssetBackupView {
        last: None,
        every_hours: None,
        failed: false,
    });
    let picture = map::svg(&view(vec![
        device("Front desk", "this", &["Ana"]),
        device("Ward 2", "away", &[]),
        never,
    ]));
    for said in [
        ">program 0.1.0<",
        "program 0.1.0, older",
        "backed up 2026-11-21, then failed",
        "no backup is known",
    ] {
        assert!(picture.contains(said), "{said} in {picture}");
    }
}

#[test]
fn an_office_with_many_people_counts_those_who_do_not_fit() {
    let names: Vec<String> = (0..60)
        .map(|number| format!("Person {number:02}"))
        .collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let picture = map::svg(&view(vec![
        device("Front desk", "this", &[]),
        device("Ward 2", "connected", &names),
    ]));
    assert!(picture.contains("60 people may sign in"));
    assert!(picture.contains("and 45 more"), "{picture}");
}
