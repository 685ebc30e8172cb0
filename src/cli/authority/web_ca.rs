//! `authority web-ca`: the web CA of a clinic that was founded without one.

use crate::cli::admin::AdminKey;
use crate::cli::{Context, Outcome};

/// Make the web CA that nodes' pages are trusted by, if the clinic was founded without one
///
/// Afterwards `web certify` gives nodes their certificates.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct WebCa {
    /// Domain of the nodes' names for browsers; otherwise one under .internal
    #[arg(long, value_name = "DOMAIN")]
    domain: Option<String>,

    #[command(flatten)]
    key: AdminKey,
}

impl WebCa {
    pub(super) fn run(&self, context: &Context) -> Outcome {
        let mut authority = self.key.open()?;
        let domain = authority.make_web_ca(self.domain.clone(), context.clock.now())?;
        context
            .output
            .answer(&serde_json::json!({ "domain": domain }), || {
                context.typed(&format!(
                    "The web CA is made; it is good for names in {domain} and for nothing else.\n\
                     Give the nodes their certificates:\n\n    clinic-mesh web certify\n"
                ))
            })
    }
}
