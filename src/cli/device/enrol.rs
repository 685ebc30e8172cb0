//! `device enrol`: the same by files, with no network between the two machines.

use std::path::PathBuf;

use serde::Serialize;

use super::{Kind, fingerprint};
use crate::api::moment::Moment;
use crate::authority::{Authority, AuthorityError};
use crate::cli::admin::{AdminKey, Desk};
use crate::cli::secret::YesFlag;
use crate::cli::{Context, Failure, Outcome};
use crate::domain::enrol::{Arrival, REQUEST_FILE, SignedRequest, Terms};
use crate::domain::log::Segment;
use crate::domain::name::Name;
use crate::platform::files;

/// Certify a machine from its request file, and write the answer file for it
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Enrol {
    /// The request that the machine wrote with `node request`
    #[arg(value_name = "REQUEST", value_hint = clap::ValueHint::FilePath)]
    request: PathBuf,

    /// Office that the machine stands in
    #[arg(long, value_name = "OFFICE")]
    office: Name,

    /// Name of the machine
    #[arg(long, value_name = "NAME")]
    name: Name,

    /// What it is to be
    #[arg(long, value_enum, default_value_t = Kind::Node)]
    kind: Kind,

    /// Write the answer to FILE
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    out: PathBuf,

    /// Do without a running node; the machine itself carries the statement to the others
    #[arg(long)]
    offline: bool,

    #[command(flatten)]
    key: AdminKey,

    #[command(flatten)]
    yes: YesFlag,
}

#[derive(Serialize)]
struct Answer {
    device: String,
    name: String,
    office: String,
    certified_until: Moment,
    answer: PathBuf,
}

impl Enrol {
    pub(super) fn run(&self, context: &Context) -> Outcome {
        let bytes =
            files::read_shared(&self.request, REQUEST_FILE.file_limit()).map_err(Failure::error)?;
        let request = SignedRequest::from_file(&bytes).map_err(AuthorityError::from)?;
        let answer = if self.offline {
            let (answer, _) = self.certify(context, &mut self.key.open()?, &request)?;
            answer
        } else {
            context.block_on(async {
                let mut desk = Desk::open(&self.key, context).await?;
                let (answer, segments) = self.certify(context, &mut desk.authority, &request)?;
                desk.give(&segments, &[]).await?;
                Ok(answer)
            })?
        };
        context.output.answer(&answer, || {
            format!(
                "{} of office {} is enrolled. Take {} to the machine and run there:\n\n    \
                 clinic-mesh node join --answer FILE\n\n\
                 Only that machine can open the file.\n",
                answer.name,
                answer.office,
                answer.answer.display()
            )
        })
    }

    fn certify(
        &self,
        context: &Context,
        authority: &mut Authority,
        request: &SignedRequest,
    ) -> Result<(Answer, Vec<Segment>), Failure> {
        let now = context.clock.now();
        let terms = Terms {
            office: self.office.clone(),
            name: self.name.clone(),
            kind: self.kind.into(),
            invitation: None,
        };
        let terms = Some(terms);
        let (asked, _) = authority.judge(request, Arrival::Offline, terms.clone(), now)?;
        context.output.note(&format!(
            "The request was made at {} for a key that begins {}.",
            asked.made_at,
            fingerprint(&asked.device)
        ));
        self.yes
            .confirm("Does the machine's screen show the same key?")?;
        let enrolled = authority.approve(request, Arrival::Offline, terms, now)?;
        let device = enrolled.certificate.device;
        let file = authority.answer_file(device)?;
        files::write_shared(&self.out, &file).map_err(Failure::error)?;
        let answer = Answer {
            device: device.to_string(),
            name: self.name.to_string(),
            office: self.office.to_string(),
            certified_until: enrolled.certificate.not_after.into(),
            answer: self.out.clone(),
        };
        let segments = std::iter::once(enrolled.segment).chain(enrolled.web);
        Ok((answer, segments.collect()))
    }
}
