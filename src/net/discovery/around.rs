//! Listening to what is announced on the LAN, by whomever: for whoever looks for the cause of a trouble.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use mdns_sd::ServiceEvent;
use tokio::time::{Instant, timeout_at};

use super::super::limits::HINTS_MAX;
use super::advert::{self, Found};
use super::{Daemon, DiscoveryError, Settings, daemon};

/// How often the question is asked anew: an answer may get lost, or be held back because it was given to
/// somebody else a moment ago.
const AGAIN: Duration = Duration::from_millis(1_200);

/// How long to listen.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// Also after enough was heard.
    pub at_least: Duration,
    /// Also if not enough was heard.
    pub at_most: Duration,
}

/// The addresses of every announcement of a member of any clinic, this machine's included, until `enough`
/// says so of what was heard.
pub async fn look_around(
    settings: &Settings,
    patience: Patience,
    enough: impl Fn(&[Vec<SocketAddr>]) -> bool,
) -> Result<Vec<Vec<SocketAddr>>, DiscoveryError> {
    let daemon = Daemon(daemon(settings, |_| true)?);
    let mut events = daemon.0.browse(advert::SERVICE)?;
    let begun = Instant::now();
    let mut again = begun + AGAIN;
    let mut heard = BTreeMap::new();
    loop {
        let all: Vec<Vec<SocketAddr>> = heard.values().cloned().collect();
        let earliest = begun + patience.at_least;
        let until = if enough(&all) {
            earliest
        } else {
            begun + patience.at_most
        };
        if Instant::now() >= until {
            return Ok(all);
        }
        match timeout_at(until.min(again), events.recv_async()).await {
            Ok(Ok(ServiceEvent::ServiceResolved(service))) => {
                let found = Found::read(&service).filter(Found::is_node);
                let room = heard.len() < HINTS_MAX;
                if let Some(found) = found.filter(|f| room || heard.contains_key(&f.instance)) {
                    heard.insert(found.instance, found.addresses);
                }
            }
            Ok(Ok(_)) => {}
            // Not at once after a daemon that fell behind, or a flood of announcements would keep us busy.
            Ok(Err(_)) => tokio::time::sleep_until(until.min(again)).await,
            Err(_) => {}
        }
        if Instant::now() >= again {
            events = daemon.0.browse(advert::SERVICE)?;
            again = Instant::now() + AGAIN;
        }
    }
}
