//! `node init`: a node on the machine where the authority is, usually the first.

use serde::Serialize;

use super::local::Local;
use super::unlock::UnlockArgs;
use super::{make_parents, refuse_unfit, settings, taken};
use crate::authority::Authority;
use crate::cli::admin::AdminKey;
use crate::cli::{Context, Failure, Outcome};
use crate::domain::cert::{Certificate, DeviceKind};
use crate::domain::enrol::{Arrival, Terms};
use crate::domain::name::Name;
use crate::node::join::{BecomeError, CutOff, Wish, finish, prepare, resume};
use crate::node::{DeviceKeys, Identity, Store, StoreOptions};
use crate::web::Socket;

/// Make this machine a node with the authority that is on it
///
/// For the clinic's first node. Others join with a code: see `device invite` and `node join`. Run again after
/// the power went, it goes on where it was cut off.
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

/// A store with a machine's keys, or with all that a node needs.
struct Place {
    store: Store,
    came: CutOff,
    /// Whether this command made it.
    made: MadeBy,
}

/// Whose a store is: what an earlier command left is kept, whatever becomes of this one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum MadeBy {
    This,
    AnEarlier,
}

impl Init {
    pub(super) fn run(&self, context: &Context) -> Outcome {
        let left = settings::cut_off(context.dir());
        if !left {
            refuse_unfit(context)?;
        }
        make_parents(context)?;
        let mut authority = self.key.open()?;
        let Place { store, came, made } = match left {
            true => self.resume(context)?,
            false => self.prepare(context)?,
        };
        let device = match came {
            CutOff::Finished(identity) => {
                self.check_own(context, &authority, &identity)?;
                identity.keys.device()
            }
            CutOff::Prepared(keys) => {
                let device = keys.device();
                if let Err(why) = self.certify(context, &mut authority, &keys) {
                    // Before anything is signed, so nobody misses it.
                    if made == MadeBy::This {
                        store.discard(context.dir());
                    }
                    return Err(why);
                }
                self.finish(context, &store, keys, &authority)
                    .map_err(|why| self.unfinished(&why))?;
                device
            }
        };
        // Last: without it the same command goes on where it was cut off.
        self.local.save(context)?;
        let made = Made {
            device: device.to_string(),
            clinic: authority.clinic_id().to_string(),
            name: self.name.to_string(),
            office: self.office.to_string(),
            directory: context.dir().to_owned(),
        };
        context.output.answer(&made, || made.text(context))
    }

    /// A fresh store. Made before anything is signed: a disk without room must not leave a device in the
    /// record that nobody has.
    fn prepare(&self, context: &Context) -> Result<Place, Failure> {
        let unlock = self.unlock.chosen()?;
        let keys = DeviceKeys::fresh();
        let store = prepare(context.dir(), &StoreOptions::PRODUCT, &unlock, &keys)?;
        Ok(Place {
            store,
            came: CutOff::Prepared(keys),
            made: MadeBy::This,
        })
    }

    /// The store that an earlier command left, cut off before its end.
    fn resume(&self, context: &Context) -> Result<Place, Failure> {
        let dir = context.dir();
        Socket::check_place(dir).map_err(Failure::refused)?;
        context.output.note(&format!(
            "note: the making of a node in {} was cut off; going on with it",
            dir.display()
        ));
        let unlock = self.unlock.existing()?;
        let (store, came) = resume(dir, &StoreOptions::PRODUCT, &unlock, DeviceKeys::fresh)?;
        Ok(Place {
            store,
            came,
            made: MadeBy::AnEarlier,
        })
    }

    /// Signs the machine's certificate, unless that was done before the cut.
    fn certify(&self, context: &Context, authority: &mut Authority, keys: &DeviceKeys) -> Outcome {
        if let Some(device) = authority.clinic().devices.get(&keys.device())
            && device.revocation.is_none()
        {
            return self.check_place(context, &device.certificate);
        }
        let now = context.clock.now();
        let wish = Wish {
            name: self.name.clone(),
            address: self.address.clone(),
        };
        let request = keys.request(Some(authority.clinic_id()), &wish, now);
        let terms = Terms {
            office: self.office.clone(),
            name: self.name.clone(),
            kind: DeviceKind::Node,
            invitation: None,
        };
        authority.approve(&request, Arrival::Offline, Some(terms), now)?;
        Ok(())
    }

    fn finish(
        &self,
        context: &Context,
        store: &Store,
        keys: DeviceKeys,
        authority: &Authority,
    ) -> Outcome {
        let now = context.clock.now();
        let answer = authority.answer(keys.device(), now)?;
        let enrolled = keys
            .accept(Some(authority.clinic_id()), &answer, now)
            .map_err(BecomeError::from)?;
        Ok(finish(store, &enrolled, now)?)
    }

    /// Whether the whole node that is there is the one that is asked for.
    fn check_own(&self, context: &Context, authority: &Authority, node: &Identity) -> Outcome {
        let certificate = node
            .certificate()
            .filter(|_| node.clinic == authority.clinic_id());
        match certificate {
            Some(certificate) => self.check_place(context, &certificate),
            None => Err(taken(context)),
        }
    }

    /// What is certified keeps its place in the clinic.
    fn check_place(&self, context: &Context, certificate: &Certificate) -> Outcome {
        let Certificate { name, office, .. } = certificate;
        if (name, office) == (&self.name, &self.office) {
            return Ok(());
        }
        Err(Failure::refused(format!(
            "{} is certified as {name} of office {office}",
            context.dir().display()
        ))
        .remedy(format!(
            "run this with --name \"{name}\" --office \"{office}\", or name another directory with --dir DIR"
        )))
    }

    fn unfinished(&self, why: &Failure) -> Failure {
        Failure::error(format!(
            "{} is certified, but its node could not be made: {why}",
            self.name
        ))
        .remedy("mend that, then run the same command again: it goes on where it stopped")
    }
}

/// How the node that was made is started, with what opens its store.
pub(in crate::cli) fn start(context: &Context) -> String {
    let here = context.in_use.in_dir(context.dir());
    here.fill("Start it:\n\n    clinic-mesh node run\n")
}

impl Made {
    pub(super) fn text(&self, context: &Context) -> String {
        format!(
            "{} of office {} is a node of the clinic, in {}. {}",
            context.output.style().bold(&self.name),
            self.office,
            self.directory.display(),
            start(context),
        )
    }
}
