//! The API as faces see it: a real node, its real socket, real requests.

#[path = "../support/offices.rs"]
mod offices;

mod access;
mod browser;
mod chat;
mod desk;
mod door;
mod factor;
mod limits;
mod login;
mod socket;
mod tls;
mod trail;
