//! The API as faces see it: a real node, its real socket, real requests.

#[path = "../support/offices.rs"]
mod offices;

mod access;
mod authenticator;
mod backup;
mod browser;
mod chat;
mod desk;
mod door;
mod factor;
mod limits;
mod login;
mod passkey;
mod refusals;
mod socket;
mod step_up;
mod tls;
mod trail;
mod unlocking;
