//! What the doctor says to people.

use std::fmt::Write as _;

use crate::cli::hints::InUse;
use crate::cli::output::{self, Style, plain};
use crate::doctor::facts::Facts;
use crate::doctor::{Cause, Diagnosis, Findings, Likelihood};

/// Where the lines under a heading begin.
const INDENT: &str = "         ";

pub(super) fn text(facts: &Facts, findings: &Findings, style: Style, in_use: &InUse) -> String {
    let mut text = String::new();
    let verdict = if findings.is_ill() {
        "Something is wrong:".to_owned()
    } else if findings.unseen.is_empty() {
        style.good("All is well.")
    } else {
        style.good("Nothing wrong was found in what can be seen from here.")
    };
    let _ = writeln!(text, "{}{verdict}\n", whose(facts, style));
    for (number, diagnosis) in findings.diagnoses.iter().enumerate() {
        text.push_str(&one(number + 1, diagnosis, style, in_use));
    }
    list(&mut text, "Good to know:", &findings.notes);
    list(&mut text, "Not seen from here:", &findings.unseen);
    text
}

fn whose(facts: &Facts, style: Style) -> String {
    let name = facts
        .node
        .as_ref()
        .map(|node| format!("{}. ", plain(&node.name)));
    format!(
        "{}{}. ",
        style.bold(&name.unwrap_or_default()),
        facts.machine.clock
    )
}

fn one(number: usize, diagnosis: &Diagnosis, style: Style, in_use: &InUse) -> String {
    let sure = match diagnosis.likelihood {
        Likelihood::Certain => "",
        Likelihood::Likely => " (likely)",
        Likelihood::Possible => " (possibly)",
    };
    let message = format!("{}{sure}", diagnosis.message);
    let mut text = wrapped(&format!("{number}."), &message, |line| style.bold(line));
    for seen in &diagnosis.evidence {
        text.push_str(&wrapped("   seen:", seen, str::to_owned));
    }
    if !diagnosis.could_be.is_empty() {
        let could: Vec<&str> = diagnosis.could_be.iter().map(|c| words(*c)).collect();
        let could = format!("{}.", could.join("; or "));
        text.push_str(&wrapped("   or:", &could, str::to_owned));
    }
    let remedy = match is_done_here(diagnosis) {
        true => in_use.fill(&diagnosis.remedy),
        false => diagnosis.remedy.clone(),
    };
    text.push_str(&wrapped("   do:", &remedy, str::to_owned));
    text.push('\n');
    text
}

/// Whether what helps is a command at this machine, for the node that the doctor looked at.
fn is_done_here(diagnosis: &Diagnosis) -> bool {
    let of_the_node = matches!(
        diagnosis.cause,
        Cause::NotRunning | Cause::StoreInUse | Cause::StoreLocked
    );
    of_the_node && diagnosis.about.is_none()
}

fn wrapped(head: &str, words: &str, style: impl Fn(&str) -> String) -> String {
    let width = output::screen_width().saturating_sub(INDENT.len()).max(40);
    let lines = output::wrap(&plain(words), width);
    let mut text = String::new();
    for (number, line) in lines.iter().enumerate() {
        let head = if number == 0 { head } else { "" };
        let _ = writeln!(text, "{head:<9}{}", style(line));
    }
    text
}

fn list(text: &mut String, title: &str, lines: &[String]) {
    if lines.is_empty() {
        return;
    }
    let _ = writeln!(text, "{title}");
    for line in lines {
        text.push_str(&wrapped("  -", line, str::to_owned));
    }
}

/// What something could be, in a few words.
const fn words(cause: Cause) -> &'static str {
    match cause {
        Cause::NoNode => "there is no node",
        Cause::DirectoryRefused => "the directory cannot be used",
        Cause::SettingsUnreadable => "the settings cannot be read",
        Cause::OtherAccount => "the node belongs to another account",
        Cause::StoreLocked => "the store is locked",
        Cause::StoreInUse => "another program has the store open",
        Cause::PortTaken => "the port is taken",
        Cause::AddressNotHere => "the address is not this machine's",
        Cause::DiskNearlyFull => "the disk is nearly full",
        Cause::NotAnswering => "the node does not answer",
        Cause::NotRunning => "the node does not run",
        Cause::Revoked => "the machine was revoked",
        Cause::CertificateExpired => "a certificate has ended",
        Cause::CertificateEnding => "a certificate ends soon",
        Cause::ClockOff => "a clock is wrong",
        Cause::NoNetwork => "there is no network",
        Cause::DuplicateAddress => "two machines have one address",
        Cause::WrongInterface => "a VPN or a container bridge is in the way",
        Cause::RouterSilent => "the router does not answer",
        Cause::MdnsBlocked => "a firewall, switch or Wi-Fi drops mDNS",
        Cause::DiscoveryOff => "looking around is switched off there",
        Cause::PortBlocked => "a firewall drops the port",
        Cause::NotListening => "no node listens there",
        Cause::DifferentSubnets => "it is in another network",
        Cause::NoRoute => "there is no way there",
        Cause::ClientIsolation => "the Wi-Fi keeps its machines apart",
        Cause::MachineOff => "the machine is switched off",
        Cause::NotFound => "it has another address by now",
        Cause::OtherClinic => "it is of another clinic",
        Cause::OldMeshKey => "a mesh key is too old",
        Cause::OtherMachine => "another machine has its address",
        Cause::NetworkNotAllowed => "policy does not allow its network",
        Cause::NotANode => "it is no node",
        Cause::Refused => "it is refused",
        Cause::Connecting => "it is just being connected",
    }
}
