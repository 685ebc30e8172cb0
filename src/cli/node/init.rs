//! `node init`: a node on the machine where the authority is, usually the first.

use serde::Serialize;

use super::local::Local;
use super::unlock::UnlockArgs;
use super::{make_parents, refuse_unfit};
use crate::authority::Authority;
use crate::cli::admin::AdminKey;
use crate::cli::{Context, Failure, Outcome};
use crate::domain::cert::DeviceKind;
use crate::domain::enrol::{Arrival, Terms};
use crate::domain::name::Name;
use crate::node::join::{BecomeError, Wish, finish, prepare};
use crate::node::{DeviceKeys, Store, StoreOptions};

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
        refuse_unfit(context)?;
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
        // Made before anything is signed: a disk without room must not leave a device in the record
        // that nobody has.
        let store = prepare(context.dir(), &StoreOptions::PRODUCT, &unlock, &keys)?;
        if let Err(error) = authority.approve(&request, Arrival::Offline, Some(terms), now) {
            store.discard(context.dir());
            return Err(error.into());
        }
        let finished = self
            .finish(context, &store, keys, &authority)
            .map_err(|why| self.unfinished(&why));
        if let Err(failure) = finished {
            store.discard(context.dir());
            return Err(failure);
        }
        let made = Made {
            device: device.to_string(),
            clinic: clinic.to_string(),
            name: self.name.to_string(),
            office: self.office.to_string(),
            directory: context.dir().to_owned(),
        };
        context.output.answer(&made, || made.text(context))
    }

    fn finish(
        &self,
        context: &Context,
        store: &Store,
        keys: DeviceKeys,
        authority: &Authority,
    ) -> Outcome {
        let now = context.clock.now();
        let answer = authority.answer(keys.device())?;
        let enrolled = keys
            .accept(Some(authority.clinic_id()), &answer, now)
            .map_err(BecomeError::from)?;
        finish(store, &enrolled, now)?;
        self.local.save(context)
    }

    fn unfinished(&self, why: &Failure) -> Failure {
        Failure::error(format!(
            "{} is certified, but its node could not be made: {why}",
            self.name
        ))
        .remedy(format!(
            "mend that, run `clinic-mesh device revoke {}`, and begin again",
            self.name
        ))
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
