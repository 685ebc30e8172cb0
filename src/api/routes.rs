//! Every route, and who may call it.
//!
//! The router is built from this table and judges every request by it, so a route cannot be served
//! under another rule than the one that stands here.

/// Who may call a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Whoever reaches the door.
    Anyone,
    /// A staff member with a login.
    Staff,
    /// Whoever has shown a password, however far the login has come since.
    Begun,
    /// Whoever has shown a password and is yet to show the second factor.
    Factor,
    /// A staff member with a login, or who is yet to set up a second factor.
    Enrolling,
    /// Whoever operates the machine: through the Unix socket, login or not.
    Operator,
    /// Either of the two.
    StaffOrOperator,
    /// The operator, or a staff member with the role of auditor.
    AuditorOrOperator,
}

/// Whether a route's answer comes at once or goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Span {
    /// One answer, within the time limit.
    Answer,
    /// A stream of events.
    Stream,
    /// A file, sent while it is made.
    File,
}

/// The methods in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Method {
    /// Reads.
    Get,
    /// Acts.
    Post,
}

/// Names each route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RouteId {
    /// The OpenAPI document.
    OpenApi,
    /// The node's state.
    Status,
    /// The directory.
    Clinic,
    /// The asset list.
    Inventory,
    /// Signing in.
    Login,
    /// Signing out.
    Logout,
    /// Who is signed in.
    Me,
    /// Showing the second factor.
    ShowFactor,
    /// Setting up an authenticator: its secret.
    TotpBegin,
    /// Setting up an authenticator: its first code.
    TotpFinish,
    /// Signing in with a passkey: what the browser is asked.
    PasskeyLoginBegin,
    /// Signing in with a passkey.
    PasskeyLogin,
    /// Setting up a passkey: what the browser is asked.
    PasskeyBegin,
    /// Setting up a passkey: what the browser made.
    PasskeyFinish,
    /// Showing a passkey as second factor: what the browser is asked.
    PasskeyAsk,
    /// One's second factors.
    Factors,
    /// Taking a second factor away.
    FactorRemove,
    /// Other recovery codes.
    RecoveryRenew,
    /// Proving once more who one is.
    StepUp,
    /// Stepping away.
    Lock,
    /// Coming back.
    Unlock,
    /// Unlocking the node itself.
    NodeUnlock,
    /// One's logins.
    Logins,
    /// Ending one of one's logins.
    LoginEnd,
    /// Somebody else's logins.
    StaffLogins,
    /// Ending somebody else's logins.
    StaffLoginsEnd,
    /// Changing one's password.
    Password,
    /// The list of conversations.
    Conversations,
    /// The conversation of several people.
    Group,
    /// A page of messages.
    Messages,
    /// Sending a message.
    Send,
    /// Marking messages as opened.
    Opened,
    /// Keeping what somebody has begun to write.
    Draft,
    /// Writing a message anew.
    Amend,
    /// Taking a message back.
    Retract,
    /// What a message ever said.
    History,
    /// Looking for words.
    Search,
    /// Telling that one is writing.
    Typing,
    /// Who is here.
    Presence,
    /// Telling that one is here.
    Seen,
    /// Taking a message in hand.
    Acknowledge,
    /// Hints.
    Events,
    /// A part of the clinic record.
    Record,
    /// Statements for the clinic record.
    Submit,
    /// Where a device's logs end here.
    Ends,
    /// Where revocations are enforced.
    Revocations,
    /// The epochs of an audit trail and its witnesses.
    Trail,
    /// Audit records for reading.
    TrailRecords,
    /// Audit records as signed.
    TrailSegments,
    /// The accepted mesh keys.
    MeshKeys,
    /// How browsers reach the node.
    Web,
    /// Hosting an invitation.
    InvitationOpen,
    /// Where an invitation stands.
    InvitationState,
    /// The admin's decision on a machine.
    InvitationDecide,
    /// Taking an invitation back.
    InvitationCancel,
    /// What the node has seen of others.
    Doctor,
    /// A backup of everything.
    Backup,
    /// Stopping the node.
    Stop,
}

/// One route.
#[derive(Clone, Copy, Debug)]
pub struct Route {
    /// Which.
    pub id: RouteId,
    /// Method.
    pub method: Method,
    /// Path, with parameters in braces.
    pub path: &'static str,
    /// Who may call it.
    pub access: Access,
    /// Whether the answer goes on.
    pub span: Span,
    /// Query parameters.
    pub query: &'static [&'static str],
    /// Schema of the request's body.
    pub takes: Option<&'static str>,
    /// Schema of the answer.
    pub gives: &'static str,
    /// What it does, in one line.
    pub about: &'static str,
}

const fn get(
    id: RouteId,
    path: &'static str,
    access: Access,
    gives: &'static str,
    about: &'static str,
) -> Route {
    Route {
        id,
        method: Method::Get,
        path,
        access,
        span: Span::Answer,
        query: &[],
        takes: None,
        gives,
        about,
    }
}

