//! Routes about the node itself: what it is, how it does, and its operation.
//!
//! What changes or stops the node is for whoever operates the machine; only the description and the
//! unlocking of a locked node are for anyone.

use super::{Access, NODE_UNLOCK, Route, RouteId, Span, get, post};

/// The node itself: its description, its state, and what its operator does with it.
pub(super) const NODE: [Route; 10] = [
    get(
        RouteId::OpenApi,
        "/v1/openapi.json",
        Access::Anyone,
        "OpenApi",
        "This description of the API.",
    ),
    get(
        RouteId::Status,
        "/v1/status",
        Access::StaffOrOperator,
        "StatusView",
        "The state of this node.",
    ),
    get(
        RouteId::Clinic,
        "/v1/clinic",
        Access::StaffOrOperator,
        "ClinicView",
        "The clinic's staff, rooms, devices, admins and policy.",
    ),
    get(
        RouteId::Inventory,
        "/v1/inventory",
        Access::AuditorOrOperator,
        "InventoryView",
        "Every machine with its key and certificate, when it was last heard, and who may sign in there.",
    ),
    post(
        RouteId::NodeUnlock,
        NODE_UNLOCK,
        Access::Anyone,
        (Some("NodeUnlockRequest"), "Done"),
        "Unlock a node that is locked (every other answer of it says `node_locked`), with the name and \
         password of somebody who has signed in there with them before.",
    ),
    Route {
        span: Span::Stream,
        ..get(
            RouteId::Events,
            "/v1/events",
            Access::StaffOrOperator,
            "Hint",
            "Hints of what changed, as server-sent events; never contents.",
        )
    },
    get(
        RouteId::Web,
        "/v1/web",
        Access::StaffOrOperator,
        "WebView",
        "How browsers reach this node, and why they trust it.",
    ),
    post(
        RouteId::Doctor,
        "/v1/doctor",
        Access::Operator,
        (Some("DoctorRequest"), "DoctorView"),
        "What this node has seen of others: links, refusals, announcements; those who are away are tried.",
    ),
    Route {
        span: Span::File,
        ..post(
            RouteId::Backup,
            "/v1/backup",
            Access::Operator,
            (Some("BackupRequest"), "Backup"),
            "Everything in the store, sealed to keys that are kept elsewhere.",
        )
    },
    post(
        RouteId::Stop,
        "/v1/stop",
        Access::Operator,
        (None, "Done"),
        "Stop the node in order.",
    ),
];
