//! The engine (pure) and the runner that performs its effects.

pub mod backup;
mod boot;
pub mod engine;
pub mod enrolment;
mod handle;
mod identity;
pub mod join;
pub mod observe;
mod reading;
mod runner;
mod search;
mod start;

pub use crate::net::discovery::{
    Interfaces, MDNS_PORT, Patience, Settings as Discovery, look_around,
};
pub use crate::store::{
    Options as StoreOptions, SlotOwner, StaffKey, StaffSecret, StaffSlotError, StaffSlots, Store,
    StoreError, Unlock, check_key, has_staff_slots, plain_name, remove_staff_slots,
    unlock_by_staff,
};
pub use boot::{Enrolled, clinic_of, create};
pub use handle::{Handle, NodeStopped};
pub use identity::{DeviceKeys, Identity, IdentityError};
pub use runner::RunError;
pub use start::{Running, Settings, StartError, start};
