//! Troubles of one machine: its clock, its node, its key, its port, its settings and its disk.

use std::os::unix::fs::PermissionsExt as _;

use crate::place::{PORT, Place, Told};
use crate::processes::{Clinic, Say as _};

impl Place {
    /// The lab's clock is a day ahead, and then 40.
    pub(crate) fn clock(&mut self) {
        self.lab.stop();
        self.lab.days_ahead = 1;
        self.lab.start(&self.clinic);
        self.connected();
        let told = self.ask_until("lab", "clock-off");
        self.line(
            "the clock is a day ahead, connected",
            "there",
            told.says_first("clock-off"),
        );
        let told = self.ask_until("front", "clock-off");
        self.line("the same", "the other side", told.names("clock-off"));
        self.lab.stop();
        self.lab.days_ahead = 40;
        self.lab.start(&self.clinic);
        let told = self.ask_until("lab", "clock-off");
        self.line(
            "the clock is 40 days ahead, nobody connects",
            "there",
            told.says_first("clock-off"),
        );
        self.lab.stop();
        self.lab.days_ahead = 0;
    }

    /// What keeps a node from running, or from taking messages.
    pub(crate) fn machine_itself(&mut self) {
        let told = self.ask("lab", &[]);
        self.line(
            "the node was stopped",
            "there",
            told.says_first("not-running"),
        );

        let (key, away) = (self.clinic.path("lab.key"), self.clinic.path("lab.away"));
        std::fs::rename(&key, &away).expect("there");
        let told = self.ask("lab", &[]);
        self.line(
            "the key file is gone",
            "there",
            told.says_first("store-locked"),
        );
        std::fs::rename(&away, &key).expect("there");

        let lock = std::fs::File::open(self.lab.dir().join("lock")).expect("a node was here");
        let hold = rustix::fs::FlockOperation::LockExclusive;
        rustix::fs::flock(&lock, hold).expect("nobody else has it");
        let told = self.ask("lab", &[]);
        self.line(
            "another program has the store open",
            "there",
            told.says_first("store-in-use"),
        );
        drop(lock);

        let second = Clinic::found();
        let mut thief = second.node("thief");
        thief.namespace = Some(self.namespace("lab"));
        let init = ["node", "init", "--office", "Other", "--name", "thief"];
        second.on(&thief, &init).said().done();
        thief.start(&second);
        let told = self.ask("lab", &[]);
        let said = told.says_first("port-taken");
        assert!(
            said["message"]
                .as_str()
                .expect("a text")
                .contains("clinic-mesh")
        );
        self.line("another program has the port", "there", said);
        drop(thief);

        self.lab_settings("lisen = []\n");
        let told = self.ask("lab", &[]);
        self.line(
            "a typing mistake in node.toml",
            "there",
            told.says_first("settings-unreadable"),
        );
        self.lab_settings(&format!("listen = [\"10.71.9.9:{PORT}\"]\n"));
        let told = self.ask("lab", &[]);
        self.line(
            "node.toml names an old address",
            "there",
            told.says_first("address-not-here"),
        );
        self.lab_settings("");

        self.lab.start(&self.clinic);
        self.connected();
        let filler = self.disk.0.join("other-files");
        let file = std::fs::File::create(&filler).expect("room");
        let free = rustix::fs::statvfs(&self.disk.0).expect("mounted");
        let free = free.f_bavail * free.f_frsize;
        let take = free - (30 << 20);
        rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, take).expect("room");
        let told = self.ask("lab", &[]);
        self.line(
            "the disk is nearly full",
            "there",
            told.says_first("disk-nearly-full"),
        );
        drop(file);
        std::fs::remove_file(filler).expect("there");
        self.ask("lab", &[]).is_well();
    }

    /// There is no node, or its directory is open to everyone.
    pub(crate) fn no_node(&mut self) {
        let mut nobody = self.clinic.node("nobody");
        nobody.namespace = Some(self.namespace("lab"));
        let doctor = ["doctor", "--json"];
        let told = Told::of(&self.clinic.on(&nobody, &doctor).said());
        let said = told.says_first("no-node");
        self.line("a directory without a node", "there", said);
        let mode = |mode| std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(self.lab.dir(), mode(0o755)).expect("ours");
        let told = self.ask("lab", &[]);
        let said = told.says_first("directory-refused");
        self.line("others may enter the node's directory", "there", said);
        std::fs::set_permissions(self.lab.dir(), mode(0o700)).expect("ours");
    }
}
