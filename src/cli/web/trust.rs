//! `web trust`: what staff need to trust the clinic's web CA once.

use std::path::PathBuf;

use crate::cli::{Context, Failure, Outcome};
use crate::platform::files;

/// Show what makes a browser trust this clinic's nodes, and how to do it
///
/// Done once on every PC, by somebody who compares the fingerprint.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Trust {
    /// Write the web CA's certificate to FILE, to be carried to the PCs
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    out: Option<PathBuf>,
}

impl Trust {
    pub(super) fn run(&self, context: &Context) -> Outcome {
        let client = context.client();
        let view = context.block_on(async { Ok(client.web().await?) })?;
        let Some((pem, fingerprint)) = view.authority.as_ref().zip(view.fingerprint.as_ref())
        else {
            return Err(
                Failure::refused("this node has no certificate for browsers yet").remedy(format!(
                    "an admin gives it one: `clinic-mesh web certify` here, or elsewhere with \
                     --device {} --key {}",
                    view.name, view.key
                )),
            );
        };
        if let Some(path) = &self.out {
            files::write_shared(path, pem.as_bytes())?;
        }
        context.output.answer(&view, || {
            let place = match (&self.out, view.addresses.first()) {
                (Some(path), _) => format!("It is in {}.", path.display()),
                (None, Some(address)) => format!(
                    "Write it to a file with --out FILE, or fetch {address}web-ca.crt and compare."
                ),
                (None, None) => "Write it to a file with --out FILE.".to_owned(),
            };
            steps(&view.names.join(", "), fingerprint, &place, pem)
        })
    }
}

fn steps(names: &str, fingerprint: &str, place: &str, pem: &str) -> String {
    format!(
        "{pem}
The certificate above makes browsers trust {names} and the clinic's other nodes, and nothing else.
{place}

Its SHA-256 fingerprint, to be compared before it is trusted:

    {fingerprint}

Windows   double-click the file, Install Certificate, Local Machine, \"Trusted Root Certification
          Authorities\". Or as administrator: certutil -addstore Root FILE
macOS     open it in Keychain Access, System; double-click it there, Trust, \"Always Trust\" for SSL
Debian    copy it to /usr/local/share/ca-certificates/clinic.crt and run update-ca-certificates;
          Chromium: certutil -d sql:$HOME/.pki/nssdb -A -t C,, -n clinic -i FILE
Firefox   Settings, Privacy & Security, View Certificates, Authorities, Import, \"identify websites\"
Android   Settings, Security, Encryption & credentials, Install a certificate, CA certificate
iOS       open the file, install the profile, then Settings, General, About, Certificate Trust Settings
"
    )
}
