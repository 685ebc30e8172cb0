//! What a door for browsers is called, and which pages are its own.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

/// How a browser reaches a door.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scheme {
    /// In clear; on loopback only.
    Http,
    /// By TLS.
    Https,
}

impl Scheme {
    const fn word(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// The port that browsers leave out.
    const fn usual_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// The names of one door for browsers. Cheap to clone.
///
/// A request that names another host is a page of somebody else whose name was pointed at this machine
/// (DNS rebinding), or a mistake; neither is answered.
#[derive(Clone, Debug)]
pub struct Site(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    scheme: Scheme,
    port: u16,
    /// The first is the one that is shown to people.
    names: Vec<String>,
    hosts: BTreeSet<String>,
    cookie: String,
}

impl Site {
    /// The door in clear on loopback, at this port.
    pub fn loopback(port: u16) -> Self {
        let addresses = [
            IpAddr::from(Ipv4Addr::LOCALHOST),
            Ipv6Addr::LOCALHOST.into(),
        ];
        let mut names = vec!["localhost".to_owned()];
        names.extend(addresses.iter().map(written));
        // Cookies do not tell ports apart: several nodes on one machine would sign each other out.
        let cookie = format!("clinic-mesh-login-{port}");
        Self::of(Scheme::Http, names, port, cookie)
    }

    /// The door for the network, under these names and this port.
    pub fn network(names: &[String], port: u16) -> Self {
        let names = names.iter().map(|name| name.to_lowercase()).collect();
        let cookie = "__Host-clinic-mesh".to_owned();
        Self::of(Scheme::Https, names, port, cookie)
    }

    fn of(scheme: Scheme, names: Vec<String>, port: u16, cookie: String) -> Self {
        let mut hosts: BTreeSet<String> =
            names.iter().map(|name| format!("{name}:{port}")).collect();
        if port == scheme.usual_port() {
            hosts.extend(names.iter().cloned());
        }
        Self(Arc::new(Inner {
            scheme,
            port,
            names,
            hosts,
            cookie,
        }))
    }

    /// Whether a request to this host is meant for this door.
    pub(super) fn answers_to(&self, host: &str) -> bool {
        self.0.hosts.contains(&host.to_ascii_lowercase())
    }

    /// Whether a page of this origin is one of ours.
    pub(super) fn is_own(&self, origin: &str) -> bool {
        let own = origin
            .strip_prefix(self.0.scheme.word())
            .and_then(|rest| rest.strip_prefix("://"));
        own.is_some_and(|host| self.answers_to(host))
    }

    /// The cookie's name.
    pub(super) fn cookie(&self) -> &str {
        &self.0.cookie
    }

    /// Whether everything goes by TLS.
    pub(super) fn is_secure(&self) -> bool {
        self.0.scheme == Scheme::Https
    }

    /// What a passkey of this door's pages is bound to.
    ///
    /// The domain of the clinic rather than the name of the node, so that one passkey works at every
    /// office; on loopback the one name that browsers take for a secure place.
    pub(in crate::web) fn passkey_domain(&self) -> &str {
        let name = self.best_name();
        let domain = name.split_once('.').map_or(name, |(_, domain)| domain);
        // A domain of one part belongs to nobody, and browsers refuse it.
        if domain.contains('.') { domain } else { name }
    }

    /// The pages of this door that have a name; no passkey works at a number.
    pub(in crate::web) fn origins(&self) -> Vec<String> {
        let Inner { scheme, port, .. } = &*self.0;
        let names = self.0.names.iter();
        let names = names.filter(|name| !name.starts_with('[') && name.parse::<IpAddr>().is_err());
        names
            .map(|name| match *port == scheme.usual_port() {
                true => format!("{}://{name}", scheme.word()),
                false => format!("{}://{name}:{port}", scheme.word()),
            })
            .collect()
    }

    fn best_name(&self) -> &str {
        self.0.names.first().map_or("localhost", String::as_str)
    }

    /// The port.
    pub(in crate::web) fn port(&self) -> u16 {
        self.0.port
    }

    /// What people type to come here: the address with the best name.
    pub fn address(&self) -> String {
        let Inner { scheme, port, .. } = &*self.0;
        let name = self.best_name();
        match *port == scheme.usual_port() {
            true => format!("{}://{name}/", scheme.word()),
            false => format!("{}://{name}:{port}/", scheme.word()),
        }
    }
}

fn written(address: &IpAddr) -> String {
    match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("[{address}]"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_door_answers_to_its_own_names_and_no_others() {
        let site = Site::network(&["Ward.Elm.internal".to_owned()], 7848);
        for own in ["ward.elm.internal:7848", "WARD.elm.INTERNAL:7848"] {
            assert!(site.answers_to(own), "{own}");
        }
        for foreign in [
            "ward.elm.internal",
            "ward.elm.internal:7849",
            "evil.example:7848",
            "ward.elm.internal:7848.evil.example",
            "ward.elm.internal.:7848",
            "127.0.0.1:7848",
            "",
        ] {
            assert!(!site.answers_to(foreign), "{foreign}");
        }
    }

    #[test]
    fn only_pages_of_the_same_scheme_and_host_are_its_own() {
        let site = Site::loopback(7849);
        assert!(site.is_own("http://localhost:7849") && site.is_own("http://[::1]:7849"));
        for foreign in [
            "https://localhost:7849",
            "http://localhost:7848",
            "http://localhost",
            "null",
            "http://evil.example",
        ] {
            assert!(!site.is_own(foreign), "{foreign}");
        }
    }

    #[test]
    fn passkeys_belong_to_the_clinics_domain_and_work_at_names_only() {
        let site = Site::network(&["ward.elm.internal".to_owned()], 443);
        assert_eq!(site.passkey_domain(), "elm.internal");
        assert_eq!(site.origins(), ["https://ward.elm.internal"]);
        let short = Site::network(&["ward.internal".to_owned()], 7848);
        assert_eq!(short.passkey_domain(), "ward.internal");
        assert_eq!(short.origins(), ["https://ward.internal:7848"]);
        let here = Site::loopback(7849);
        assert_eq!(here.passkey_domain(), "localhost");
        assert_eq!(here.origins(), ["http://localhost:7849"]);
    }

    #[test]
    fn the_usual_port_is_left_out_of_the_address_and_may_be_of_the_host() {
        let site = Site::network(&["ward.elm.internal".to_owned()], 443);
        assert_eq!(site.address(), "https://ward.elm.internal/");
        assert!(site.answers_to("ward.elm.internal") && site.answers_to("ward.elm.internal:443"));
        assert_eq!(Site::loopback(8000).address(), "http://localhost:8000/");
    }
}
