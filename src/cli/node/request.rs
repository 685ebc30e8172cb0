//! `node request`: asks to be enrolled by a file.

use std::path::PathBuf;

use serde::Serialize;

use super::local::Local;
use super::unlock::UnlockArgs;
use super::{make_parents, refuse_taken};
use crate::cli::device::fingerprint;
use crate::cli::{Context, Failure, Outcome};
use crate::domain::name::Name;
use crate::node::join::{Wish, prepare};
use crate::node::{DeviceKeys, StoreOptions};
use crate::platform::files;

/// Write a request to be enrolled to a file, for a stick
///
/// The admin certifies it with `device enrol`; `node join --answer FILE` takes the answer.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Request {
    /// Write the request to FILE
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    out: PathBuf,

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
    request: PathBuf,
}

impl Request {
    pub(super) fn run(&self, context: &Context) -> Outcome {
        refuse_taken(context)?;
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
        files::write_shared(&self.out, &request.to_file()).map_err(Failure::error)?;
        let device = keys.device();
        let answer = Answer {
            device: device.to_string(),
            key_begins: fingerprint(&device),
            request: self.out.clone(),
        };
        context.output.answer(&answer, || {
            format!(
                "Take {} to the admin. It holds nothing secret. Read out to the admin that the key \
                 begins:\n\n    {}\n\n\
                 Then, with the file that comes back:\n\n    \
                 clinic-mesh --dir {} node join --answer FILE\n",
                answer.request.display(),
                answer.key_begins,
                context.dir().display()
            )
        })
    }
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
