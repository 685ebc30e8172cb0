use clap::{Command, CommandFactory as _};

use super::*;

/// Every command with the words that lead to it.
fn commands() -> Vec<(String, Command)> {
    fn collect(path: &str, command: &Command, found: &mut Vec<(String, Command)>) {
        found.push((path.to_owned(), command.clone()));
        for sub in command.get_subcommands() {
            collect(&format!("{path} {}", sub.get_name()), sub, found);
        }
    }
    let mut found = Vec::new();
    let mut root = Cli::command();
    root.build();
    collect("clinic-mesh", &root, &mut found);
    found
}

#[test]
fn the_commands_make_sense_to_the_parser() {
    Cli::command().debug_assert();
}

#[test]
fn every_command_and_every_argument_says_in_a_line_what_it_is_for() {
    for (path, command) in commands() {
        let about = command
            .get_about()
            .map(ToString::to_string)
            .unwrap_or_default();
        assert!(
            !about.is_empty() && !about.ends_with('.'),
            "{path}: {about:?}"
        );
        assert!(about.chars().count() <= 95, "{path}: {about:?}");
        for argument in command.get_arguments() {
            let help = argument
                .get_help()
                .map(ToString::to_string)
                .unwrap_or_default();
            assert!(!help.is_empty(), "{path}: {}", argument.get_id());
        }
    }
}

#[test]
fn no_secret_can_be_given_as_an_argument() {
    for (path, command) in commands() {
        for argument in command
            .get_arguments()
            .filter(|argument| takes_a_value(argument))
        {
            let name = argument.get_id().as_str();
            let secret = ["password", "passphrase", "secret"]
                .iter()
                .any(|word| name.contains(word));
            assert!(!secret || name.ends_with("_file"), "{path}: {name}");
        }
    }
}

fn takes_a_value(argument: &clap::Arg) -> bool {
    argument.get_action().takes_values()
}

/// Commands whose help is kept word for word: those that staff and auditors read.
const KEPT: [&str; 13] = [
    "login",
    "password",
    "conversations",
    "read",
    "send",
    "reply",
    "amend",
    "retract",
    "search",
    "watch",
    "acknowledge",
    "audit verify",
    "audit export",
];

#[test]
fn the_help_of_staff_commands_reads_as_it_did() {
    let mut help = String::new();
    for (path, command) in commands() {
        if KEPT
            .iter()
            .any(|kept| path == format!("clinic-mesh {kept}"))
        {
            let text = command.term_width(100).render_long_help().to_string();
            help.push_str(&format!("$ {path} --help\n\n{}\n\n", text.trim()));
        }
    }
    let kept = include_str!("tests/help.txt");
    assert_eq!(
        help, kept,
        "changed on purpose? Then change src/cli/tests/help.txt"
    );
}

#[test]
fn the_first_page_of_help_lists_the_exit_codes_and_fits_a_screen_in_width() {
    let help = Cli::command().term_width(100).render_help().to_string();
    assert!(help.contains(EXIT_CODES));
    assert!(
        help.lines().all(|line| line.chars().count() <= 100),
        "{help}"
    );
}

#[test]
fn what_is_typed_is_what_is_meant() {
    let parse = |line: &str| Cli::try_parse_from(line.split(' '));
    for good in [
        "clinic-mesh login Ana",
        "clinic-mesh login Ana --code --code-file c --password-file p",
        "clinic-mesh login Ana --code-file c",
        "clinic-mesh send rounds Bed 4 is free",
        "clinic-mesh send rounds - --as Ana",
        "clinic-mesh read rounds -n 5 --json",
        "clinic-mesh --dir /srv/node watch",
        "clinic-mesh watch rounds --dir /srv/node --quiet",
        "clinic-mesh audit list --since 3d --device ward-2",
        "clinic-mesh audit verify --file a --witness b --witness c",
    ] {
        assert!(
            parse(good).is_ok(),
            "{good}: {}",
            parse(good).expect_err("shown")
        );
    }
    for bad in [
        "clinic-mesh login",
        "clinic-mesh send rounds",
        "clinic-mesh read rounds -n 0",
        "clinic-mesh read rounds -n 501",
        "clinic-mesh audit list --since yesterday",
        "clinic-mesh audit verify --file a --device b",
    ] {
        assert_eq!(parse(bad).expect_err(bad).exit_code(), 2, "{bad}");
    }
}

#[test]
fn each_failure_has_the_exit_code_that_the_help_names() {
    let codes = [
        (Failure::error(""), 1),
        (Failure::usage(""), 2),
        (Failure::not_found(""), 3),
        (Failure::refused(""), 4),
        (Failure::unreachable(""), 5),
    ];
    for (failure, code) in codes {
        assert_eq!(failure.exit as u8, code);
        assert!(EXIT_CODES.contains(&format!("\n  {code}  ")));
    }
}
