//! `node join`: this machine becomes a node, by a code, or by an answer from a file or a scanner.

use std::net::{SocketAddr, ToSocketAddrs as _};
use std::path::PathBuf;

use super::init::Made;
use super::local::Local;
use super::request::wished;
use super::settings::Settings;
use super::unlock::UnlockArgs;
use super::{make_parents, refuse_unfit};
use crate::cli::{Context, Failure, Format, Outcome, pictures};
use crate::domain::enrol::ANSWER_FILE;
use crate::domain::invitation::InvitationSecret;
use crate::domain::name::Name;
use crate::node::join::{BecomeError, Wish, ask, find, finish, open_answer, pending};
use crate::node::{DeviceKeys, Enrolled, Store, StoreOptions};
use crate::platform::files;

/// Become a node of the clinic: with a code from the admin, or with the answer to a request
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("way").required(true))]
pub(in crate::cli) struct Join {
    /// The one-time code from `device invite`
    #[arg(value_name = "CODE", group = "way", value_parser = code)]
    code: Option<InvitationSecret>,

    /// Take the answer to a request from FILE
    #[arg(long, value_name = "FILE", group = "way", value_hint = clap::ValueHint::FilePath)]
    answer: Option<PathBuf>,

    /// Take the answer from a scanner, as the admin's screen shows it with `device enrol --qr`
    #[arg(long, group = "way")]
    scan: bool,

    /// Address of the node that made the code, if it is not found by itself
    #[arg(long, value_name = "HOST:PORT", conflicts_with_all = ["answer", "scan"])]
    at: Option<String>,

    /// Name that this machine would like; the admin decides
    #[arg(long, value_name = "NAME", conflicts_with_all = ["answer", "scan"])]
    name: Option<Name>,

    /// Where other sites reach this machine, for the clinic record
    #[arg(long, value_name = "HOST:PORT", conflicts_with_all = ["answer", "scan"])]
    address: Option<String>,

    #[command(flatten)]
    unlock: UnlockArgs,

    #[command(flatten)]
    local: Local,
}

fn code(text: &str) -> Result<InvitationSecret, String> {
    InvitationSecret::from_code(text).map_err(|error| error.to_string())
}

/// For programs: what must be compared with the admin's screen.
#[derive(serde::Serialize)]
struct Compare<'a> {
    event: &'static str,
    short_code: &'a str,
}

impl Join {
    pub(super) fn run(&self, context: &Context) -> Outcome {
        let enrolled = match &self.code {
            Some(code) => self.by_code(context, code)?,
            None => self.by_file(context)?,
        };
        let certificate = enrolled.identity.certificate();
        let certificate = certificate
            .ok_or_else(|| Failure::error("the certificate that was checked does not open"))?;
        let made = Made {
            device: enrolled.identity.keys.device().to_string(),
            clinic: enrolled.identity.clinic.to_string(),
            name: certificate.name.to_string(),
            office: certificate.office.to_string(),
            directory: context.dir().to_owned(),
        };
        match context.output.format {
            Format::Json => context.output.json_line(&made),
            Format::Text => context.output.text(&made.text(context)),
        }
    }

    fn by_code(&self, context: &Context, secret: &InvitationSecret) -> Result<Enrolled, Failure> {
        refuse_unfit(context)?;
        make_parents(context)?;
        // Before the admin's time is taken: nothing may fail for want of a passphrase later.
        let unlock = self.unlock.chosen()?;
        let settings = self.local.settings();
        let wish = Wish {
            name: wished(self.name.as_ref())?,
            address: self.address.clone(),
        };
        context.block_on(async {
            let addresses = self.addresses(context, &settings, secret).await?;
            let now = || context.clock.now();
            let joining = ask(&addresses, secret, DeviceKeys::fresh(), &wish, now()).await?;
            self.show(context, joining.short_code())?;
            let progress = context.output.progress("waiting for the admin to confirm");
            let let_in = progress.during(joining.answer(now)).await?;
            let enrolled = &let_in.enrolled;
            crate::node::create(
                context.dir(),
                &StoreOptions::PRODUCT,
                &unlock,
                enrolled,
                now(),
            )?;
            settings.save(context.dir())?;
            let (enrolled, told) = let_in.confirm().await;
            if told.is_err() {
                context
                    .output
                    .note("The other node could not be told; that changes nothing here.");
            }
            Ok(enrolled)
        })
    }

    fn show(&self, context: &Context, short_code: &str) -> Outcome {
        let event = "compare";
        match context.output.format {
            Format::Json => context.output.json_line(&Compare { event, short_code }),
            Format::Text => context.output.text(&format!(
                "\n    {}\n\nThe same six digits must stand on the admin's screen.\n",
                context.output.style().bold(short_code)
            )),
        }
    }

    async fn addresses(
        &self,
        context: &Context,
        settings: &Settings,
        secret: &InvitationSecret,
    ) -> Result<Vec<SocketAddr>, Failure> {
        if let Some(at) = &self.at {
            let resolved = at.to_socket_addrs().map_err(|error| {
                Failure::usage(format!("{at}: {error}")).remedy("write it like 192.168.1.20:7847")
            })?;
            return Ok(resolved.collect());
        }
        let progress = context
            .output
            .progress("looking for the node that made this code");
        Ok(progress.during(find(&settings.discovery(), secret)).await?)
    }

    fn by_file(&self, context: &Context) -> Result<Enrolled, Failure> {
        // Before anything is scanned, or a passphrase asked for that cannot be right.
        if !Store::exists(context.dir()) {
            return Err(BecomeError::NothingPending.into());
        }
        let limit = ANSWER_FILE.file_limit();
        let file = match &self.answer {
            Some(path) => files::read_shared(path, limit)?,
            None => pictures::scan(context, limit)?,
        };
        let unlock = self.unlock.existing()?;
        let now = context.clock.now();
        let store = Store::open(context.dir(), &StoreOptions::PRODUCT, &unlock)?;
        let keys = pending(&store)?;
        let answer = open_answer(&file, &keys).map_err(BecomeError::from)?;
        let enrolled = keys.accept(None, &answer, now).map_err(BecomeError::from)?;
        finish(&store, &enrolled, now)?;
        Ok(enrolled)
    }
}
