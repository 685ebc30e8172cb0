//! The authority's side of browsers: the web CA, and nodes' certificates of it.

use crate::domain::cert::DeviceKind;
use crate::domain::id::DeviceId;
use crate::domain::log::Segment;
use crate::domain::record::Device;
use crate::domain::statement::Act;
use crate::domain::time::WallTime;
use crate::domain::web::{WebKey, dns_label};

use super::web_ca::{LEAF_RENEWAL, WebCa, usual_domain};
use super::{Authority, AuthorityError};

impl Authority {
    /// The web CA among this admin's files, to be passed on to another admin.
    pub fn web_ca(&self) -> Option<WebCa> {
        self.web_ca.clone()
    }

    /// Makes the clinic's web CA, for a clinic that was founded without; returns its domain.
    pub fn make_web_ca(
        &mut self,
        domain: Option<String>,
        now: WallTime,
    ) -> Result<String, AuthorityError> {
        if let Some(there) = &self.web_ca {
            let domain = there.domain().to_owned();
            return Err(AuthorityError::WebCaThere { domain });
        }
        let name = self.clinic.name.clone().ok_or(AuthorityError::NoRecord)?;
        let domain = domain.map_or_else(|| usual_domain(&name), Ok)?;
        let made = WebCa::make(&name, &domain, now, &mut *self.rng.0)?;
        let clinic = self.clinic_id();
        self.directory
            .save_web_ca(&self.holder, clinic, &self.key, &made, &mut *self.rng.0)?;
        self.web_ca = Some(made);
        Ok(domain)
    }

    /// Gives a node a certificate for browsers, or another one.
    pub fn certify_web(
        &mut self,
        device: DeviceId,
        key: WebKey,
        now: WallTime,
    ) -> Result<Segment, AuthorityError> {
        let found = self.clinic.devices.get(&device);
        let found = found.filter(|found| {
            found.revocation.is_none() && found.certificate.kind == DeviceKind::Node
        });
        let found = found.ok_or(AuthorityError::NotEnrolled { device })?;
        let web_ca = self.web_ca.as_ref().ok_or(AuthorityError::NoWebCa)?;
        let names = match &found.web {
            Some(before) if in_domain(&before.names, web_ca) => before.names.clone(),
            _ => vec![self.free_web_name(device, found, web_ca.domain())],
        };
        let certificate = web_ca.certify(names, key, now, &mut *self.rng.0)?;
        self.sign(
            Act::WebCertified {
                device,
                certificate,
            },
            now,
        )
    }

    /// Makes every certificate for browsers anew that ends soon or is of another web CA.
    pub fn renew_web(&mut self, now: WallTime) -> Result<Vec<(DeviceId, Segment)>, AuthorityError> {
        let web_ca = self.web_ca.as_ref().ok_or(AuthorityError::NoWebCa)?;
        let authority = web_ca.certificate().to_vec();
        let due = self.clinic.members().filter_map(|(id, device)| {
            let web = device.web.as_ref()?;
            let soon = now.plus(LEAF_RENEWAL) > web.not_after || web.authority != authority;
            soon.then_some((*id, web.key))
        });
        let due: Vec<(DeviceId, WebKey)> = due.collect();
        let mut renewed = Vec::new();
        for (device, key) in due {
            renewed.push((device, self.certify_web(device, key, now)?));
        }
        Ok(renewed)
    }

    /// The device's name as a name of the domain; with a number where another device has that name.
    fn free_web_name(&self, id: DeviceId, device: &Device, domain: &str) -> String {
        let label = dns_label(device.certificate.name.as_str());
        let label = label.unwrap_or_else(|| format!("node-{}", id.short()));
        let taken = |name: &String| {
            let others = self.clinic.members().filter(|(other, _)| **other != id);
            let mut names = others.filter_map(|(_, other)| other.web.as_ref());
            names.any(|web| web.names.contains(name))
        };
        let mut names = std::iter::once(format!("{label}.{domain}"))
            .chain((2..).map(|number| format!("{label}-{number}.{domain}")));
        names
            .find(|name| !taken(name))
            .expect("there are more numbers than devices")
    }
}

fn in_domain(names: &[String], web_ca: &WebCa) -> bool {
    let end = format!(".{}", web_ca.domain());
    names.iter().all(|name| name.ends_with(&end))
}
