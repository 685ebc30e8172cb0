//! Routes about the clinic record and who may take part: statements, revocation, mesh keys, enrolment
//! and audit trails.
//!
//! Each of them is for the operator; audit trails and how far revocations are enforced are for
//! auditors too.

use super::{Access, Route, RouteId, asking, get, post};

/// The clinic record and what is told beside it: enrolment, revocation, mesh keys and audit trails.
pub(super) const RECORD: [Route; 12] = [
    asking(
        get(
            RouteId::Record,
            "/v1/record",
            Access::Operator,
            "RecordPart",
            "The clinic record as signed, in parts.",
        ),
        &["from"],
    ),
    post(
        RouteId::Submit,
        "/v1/record",
        Access::Operator,
        (Some("SubmitRequest"), "Submitted"),
        "Apply statements that root or admins have signed.",
    ),
    get(
        RouteId::Ends,
        "/v1/devices/{device}/ends",
        Access::Operator,
        "EndsView",
        "Where the logs of a device end at this node: what its revocation names.",
    ),
    get(
        RouteId::Revocations,
        "/v1/revocations",
        Access::AuditorOrOperator,
        "RevocationsView",
        "Where revocations are enforced since when, and until when they could be ignored elsewhere.",
    ),
    get(
        RouteId::MeshKeys,
        "/v1/mesh-keys",
        Access::Operator,
        "MeshKeysView",
        "The accepted mesh keys, for an admin's tool that has to pass them on.",
    ),
    post(
        RouteId::InvitationOpen,
        "/v1/enrolment",
        Access::Operator,
        (Some("InvitationOpening"), "InvitationOpened"),
        "Hear the machine that comes with an invitation, and announce that on the LAN.",
    ),
    asking(
        get(
            RouteId::InvitationState,
            "/v1/enrolment/{invitation}",
            Access::Operator,
            "InvitationView",
            "Where an invitation stands; waits up to ten seconds while it is as `seen`.",
        ),
        &["seen"],
    ),
    post(
        RouteId::InvitationDecide,
        "/v1/enrolment/{invitation}/decision",
        Access::Operator,
        (Some("Decision"), "Done"),
        "Let the machine in with the admin's signed answer, or send it away.",
    ),
    post(
        RouteId::InvitationCancel,
        "/v1/enrolment/{invitation}/cancel",
        Access::Operator,
        (None, "Done"),
        "Hear nobody with this invitation any more.",
    ),
    get(
        RouteId::Trail,
        "/v1/audit/{device}",
        Access::AuditorOrOperator,
        "TrailView",
        "The epochs of an audit trail held here, and who has signed for them.",
    ),
    asking(
        get(
            RouteId::TrailRecords,
            "/v1/audit/{device}/{epoch}/records",
            Access::AuditorOrOperator,
            "TrailRecords",
            "Audit records for reading.",
        ),
        &["from"],
    ),
    asking(
        get(
            RouteId::TrailSegments,
            "/v1/audit/{device}/{epoch}/segments",
            Access::AuditorOrOperator,
            "TrailSegments",
            "Audit records as signed, for checking elsewhere.",
        ),
        &["from"],
    ),
];
