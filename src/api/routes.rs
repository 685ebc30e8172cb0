//! Every route, and who may call it.
//!
//! The router is built from this table and judges every request by it, so a route cannot be served
//! under another rule than the one that stands here. The rows stand by subject in the files below;
//! [`ROUTES`] is all of them.

mod conversation;
mod login;
mod node;
mod record;

use conversation::CONVERSATION;
use login::LOGIN;
use node::NODE;
use record::RECORD;

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
pub const ROUTES: [Route; COUNT] = joined([&NODE, &LOGIN, &CONVERSATION, &RECORD]);

const COUNT: usize = NODE.len() + LOGIN.len() + CONVERSATION.len() + RECORD.len();

/// The rows of all tables in one.
///
/// Runs while compiling: a count that is not the sum of the tables is an error there.
const fn joined<const TABLES: usize>(tables: [&[Route]; TABLES]) -> [Route; COUNT] {
    let mut all = [NODE[0]; COUNT];
    let (mut table, mut filled) = (0, 0);
    while table < TABLES {
        let mut row = 0;
        while row < tables[table].len() {
            all[filled] = tables[table][row];
            row += 1;
            filled += 1;
        }
        table += 1;
    }
    assert!(filled == COUNT, "every row of every table");
    all
}

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
