//! What is the matter with this machine, whoever else there may be.

use super::facts::{Disk, Facts, Key, Machine, Place, Port, PortState, Service};
use super::{Cause, Diagnosis, Findings, Likelihood};

pub(super) fn judge(facts: &Facts, findings: &mut Findings) {
    let machine = &facts.machine;
    directory(machine, findings);
    if machine.place != Place::Fine {
        return;
    }
    service(machine, findings);
    if !matches!(machine.service, Service::Answers | Service::Locked) {
        key(machine, findings);
        for port in &machine.ports {
            ports(port, findings);
        }
    }
    if let Some(disk) = machine.disk {
        disk_room(disk, findings);
    }
}

fn directory(machine: &Machine, findings: &mut Findings) {
    match &machine.place {
        Place::Fine => {}
        Place::Empty => findings.found(
            Diagnosis::new(
                Cause::NoNode,
                Likelihood::Certain,
                "There is no node in this directory.",
            )
            .remedy(
                "Name the node's directory with --dir DIR; or let this machine join the clinic with \
                 `clinic-mesh node join CODE`.",
            ),
        ),
        Place::Refused(why) => findings.found(
            Diagnosis::new(
                Cause::DirectoryRefused,
                Likelihood::Certain,
                "The node's directory cannot be used.",
            )
            .seen(why.clone())
            .remedy(
                "Run the doctor as the account that the node runs under, or with sudo; if others can \
                 enter the directory, close it with `chmod 700`.",
            ),
        ),
    }
    if let Some(why) = &machine.settings_error {
        findings.found(
            Diagnosis::new(
                Cause::SettingsUnreadable,
                Likelihood::Certain,
                "The settings of this machine, node.toml, cannot be read, so the node does not start.",
            )
            .seen(why.clone())
            .remedy("Correct the line, or compare it with the settings in docs/operations.md."),
        );
    }
}

fn service(machine: &Machine, findings: &mut Findings) {
    match &machine.service {
        Service::Answers => {}
        Service::OtherAccount => findings.found(
            Diagnosis::new(
                Cause::OtherAccount,
                Likelihood::Certain,
                "The node belongs to another account of this machine, so it could not be asked.",
            )
            .remedy("Run the doctor as that account, or with sudo."),
        ),
        Service::Locked => findings.found(
            Diagnosis::new(
                Cause::StoreLocked,
                Likelihood::Certain,
                "The node runs, and its store is locked since it was started.",
            )
            .seen("the node itself says so")
            .remedy(
                "A staff member unlocks it by signing in at this office; or start it with its key file \
                 or passphrase.",
            ),
        ),
        Service::Silent => findings.found(
            Diagnosis::new(
                Cause::NotAnswering,
                Likelihood::Certain,
                "The node is there and does not answer.",
            )
            .remedy("Look at what it logged last, and restart it."),
        ),
        Service::InUse { by } => findings.found(
            Diagnosis::new(
                Cause::StoreInUse,
                Likelihood::Certain,
                "The node's store is locked: another program has it open.",
            )
            .seen(format!("the lock is held by {by}"))
            .remedy(
                "Wait until that program is done, or stop it; then start the node with \
                 `clinic-mesh node run`.",
            ),
        ),
        Service::Stopped => findings.found(
            Diagnosis::new(
                Cause::NotRunning,
                Likelihood::Certain,
                "The node of this machine does not run, so no message leaves or reaches it.",
            )
            .seen("nobody answers in the node's directory, and nobody has its store open")
            .remedy(
                "Start it with `clinic-mesh node run`, or as a service; if something else stands \
                 above, that first.",
            ),
        ),
    }
}

fn key(machine: &Machine, findings: &mut Findings) {
    let locked =
        |message: &str, likelihood| Diagnosis::new(Cause::StoreLocked, likelihood, message);
    match &machine.key {
        Key::Unasked | Key::Fits => {}
        Key::Refused(why) => findings.found(
            locked(
                "The node's store is locked: the key that is at hand does not open it.",
                Likelihood::Certain,
            )
            .seen(why.clone())
            .remedy(
                "Put the key file back that the node was made with, or start the node with its \
                 passphrase.",
            ),
        ),
        Key::NotGiven => findings.found(
            locked(
                "The node's store is locked, and no key was given with which to look.",
                Likelihood::Possible,
            )
            .seen("neither --key-file, nor --passphrase-file, nor a credential of the system")
            .or(&[Cause::NotRunning])
            .remedy(
                "A node that is opened by a passphrase waits for a person after each start: type it \
                 at `clinic-mesh node run`. If there is a key file, run the doctor with --key-file.",
            ),
        ),
    }
}

fn ports(port: &Port, findings: &mut Findings) {
    let Port { address, state } = port;
    match state {
        PortState::Free => {}
        PortState::Taken(by) => {
            let by = by.as_ref();
            let by = by.map_or_else(
                || "another program".to_owned(),
                |name| format!("\"{name}\""),
            );
            findings.found(
                Diagnosis::new(
                    Cause::PortTaken,
                    Likelihood::Certain,
                    format!(
                        "Port {} is taken by {by}, so the node cannot start.",
                        address.port()
                    ),
                )
                .seen(format!("listening on {address} was refused: it is in use"))
                .remedy(
                    "Stop that program, or give the node another port in node.toml (`listen`) and \
                     the others its new address.",
                ),
            );
        }
        PortState::NotHere => findings.found(
            Diagnosis::new(
                Cause::AddressNotHere,
                Likelihood::Certain,
                format!(
                    "The node is to listen on {}, which is no address of this machine (any more).",
                    address.ip()
                ),
            )
            .seen(format!("listening on {address} was refused"))
            .remedy(
                "Set `listen` in node.toml to 0.0.0.0 and the port, or give the machine its fixed \
                 address back.",
            ),
        ),
        PortState::Denied => findings.found(
            Diagnosis::new(
                Cause::PortTaken,
                Likelihood::Likely,
                format!("This account may not listen on port {}.", address.port()),
            )
            .remedy("Choose a port above 1023 in node.toml, or look with sudo."),
        ),
    }
}

fn disk_room(disk: Disk, findings: &mut Findings) {
    if disk.free >= disk.needed {
        return;
    }
    let mib = |bytes: u64| bytes >> 20;
    findings.found(
        Diagnosis::new(
            Cause::DiskNearlyFull,
            Likelihood::Certain,
            "The disk is nearly full: this node takes no new messages.",
        )
        .seen(format!(
            "{} MiB are free where {} MiB are needed",
            mib(disk.free),
            mib(disk.needed)
        ))
        .remedy(
            "Delete what is not needed on this disk, or make it larger; the node goes on by itself \
             within seconds.",
        ),
    );
}
