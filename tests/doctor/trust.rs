//! Troubles of trust: another clinic, a revoked machine, a mesh key or a certificate that is too old.

use std::path::PathBuf;

use serde_json::Value;

use crate::place::{FRONT, ILL, PORT, Place, Told};
use crate::processes::{Clinic, Say as _, eventually};

impl Place {
    /// A node of another clinic, told where the front desk is.
    pub(crate) fn other_clinic(&self) {
        let second = Clinic::found();
        let mut other = second.node("other");
        other.namespace = Some(self.namespace("home"));
        let bootstrap = format!("{FRONT}:{PORT}");
        let init = [
            "node",
            "init",
            "--office",
            "Other",
            "--name",
            "other",
            "--bootstrap",
            &bootstrap,
        ];
        second.on(&other, &init).said().done();
        other.start(&second);
        let told = Told::of(&second.on(&other, &["doctor", "--json"]).said());
        self.line(
            "the machine is of another clinic",
            "there",
            told.says_first("other-clinic"),
        );
        let told = self.ask("front", &[]);
        self.line(
            "the same",
            "the other side",
            told.says_first("other-clinic"),
        );
        let bundle = self.clinic.path("other.bundle");
        let bundle = bundle.to_str().expect("a plain path");
        second
            .on(&other, &["doctor", "--bundle", bundle])
            .said()
            .failed(ILL);
        let told = self.ask("front", &["--with", bundle]);
        let said = told.says_first("other-clinic");
        assert_eq!(said["likelihood"], "certain");
        self.line("the same", "both sides, `--with FILE`", said);
    }

    fn revoke(&self, name: &str, more: &[&str]) {
        let revoke = ["device", "revoke", name, "--yes", "--watch", "1", "--json"];
        let args = [&revoke[..], more].concat();
        self.clinic.on(&self.front, &args).said().done();
    }

    /// The ward's machine is revoked; it does not hear why unless it asks.
    pub(crate) fn revoked(&mut self) {
        self.revoke("ward", &["--keep-mesh-key"]);
        let told = self.ask_until("ward", "revoked");
        self.line(
            "the machine was revoked",
            "there",
            told.says_first("revoked"),
        );
        let told = self.ask("front", &[]);
        assert!(
            !told.diagnoses().iter().any(|one| one["cause"] == "revoked"),
            "as it should be: {:#}",
            told.report
        );
        self.ward.kill();
    }

    /// The lab is switched off while three machines are lost, each of which changes the mesh key.
    pub(crate) fn old_mesh_key(&mut self) {
        self.lab.stop();
        for name in ["one", "two", "three"] {
            let request = self.clinic.path(&format!("{name}.request"));
            let answer = self.clinic.path(&format!("{name}.answer"));
            let path = |path: &PathBuf| path.to_str().expect("a plain path").to_owned();
            let (request, answer) = (path(&request), path(&answer));
            let machine = self.clinic.node(name);
            let make = ["node", "request", "--out", &request];
            self.clinic.on(&machine, &make).said().done();
            let enrol = [
                "device", "enrol", &request, "--office", name, "--name", name, "--out", &answer,
                "--yes",
            ];
            self.clinic.on(&self.front, &enrol).said().done();
            self.revoke(name, &[]);
        }
        self.lab.start(&self.clinic);
        // Whether the lab has ever called the front desk itself, and so knows whose address that is,
        // decides which of two causes it names first.
        let old = Value::from("old-mesh-key");
        let names = |one: &&Value| {
            let could = one["could_be"].as_array();
            one["cause"] == old || could.is_some_and(|could| could.contains(&old))
        };
        let told = eventually("the lab is turned away", || {
            let told = self.ask("lab", &[]);
            let named = told.diagnoses().iter().any(|one| names(&one));
            named.then_some(told)
        });
        let said = told.diagnoses().iter().find(names).expect("just seen");
        self.line("the mesh key is too old", "there", said);
        let told = self.ask_until("front", "old-mesh-key");
        let said = told.names("old-mesh-key");
        self.line("the same", "the other side", said);
        let bundle = self.clinic.path("lab2.bundle");
        let bundle = bundle.to_str().expect("a plain path");
        self.ask("lab", &["--bundle", bundle]);
        let told = self.ask("front", &["--with", bundle]);
        let said = told.says_first("old-mesh-key");
        assert_eq!(said["likelihood"], "certain");
        self.line("the same", "both sides, `--with FILE`", said);
        self.lab.kill();
    }

    /// All were switched off for longer than a certificate lives.
    pub(crate) fn expired(&mut self) {
        self.front.stop();
        self.front.days_ahead = 27;
        self.front.start(&self.clinic);
        let told = self.ask("front", &[]);
        let said = told.names("certificate-ending");
        self.line(
            "nobody was connected when certificates should have been renewed",
            "one side",
            said,
        );
        self.front.stop();
        self.front.days_ahead = 31;
        self.front.start(&self.clinic);
        let told = self.ask("front", &[]);
        self.line(
            "the certificate has ended",
            "there",
            told.says_first("certificate-expired"),
        );
    }
}
