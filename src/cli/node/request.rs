//! `node request`: asks to be enrolled by a file.

use std::path::PathBuf;

use serde::Serialize;

use super::local::Local;
use super::unlock::UnlockArgs;
use super::{make_parents, refuse_unfit};
use crate::cli::device::fingerprint;
use crate::cli::{Context, Failure, Outcome, pictures};
use crate::domain::name::Name;
use crate::node::join::{Wish, prepare};
use crate::node::{DeviceKeys, StoreOptions};
use crate::platform::files;

/// Write a request to be enrolled to a file, for a stick
///
/// The admin certifies it with `device enrol`; `node join --answer FILE` takes the answer.
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
        refuse_unfit(context)?;
        make_parents(context)?;
        let unlock = self.unlock.chosen()?;
        let keys = DeviceKeys::fresh();
        let wish = Wish {
            name: wished(self.name.as_ref())?,
            address: self.address.clone(),
        };
        let request = keys.request(None, &wish, context.clock.now());
        prepare(context.dir(), &StoreOptions::PRODUCT, &unlock, &keys)?;
        self.local.save(context)?;
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
         Then, with what comes back:\n\n    clinic-mesh --dir {} node join {way}\n",
        answer.key_begins,
        context.dir().display()
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
