//! `device inspect`: all that the record says of one machine.

use serde::Serialize;

use super::fingerprint;
use crate::api::clinic::author_name;
use crate::api::moment::Moment;
use crate::cli::admin::device;
use crate::cli::output::when_exactly;
use crate::cli::{Context, Failure, Outcome};
use crate::domain::cert::{Capability, DeviceKind};
use crate::domain::copy::RecordCopy;
use crate::domain::id::{ClinicId, DeviceId};
use crate::domain::record::{Clinic, Device};

/// Show a machine's certificate: keys, rights, dates, who signed it
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Inspect {
    /// Name, office or id
    device: String,
}

#[derive(Serialize)]
struct Answer {
    device: String,
    fingerprint: String,
    name: String,
    office: String,
    kind: &'static str,
    may: Vec<&'static str>,
    serial: String,
    noise_key: String,
    certified_from: Moment,
    certified_until: Moment,
    signed_by: String,
    address: Option<String>,
    revoked: Option<Moment>,
}

impl Inspect {
    pub(super) fn run(&self, context: &Context) -> Outcome {
        let client = context.client();
        let (clinic, view) = context.block_on(async {
            let view = client.clinic().await?;
            let id = ClinicId::from_hex(&view.id);
            let id = id.ok_or_else(|| Failure::error("the node names a clinic that cannot be"))?;
            let mut record = RecordCopy::new(id);
            record
                .merge(client.record().await?)
                .map_err(Failure::error)?;
            Ok::<_, Failure>((record.clinic(), view))
        })?;
        let (id, found) = device(&clinic, &self.device)?;
        let mut answer = answer(&clinic, id, found);
        // Other nodes have renewed it since an admin signed; the node knows until when.
        let known = view.devices.into_iter().find(|one| one.id == answer.device);
        if let Some(known) = known {
            answer.certified_until = known.certified_until;
        }
        context.output.answer(&answer, || text(&answer))
    }
}

fn answer(clinic: &Clinic, id: DeviceId, found: &Device) -> Answer {
    let certificate = &found.certificate;
    Answer {
        device: id.to_string(),
        fingerprint: fingerprint(&id),
        name: certificate.name.to_string(),
        office: certificate.office.to_string(),
        kind: match certificate.kind {
            DeviceKind::Node => "node",
            DeviceKind::Client => "client",
        },
        may: certificate.capabilities.iter().map(capability).collect(),
        serial: certificate.serial.to_string(),
        noise_key: certificate.noise_key.to_string(),
        certified_from: certificate.not_before.into(),
        certified_until: certificate.not_after.into(),
        signed_by: author_name(clinic, &found.signed.signer),
        address: found.address.clone(),
        revoked: found
            .revocation
            .as_ref()
            .map(|revocation| revocation.at.into()),
    }
}

const fn capability(capability: Capability) -> &'static str {
    match capability {
        Capability::Witness => "witness",
        Capability::Renew => "renew",
        Capability::Export => "export",
    }
}

fn text(answer: &Answer) -> String {
    let revoked = answer.revoked.as_ref().map_or_else(String::new, |at| {
        format!("Revoked:       {}\n", when_exactly(at.wall()))
    });
    let may = if answer.may.is_empty() {
        "nothing more".to_owned()
    } else {
        answer.may.join(", ")
    };
    format!(
        "Device:        {} ({} of office {})\n\
         Key begins:    {}\n\
         Id:            {}\n\
         Noise key:     {}\n\
         Certificate:   {}\n\
         Valid:         {} to {}\n\
         Signed by:     {}\n\
         May:           {may}\n\
         Address:       {}\n\
         {revoked}",
        answer.name,
        answer.kind,
        answer.office,
        answer.fingerprint,
        answer.device,
        answer.noise_key,
        answer.serial,
        when_exactly(answer.certified_from.wall()),
        when_exactly(answer.certified_until.wall()),
        answer.signed_by,
        answer.address.as_deref().unwrap_or("not known here"),
    )
}
