//! `node init`: a node on the machine where the authority is, usually the first.

use serde::Serialize;

use super::local::Local;
use super::unlock::UnlockArgs;
use super::{make_parents, refuse_taken};
use crate::cli::admin::AdminKey;
use crate::cli::{Context, Outcome};
use crate::domain::cert::DeviceKind;
use crate::domain::enrol::{Arrival, Terms};
use crate::domain::name::Name;
use crate::node::join::Wish;
use crate::node::{DeviceKeys, StoreOptions};

/// Make this machine a node with the authority that is on it
///
/// For the clinic's first node. Others join with a code: see `device invite` and `node join`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Init {
    /// Office that this machine stands in
    #[arg(long, value_name = "OFFICE")]
    office: Name,

    /// Name of this machine
    #[arg(long, value_name = "NAME")]
    name: Name,

    /// Where other sites reach this machine, for the clinic record
    #[arg(long, value_name = "HOST:PORT")]
    address: Option<String>,

    #[command(flatten)]
    key: AdminKey,

    #[command(flatten)]
    unlock: UnlockArgs,

    #[command(flatten)]
    local: Local,
}

#[derive(Serialize)]
pub(super) struct Made {
    pub(super) device: String,
    pub(super) clinic: String,
    pub(super) name: String,
    pub(super) office: String,
    pub(super) directory: std::path::PathBuf,
}

impl Init {
    pub(super) fn run(&self, context: &Context) -> Outcome {
        refuse_taken(context)?;
        make_parents(context)?;
        let mut authority = self.key.open()?;
        let unlock = self.unlock.chosen()?;
        let now = context.clock.now();
        let keys = DeviceKeys::fresh();
        let wish = Wish {
            name: self.name.clone(),
            address: self.address.clone(),
        };
        let clinic = authority.clinic_id();
        let request = keys.request(Some(clinic), &wish, now);
        let terms = Terms {
            office: self.office.clone(),
            name: self.name.clone(),
            kind: DeviceKind::Node,
            invitation: None,
        };
        let device = keys.device();
        authority.approve(&request, Arrival::Offline, Some(terms), now)?;
        let answer = authority.answer(device)?;
        let enrolled = keys
            .accept(Some(clinic), &answer, now)
            .map_err(crate::node::join::BecomeError::from)?;
        crate::node::create(
            context.dir(),
            &StoreOptions::PRODUCT,
            &unlock,
            &enrolled,
            now,
        )?;
        self.local.save(context)?;
        let made = Made {
            device: device.to_string(),
            clinic: clinic.to_string(),
            name: self.name.to_string(),
            office: self.office.to_string(),
            directory: context.dir().to_owned(),
        };
        context.output.answer(&made, || made.text(context))
    }
}

impl Made {
    pub(super) fn text(&self, context: &Context) -> String {
        format!(
            "{} of office {} is a node of the clinic, in {}. Start it:\n\n    \
             clinic-mesh --dir {} node run\n",
            context.output.style().bold(&self.name),
            self.office,
            self.directory.display(),
            self.directory.display(),
        )
    }
}
