//! `authority init`: founds the clinic.

use std::path::PathBuf;

use serde::Serialize;

use super::page::PagePlace;
use crate::authority::{self, Cost, Founded, Founding, grouped};
use crate::cli::admin::{AuthorityDir, RootKey, choose};
use crate::cli::output::{Style, typed_path};
use crate::cli::{Context, Failure, Outcome};
use crate::domain::name::Name;
use crate::platform::entropy;

/// Found a clinic: make its root key and its first admin's key
///
/// The directory is best kept on an encrypted stick or laptop that is not a node. The recovery page
/// is printed once: it is the root key on paper.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Init {
    #[command(flatten)]
    dir: AuthorityDir,

    /// Name of the clinic
    #[arg(long, value_name = "NAME")]
    name: Name,

    /// Name of the first admin
    #[arg(long, value_name = "NAME")]
    admin: Name,

    /// Domain of the nodes' names for browsers, such as clinic.example; otherwise one under .internal
    #[arg(long, value_name = "DOMAIN")]
    web_domain: Option<String>,

    /// Write the recovery page to FILE instead of standard output; print it, then destroy the file
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    recovery_page: Option<PathBuf>,

    #[command(flatten)]
    root: RootKey,

    /// Read the admin's passphrase from the first line of FILE instead of asking for it
    #[arg(
        long,
        value_name = "FILE",
        env = "CLINIC_MESH_ADMIN_PASSPHRASE_FILE",
        hide_env_values = true,
        value_hint = clap::ValueHint::FilePath
    )]
    admin_passphrase_file: Option<PathBuf>,
}

#[derive(Serialize)]
struct Answer {
    clinic: String,
    name: String,
    admin: String,
    admin_name: String,
    web_domain: Option<String>,
    directory: PathBuf,
    recovery_page: Option<PathBuf>,
}

impl Init {
    pub(super) fn run(&self, context: &Context) -> Outcome {
        PagePlace::check(self.recovery_page.as_deref(), context)?;
        let path = self.dir.path();
        let root_passphrase = self.root.choose()?;
        let file = self.admin_passphrase_file.as_deref();
        let prompt = format!("Passphrase for admin {}", self.admin);
        let admin_passphrase = choose(file, &prompt, "--admin-passphrase-file FILE")?;
        if let Some(parent) = path
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty())
        {
            std::fs::create_dir_all(parent)?;
        }
        let founding = Founding {
            clinic_name: self.name.clone(),
            web_domain: self.web_domain.clone(),
            admin_name: self.admin.clone(),
            root_passphrase,
            admin_passphrase,
            cost: Cost::PRODUCT,
        };
        let page = PagePlace::make(self.recovery_page.as_deref())?;
        let founded = authority::found(&path, &founding, context.clock.now(), entropy::os());
        let founded = match founded {
            Ok(founded) => founded,
            Err(why) => {
                page.forget();
                return Err(why.into());
            }
        };
        page.hand_out(context, &founded.recovery_page)
            .map_err(|why| self.without_page(why))?;
        let answer = Answer {
            clinic: founded.clinic.to_string(),
            name: self.name.to_string(),
            admin: founded.admin.to_string(),
            admin_name: self.admin.to_string(),
            web_domain: founded.web_domain.clone(),
            directory: path,
            recovery_page: self.recovery_page.clone(),
        };
        let style = context.output.style();
        context.output.answer(&answer, || {
            context.typed(&self.text(&answer, &founded, style))
        })
    }

    fn without_page(&self, why: Failure) -> Failure {
        let dir = typed_path(&self.dir.path());
        Failure::error(format!(
            "the clinic is founded, but its recovery page is lost: {why}"
        ))
        .remedy(format!(
            "make recovery shares instead, now: clinic-mesh authority shares make --authority {dir}"
        ))
    }

    fn text(&self, answer: &Answer, founded: &Founded, style: Style) -> String {
        let page = match &self.recovery_page {
            Some(path) => format!(
                "Print {} now, put the paper into a safe, and destroy the file.",
                path.display()
            ),
            None => "Print the page above now, put the paper into a safe, and clear the screen."
                .to_owned(),
        };
        format!(
            "{}\n\n    {}\n\n\
             Keys:  {}\n\
             Admin: {}\n\n\
             {page}\n\
             Then make the first office's node:\n\n    \
             clinic-mesh node init --authority {} --office OFFICE --name DEVICE\n",
            style.bold(&format!("{} is founded. Its id:", self.name)),
            grouped(&founded.clinic),
            answer.directory.display(),
            self.admin,
            typed_path(&answer.directory),
        )
    }
}
