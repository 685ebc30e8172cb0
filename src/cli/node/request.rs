//! `node request`: asks to be enrolled by a file.

use std::path::PathBuf;

use serde::Serialize;

use super::local::Local;
use super::unlock::UnlockArgs;
use super::{make_parents, refuse_unfit, settings, taken};
use crate::cli::device::fingerprint;
use crate::cli::{Context, Failure, Outcome, pictures};
use crate::domain::name::Name;
use crate::node::join::{BecomeError, Wish, pending, prepare};
use crate::node::{DeviceKeys, Store, StoreError, StoreOptions};
use crate::platform::files;

/// Write a request to be enrolled to a file, for a stick
///
/// The admin certifies it with `device enrol`; `node join --answer FILE` takes the answer. Run again in the same
/// directory before the answer has come, the same keys ask once more: where the file was lost, or is a week old.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("to").required(true).multiple(true))]
pub(in crate::cli) struct Request {
    /// Write the request to FILE
    #[arg(long, value_name = "FILE", group = "to", value_hint = clap::ValueHint::FilePath)]
    out: Option<PathBuf>,

    /// Show the request as QR codes, for `device enrol --scan` on the admin's machine
    #[arg(long, group = "to")]
    qr: bool,

    /// Name that this machine would like; the admin decides
    #[arg(long, value_name = "NAME")]
    name: Option<Name>,

    /// Where other sites reach this machine, for the clinic record
    #[arg(long, value_name = "HOST:PORT")]
    address: Option<String>,

    #[command(flatten)]
    unlock: UnlockArgs,

    #[command(flatten)]
    local: Local,
}

#[derive(Serialize)]
struct Answer {
    device: String,
    key_begins: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    request: Option<PathBuf>,
    /// What the pictures hold, where they were asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    parts: Vec<String>,
}

impl Request {
    pub(super) fn run(&self, context: &Context) -> Outcome {
        // Before anything is made: a path with a typing mistake is the commonest one.
        self.out.as_deref().map_or(Ok(()), files::check_new)?;
        let wish = Wish {
            name: wished(self.name.as_ref())?,
            address: self.address.clone(),
        };
        let keys = match asked_before(context) {
            true => self.keys_of_before(context)?,
            false => self.fresh_keys(context)?,
        };
        let request = keys.request(None, &wish, context.clock.now());
        let file = request.to_file();
        if let Some(out) = &self.out {
            files::write_shared(out, &file)?;
        }
        let device = keys.device();
        let answer = Answer {
            device: device.to_string(),
            key_begins: fingerprint(&device),
            request: self.out.clone(),
            parts: if self.qr {
                pictures::lines(&file)?
            } else {
                Vec::new()
            },
        };
        context.output.answer(&answer, || text(context, &answer))?;
        pictures::show(context, &answer.parts, "the admin's scanner")
    }
}

impl Request {
    fn fresh_keys(&self, context: &Context) -> Result<DeviceKeys, Failure> {
        refuse_unfit(context)?;
        make_parents(context)?;
        let unlock = self.unlock.chosen()?;
        let keys = DeviceKeys::fresh();
        prepare(context.dir(), &StoreOptions::PRODUCT, &unlock, &keys)?;
        self.local.save(context)?;
        Ok(keys)
    }

    /// The keys that asked here before and wait for their answer still.
    fn keys_of_before(&self, context: &Context) -> Result<DeviceKeys, Failure> {
        let unlock = self.unlock.existing()?;
        let store = match Store::open(context.dir(), &StoreOptions::PRODUCT, &unlock) {
            Err(StoreError::InUse { .. }) => return Err(taken(context)),
            opened => opened?,
        };
        let keys = match pending(&store) {
            Err(BecomeError::NothingPending) => return Err(taken(context)),
            kept => kept?,
        };
        context.output.note(
            "note: this directory has asked before; the same keys ask again, and its node.toml stays as it is",
        );
        Ok(keys)
    }
}

/// Whether a request was made in the directory, or more; its store says which once it is open.
fn asked_before(context: &Context) -> bool {
    Store::exists(context.dir()) && settings::are_kept(context.dir())
}

fn text(context: &Context, answer: &Answer) -> String {
    let (take, way) = match &answer.request {
        Some(file) => (
            format!("Take {} to the admin. It holds", file.display()),
            "--answer FILE",
        ),
        None => (
            "Let the admin scan what follows. It holds".to_owned(),
            "--scan",
        ),
    };
    format!(
        "{take} nothing secret. Read out to the admin that the key begins:\n\n    {}\n\n\
         Then, with what comes back:\n\n    {}\n",
        answer.key_begins,
        context
            .in_use
            .in_dir(context.dir())
            .fill(&format!("clinic-mesh node join {way}")),
    )
}

/// The name given, or this machine's own.
pub(super) fn wished(given: Option<&Name>) -> Result<Name, Failure> {
    if let Some(name) = given {
        return Ok(name.clone());
    }
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let name = host.and_then(|host| Name::new(host.trim()).ok());
    name.ok_or_else(|| {
        Failure::usage("this machine's own name cannot be used").remedy("give --name NAME")
    })
}
