//! `device replace`: another machine takes the place of one that is lost or broken.

use serde::Serialize;

use super::invite::{CodeArgs, Comparing, Place};
use super::revoke::{MeshKey, change_mesh_key, cut_off, key_left, knows_newest_key};
use super::{behind, fingerprint};
use crate::cli::admin::{AdminKey, Desk, check_named_itself, device};
use crate::cli::secret::YesFlag;
use crate::cli::{Context, Failure, Format, Outcome};

/// Put a new machine in the place of one that is lost or broken
///
/// Revokes the old machine and changes the mesh key, then invites the new one under the same name and
/// office, like `device invite`. `--yes` revokes without asking; the six digits on both screens are compared
/// all the same: where there is no terminal, those of the other screen are read from a line of standard
/// input once the new machine has come. Conversations come back by themselves from the other nodes that hold them;
/// what was on the old machine alone comes back from its backup or not at all. Whoever was at home in that
/// office only gets a new sign-in code: `staff code NAME`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Replace {
    /// Name or id of the old machine, which may be revoked already; its office will do, but not with --yes
    device: String,

    #[command(flatten)]
    code: CodeArgs,

    #[command(flatten)]
    key: AdminKey,

    #[command(flatten)]
    yes: YesFlag,
}

/// First line of output for programs: the old machine is out.
#[derive(Serialize)]
struct Out {
    event: &'static str,
    device: String,
    name: String,
}

impl Replace {
    pub(super) fn run(&self, context: &Context) -> Outcome {
        context.block_on(async {
            let mut desk = Desk::open(&self.key, context).await?;
            let place = self.clear(context, &mut desk).await?;
            place.invite(context, &mut desk).await
        })
    }

    /// Revokes the old machine, unless that was done before, and says what it leaves free.
    async fn clear(&self, context: &Context, desk: &mut Desk) -> Result<Place, Failure> {
        let (id, old) = device(desk.authority.clinic(), &self.device)?;
        let assumed = self.yes.assumed();
        check_named_itself(&self.device, (id, old), assumed, "device replace")?;
        let (certificate, revoked) = (old.certificate.clone(), old.revocation.is_some());
        // Where it was revoked before, a command that was interrupted may have left the key as it was.
        let mut mesh_key = MeshKey::Kept;
        let now = context.clock.now();
        if revoked && knows_newest_key(desk.authority.clinic(), &id, now) {
            mesh_key = MeshKey::outcome(change_mesh_key(context, desk).await);
        }
        if !revoked {
            if let Some(warning) = behind::warning(desk, Some(&id), now).await? {
                context.output.note(&context.typed(&warning));
            }
            self.yes.confirm(&format!(
                "Revoke {} of office {}, whose key begins {}, for good, and invite another machine in its place?",
                certificate.name,
                certificate.office,
                fingerprint(&id)
            ))?;
            mesh_key = cut_off(context, desk, id, false).await?;
        }
        if let Some(why) = mesh_key.why() {
            context.output.note(&context.typed(&key_left(&why)));
        }
        let out = Out {
            event: "revoked",
            device: id.to_string(),
            name: certificate.name.to_string(),
        };
        match context.output.format {
            Format::Json => context.output.json_line(&out)?,
            Format::Text => context.output.text(&format!(
                "{} is revoked. Now the new machine:\n",
                certificate.name
            ))?,
        }
        Ok(Place {
            office: certificate.office,
            name: certificate.name,
            kind: certificate.kind,
            code: self.code,
            comparing: Comparing::Asked,
        })
    }
}
