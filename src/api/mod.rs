//! Requests, answers and views: plain data every face shares, and the client for faces in another
//! process.
//!
//! One HTTP API serves every face: JSON under `/v1`, live hints as server-sent events. Ids are hex;
//! where a name says the same without doubt it is accepted in the id's place. Times carry ISO 8601
//! for people and milliseconds for programs. [`routes::ROUTES`] lists every route and who may call
//! it, and [`openapi::document`] describes them.

pub mod audit;
pub mod backup;
pub mod blob;
pub mod client;
pub mod clinic;
pub mod conversation;
pub mod doctor;
pub mod enrolment;
pub mod event;
pub mod inventory;
pub mod login;
pub mod moment;
pub mod openapi;
pub mod problem;
pub mod record;
pub mod revocation;
pub mod routes;
mod schema;
pub mod status;
pub mod web;

/// The socket file in a node's directory.
pub const SOCKET: &str = "api.sock";

/// Header of requests that a face makes on its own, without a person having done something: they do
/// not put off automatic logoff.
pub const BACKGROUND: &str = "clinic-mesh-background";

/// Header in which a page shows, with every act, the proof that it is one of the node's own.
pub const PROOF: &str = "clinic-proof";

/// Largest body of a request or answer in bytes.
///
/// 1 MiB: the clinic record is given in parts, and no message comes near it.
pub const BODY_MAX: usize = 1024 * 1024;