const fn post(
    id: RouteId,
    path: &'static str,
    access: Access,
    shapes: (Option<&'static str>, &'static str),
    about: &'static str,
) -> Route {
    Route {
        method: Method::Post,
        takes: shapes.0,
        ..get(id, path, access, shapes.1, about)
    }
}

const fn asking(route: Route, query: &'static [&'static str]) -> Route {
    Route { query, ..route }
}

/// Where a locked node is unlocked.
pub const NODE_UNLOCK: &str = "/v1/node/unlock";

/// Every route.
pub const ROUTES: [Route; 58] = [
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
        RouteId::Login,
        "/v1/login",
        Access::Anyone,
        (Some("LoginRequest"), "LoginAnswer"),
        "Sign in with a password, or the first time with a one-time code and a password to be.",
    ),
    post(
        RouteId::NodeUnlock,
        NODE_UNLOCK,
        Access::Anyone,
        (Some("NodeUnlockRequest"), "Done"),
        "Unlock a node that is locked (every other answer of it says `node_locked`), with the name and \
         password of somebody who has signed in there with them before.",
    ),
    post(
        RouteId::Logout,
        "/v1/logout",
        Access::Begun,
        (None, "Done"),
        "End the login that this request shows.",
    ),
    get(
        RouteId::Me,
        "/v1/me",
        Access::Begun,
        "MeView",
        "Who is signed in, how far, and until when.",
    ),
    post(
        RouteId::ShowFactor,
        "/v1/login/factor",
        Access::Factor,
        (Some("FactorRequest"), "LoginAnswer"),
        "Show the second factor: a code of the authenticator, a recovery code, or a passkey.",
    ),
    post(
        RouteId::PasskeyLoginBegin,
        "/v1/login/passkey/begin",
        Access::Anyone,
        (None, "PasskeyAsked"),
        "Get what a browser is asked to sign in with a passkey; it is the same for everyone.",
    ),
    post(
        RouteId::PasskeyLogin,
        "/v1/login/passkey/finish",
        Access::Anyone,
        (Some("PasskeyShown"), "LoginAnswer"),
        "Sign in with a passkey alone: it is password and second factor in one.",
    ),
    post(
        RouteId::PasskeyAsk,
        "/v1/factors/passkey/ask",
        Access::Begun,
        (None, "PasskeyOptions"),
        "Get what a browser is asked to show a passkey as second factor, or to step up.",
    ),
    post(
        RouteId::PasskeyBegin,
        "/v1/factors/passkey/begin",
        Access::Enrolling,
        (None, "PasskeyOptions"),
        "Get what a browser is asked to make a passkey.",
    ),
    post(
        RouteId::PasskeyFinish,
        "/v1/factors/passkey/finish",
        Access::Enrolling,
        (Some("PasskeyMade"), "FactorKept"),
        "Keep the passkey that was made, and get recovery codes with the first factor; a login that \
         waited for it is ready.",
    ),
    get(
        RouteId::Factors,
        "/v1/factors",
        Access::Staff,
        "FactorsView",
        "One's second factors.",
    ),
    post(
        RouteId::FactorRemove,
        "/v1/factors/{factor}/remove",
        Access::Staff,
        (None, "Done"),
        "Take a passkey or the authenticator (`totp`) away, but never the last of them; every other login \
         of the same person ends.",
    ),
    post(
        RouteId::RecoveryRenew,
        "/v1/factors/recovery",
        Access::Staff,
        (None, "RecoveryRenewed"),
        "Get ten other recovery codes; those before are void.",
    ),
    post(
        RouteId::StepUp,
        "/v1/step-up",
        Access::Staff,
        (Some("StepUpRequest"), "LoginAnswer"),
        "Prove once more who one is, before what asks for it; the login gets another token.",
    ),
    post(
        RouteId::TotpBegin,
        "/v1/factors/totp/begin",
        Access::Enrolling,
        (None, "TotpBegun"),
        "Get a secret for an authenticator; it counts once a code of it was shown.",
    ),
    post(
        RouteId::TotpFinish,
        "/v1/factors/totp/finish",
        Access::Enrolling,
        (Some("TotpFinish"), "FactorKept"),
        "Keep the authenticator whose code this is, and get recovery codes; a login that waited for \
         it is ready.",
    ),
    post(
        RouteId::Lock,
        "/v1/lock",
        Access::Staff,
        (None, "Done"),
        "Lock the login while its owner is away.",
    ),
    post(
        RouteId::Unlock,
        "/v1/unlock",
        Access::Begun,
        (Some("UnlockRequest"), "LoginAnswer"),
        "Open a locked login with its owner's password.",
    ),
    get(
        RouteId::Logins,
        "/v1/logins",
        Access::Staff,
        "LoginsView",
        "One's own logins at this node.",
    ),
    post(
        RouteId::LoginEnd,
        "/v1/logins/{login}/end",
        Access::Staff,
        (None, "Done"),
        "End one of one's own logins.",
    ),
    get(
        RouteId::StaffLogins,
        "/v1/staff/{staff}/logins",
        Access::Operator,
        "LoginsView",
        "The logins of a staff member at this node, for the clinic's admins.",
    ),
    post(
        RouteId::StaffLoginsEnd,
        "/v1/staff/{staff}/logins/end",
        Access::Operator,
        (Some("LoginsEnding"), "LoginsEnded"),
        "End one login of a staff member at this node, or all of them; half ones end too.",
    ),
    post(
        RouteId::Password,
        "/v1/password",
        Access::Staff,
        (Some("PasswordChange"), "Done"),
        "Change one's own password; every other login of the same person ends.",
    ),
    get(
        RouteId::Conversations,
        "/v1/conversations",
        Access::Staff,
        "ConversationsView",
        "One's conversations, those with the newest messages first.",
    ),
    post(
        RouteId::Group,
        "/v1/groups",
        Access::Staff,
        (Some("GroupRequest"), "GroupView"),
        "The conversation of oneself and the people named, by id or name. It begins with its first \
         message.",
    ),
    asking(
        get(
            RouteId::Messages,
            "/v1/conversations/{conversation}/messages",
            Access::Staff,
            "PageView",
            "A page of messages, the newest last. The conversation is an id, a room or a person.",
        ),
        &["before", "limit"],
    ),
    post(
        RouteId::Send,
        "/v1/conversations/{conversation}/messages",
        Access::Staff,
        (Some("SendRequest"), "Sent"),
        "Send a message; the answer comes once it is durable on this node. One key sends once.",
    ),
    post(
        RouteId::Amend,
        "/v1/conversations/{conversation}/amend",
        Access::Staff,
        (Some("AmendRequest"), "Sent"),
        "Write one's own message anew; what it said before stays to be looked at.",
    ),
    post(
        RouteId::Retract,
        "/v1/conversations/{conversation}/retract",
        Access::Staff,
        (Some("RetractRequest"), "Sent"),
        "Take one's own message back: what it said is destroyed at every node.",
    ),
    asking(
        get(
            RouteId::History,
            "/v1/conversations/{conversation}/history",
            Access::Staff,
            "HistoryView",
            "Everything that a message ever said, oldest first.",
        ),
        &["message"],
    ),
    asking(
        get(
            RouteId::Search,
            "/v1/search",
            Access::Staff,
            "FoundView",
            "Look for words in all of one's conversations; each has to begin some word of a message.",
        ),
        &["q", "limit", "before"],
    ),
    post(
        RouteId::Typing,
        "/v1/conversations/{conversation}/typing",
        Access::Staff,
        (None, "Done"),
        "Tell the others that one is writing; passed on at most every three seconds, never stored.",
    ),
    get(
        RouteId::Presence,
        "/v1/presence",
        Access::Staff,
        "PresenceView",
        "Who did something at any office within the last minutes.",
    ),
    post(
        RouteId::Seen,
        "/v1/presence",
        Access::Staff,
        (None, "Done"),
        "Tell that one is at the screen; never stored.",
    ),
    post(
        RouteId::Draft,
        "/v1/conversations/{conversation}/draft",
        Access::Staff,
        (Some("DraftRequest"), "Done"),
        "Keep what one has begun to write, in this node's memory; sending forgets it.",
    ),
    post(
        RouteId::Opened,
        "/v1/conversations/{conversation}/opened",
        Access::Staff,
        (Some("OpenedRequest"), "Done"),
        "Mark everything up to a message as opened; others see it where policy says so.",
    ),
    post(
        RouteId::Acknowledge,
        "/v1/conversations/{conversation}/acknowledge",
        Access::Staff,
        (Some("AcknowledgeRequest"), "Sent"),
        "Take a message in hand, for all members to see.",
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
    get(
        RouteId::MeshKeys,
        "/v1/mesh-keys",
        Access::Operator,
        "MeshKeysView",
        "The accepted mesh keys, for an admin's tool that has to pass them on.",
    ),
    get(
        RouteId::Web,
        "/v1/web",
        Access::StaffOrOperator,
        "WebView",
        "How browsers reach this node, and why they trust it.",
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_route_stands_in_the_table_once() {
        let ids: BTreeSet<RouteId> = ROUTES.iter().map(|route| route.id).collect();
        let places: BTreeSet<_> = ROUTES
            .iter()
            .map(|route| (route.path, route.method))
            .collect();
        assert_eq!((ids.len(), places.len()), (ROUTES.len(), ROUTES.len()));
    }

    #[test]
    fn whatever_shows_or_changes_a_conversation_needs_a_staff_login() {
        for route in ROUTES
            .iter()
            .filter(|route| route.path.contains("conversation"))
        {
            assert_eq!(route.access, Access::Staff, "{}", route.path);
        }
    }
}
