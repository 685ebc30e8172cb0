//! `device enrol`: the same by files, with no network between the two machines.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::{Kind, fingerprint};
use crate::api::moment::Moment;
use crate::authority::{Authority, AuthorityError};
use crate::cli::admin::{AdminKey, Desk, check_free, hold_again};
use crate::cli::secret::YesFlag;
use crate::cli::{Context, Failure, Outcome, pictures};
use crate::domain::enrol::{Arrival, REQUEST_FILE, SignedRequest, Terms};
use crate::domain::log::Segment;
use crate::domain::name::Name;
use crate::platform::files;

/// Certify a machine from its request file, and write the answer file for it
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("from").required(true))]
#[command(group = clap::ArgGroup::new("to").required(true).multiple(true))]
pub(in crate::cli) struct Enrol {
    /// The request that the machine wrote with `node request`
    #[arg(value_name = "REQUEST", group = "from", value_hint = clap::ValueHint::FilePath)]
    request: Option<PathBuf>,

    /// Take the request from a scanner, as the machine's screen shows it with `node request --qr`
    #[arg(long, group = "from")]
    scan: bool,

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
    #[arg(long, value_name = "FILE", group = "to", value_hint = clap::ValueHint::FilePath)]
    out: Option<PathBuf>,

    /// Show the answer as QR codes, for `node join --scan` on the machine
    #[arg(long, group = "to")]
    qr: bool,

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
    #[serde(skip_serializing_if = "Option::is_none")]
    answer: Option<PathBuf>,
    /// What the pictures hold, where they were asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    parts: Vec<String>,
}

impl Enrol {
    pub(super) fn run(&self, context: &Context) -> Outcome {
        let bytes = match &self.request {
            Some(path) => read(path)?,
            None => pictures::scan(context, REQUEST_FILE.file_limit())?,
        };
        let request = SignedRequest::from_file(&bytes).map_err(AuthorityError::from)?;
        let answer = match self.offline {
            true => context.block_on(self.by_hand(context, &request))?,
            false => context.block_on(self.at_the_node(context, &request))?,
        };
        context.output.answer(&answer, || text(&answer))?;
        pictures::show(context, &answer.parts, "the scanner of the new machine")
    }

    /// With a running node, which has the statement when this returns.
    async fn at_the_node(
        &self,
        context: &Context,
        request: &SignedRequest,
    ) -> Result<Answer, Failure> {
        let mut desk = Desk::open(&self.key, context).await?;
        let key = self.look(context, &desk.authority, request)?;
        // Whoever walks to the machine keeps nobody from revoking another.
        desk.let_go();
        self.compare(context, &key)?;
        desk.take_up(context).await?;
        desk.plan_mesh_keys(context).await;
        let (answer, segments) = self.certify(context, &mut desk.authority, request)?;
        desk.give(&segments, &[]).await?;
        Ok(answer)
    }

    /// Without one.
    async fn by_hand(&self, context: &Context, request: &SignedRequest) -> Result<Answer, Failure> {
        let mut authority = self.key.open()?;
        let key = self.look(context, &authority, request)?;
        authority.let_go();
        self.compare(context, &key)?;
        hold_again(&mut authority, context).await?;
        let (answer, _) = self.certify(context, &mut authority, request)?;
        Ok(answer)
    }

    /// What the machine is to become.
    fn terms(&self) -> Terms {
        Terms {
            office: self.office.clone(),
            name: self.name.clone(),
            kind: self.kind.into(),
            invitation: None,
        }
    }

    /// Judges the request and the place for the answer, before anybody is asked; says what there is to compare.
    fn look(
        &self,
        context: &Context,
        authority: &Authority,
        request: &SignedRequest,
    ) -> Result<String, Failure> {
        let now = context.clock.now();
        let terms = self.terms();
        let said = match authority.answered_before(request, &terms, now)? {
            Some(known) => format!(
                "The machine has this place already; its answer is written once more. Its key begins {}.",
                fingerprint(&known.device)
            ),
            None => {
                check_free(authority.clinic(), &self.name)?;
                let judged = authority.judge(request, Arrival::Offline, Some(terms), now);
                let (asked, _) = judged?;
                format!(
                    "The request was made at {} for a key that begins {}.",
                    asked.made_at,
                    fingerprint(&asked.device)
                )
            }
        };
        // What is signed and cannot be written down helps nobody.
        self.out.as_deref().map_or(Ok(()), files::check_new)?;
        Ok(said)
    }

    fn compare(&self, context: &Context, key: &str) -> Outcome {
        context.output.note(key);
        self.yes
            .confirm("Does the machine's screen show the same key?")
    }

    /// Signs; the request is judged again, for the record may have grown meanwhile.
    fn certify(
        &self,
        context: &Context,
        authority: &mut Authority,
        request: &SignedRequest,
    ) -> Result<(Answer, Vec<Segment>), Failure> {
        let now = context.clock.now();
        let terms = self.terms();
        let (certificate, segments) = match authority.answered_before(request, &terms, now)? {
            Some(known) => (known, Vec::new()),
            None => {
                let enrolled = authority.approve(request, Arrival::Offline, Some(terms), now)?;
                let signed = std::iter::once(enrolled.segment).chain(enrolled.web);
                (enrolled.certificate, signed.collect())
            }
        };
        let device = certificate.device;
        let file = authority.answer_file(device, context.clock.now())?;
        if let Some(out) = &self.out {
            files::write_shared(out, &file)?;
        }
        let answer = Answer {
            device: device.to_string(),
            name: self.name.to_string(),
            office: self.office.to_string(),
            certified_until: certificate.not_after.into(),
            answer: self.out.clone(),
            parts: if self.qr {
                pictures::lines(&file)?
            } else {
                Vec::new()
            },
        };
        Ok((answer, segments))
    }
}

/// Reads a request from a stick.
pub(in crate::cli) fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    Ok(files::read_shared(path, REQUEST_FILE.file_limit())?)
}

fn text(answer: &Answer) -> String {
    let enrolled = format!("{} of office {} is enrolled.", answer.name, answer.office);
    match &answer.answer {
        None => format!("{enrolled} Run on the machine: clinic-mesh node join --scan\n"),
        Some(file) => format!(
            "{enrolled} Take {} to the machine and run there:\n\n    \
             clinic-mesh node join --answer FILE\n\n\
             Only that machine can open the file.\n",
            file.display()
        ),
    }
}
