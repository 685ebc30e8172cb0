//! `web certify`: gives nodes their certificates for browsers.

use serde::Serialize;

use crate::api::blob;
use crate::api::clinic::device_name;
use crate::api::moment::Moment;
use crate::api::web::WebView;
use crate::cli::admin::{AdminKey, Desk, device};
use crate::cli::{Context, Failure, Outcome};
use crate::domain::id::DeviceId;
use crate::domain::log::Segment;
use crate::domain::web::WebKey;

/// Give nodes their certificates for browsers: the ones that end soon, and this machine's
///
/// A node gets its first certificate when it is enrolled. This command is for nodes enrolled by an
/// admin without the web CA, and to be run once a year for all of them.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Certify {
    /// Another node than this machine's, by name or id
    #[arg(long, value_name = "NAME", requires = "web_key")]
    device: Option<String>,

    /// That node's key for browsers, as `web trust` prints it there
    #[arg(long = "key", value_name = "KEY", id = "web_key", requires = "device", value_parser = web_key)]
    node_key: Option<WebKey>,

    #[command(flatten)]
    key: AdminKey,
}

fn web_key(text: &str) -> Result<WebKey, String> {
    blob::web_key(text).ok_or_else(|| "not a key: copy it from `web trust` on that node".to_owned())
}

#[derive(Serialize)]
struct Certified {
    device: String,
    names: Vec<String>,
    until: Moment,
}

impl Certify {
    pub(super) fn run(&self, context: &Context) -> Outcome {
        let certified = context.block_on(async {
            let mut desk = Desk::open(&self.key, context).await?;
            let now = context.clock.now();
            let mut done: Vec<(DeviceId, Segment)> = desk.authority.renew_web(now)?;
            if let Some((device, key)) = self.wished(&desk).await?
                && !done.iter().any(|(renewed, _)| *renewed == device)
            {
                done.push((device, desk.authority.certify_web(device, key, now)?));
            }
            let segments: Vec<Segment> = done.iter().map(|(_, segment)| segment.clone()).collect();
            desk.give(&segments, &[]).await?;
            Ok::<_, Failure>(shown(&desk, &done))
        })?;
        context.output.answer(&certified, || text(&certified))
    }

    /// The node to certify besides those that are due, if it needs it.
    async fn wished(&self, desk: &Desk) -> Result<Option<(DeviceId, WebKey)>, Failure> {
        if let (Some(name), Some(key)) = (&self.device, self.node_key) {
            let (device, _) = device(desk.authority.clinic(), name)?;
            return Ok(Some((device, key)));
        }
        let view: WebView = desk.client.web().await?;
        let unreadable = || Failure::error("the node's answer has no device or key");
        let device = DeviceId::from_hex(&view.device).ok_or_else(unreadable)?;
        let key = blob::web_key(&view.key).ok_or_else(unreadable)?;
        Ok(view.until.is_none().then_some((device, key)))
    }
}

fn shown(desk: &Desk, done: &[(DeviceId, Segment)]) -> Vec<Certified> {
    let clinic = desk.authority.clinic();
    let certified = done.iter().filter_map(|(device, _)| {
        let web = clinic.devices.get(device)?.web.as_ref()?;
        Some(Certified {
            device: device_name(clinic, device),
            names: web.names.clone(),
            until: web.not_after.into(),
        })
    });
    certified.collect()
}

fn text(certified: &[Certified]) -> String {
    if certified.is_empty() {
        return "no certificate for browsers ends soon, and this machine has one".to_owned();
    }
    let lines = certified.iter().map(|one| {
        format!(
            "{}: {} until {}",
            one.device,
            one.names.join(", "),
            one.until.iso
        )
    });
    lines.collect::<Vec<_>>().join("\n")
}
