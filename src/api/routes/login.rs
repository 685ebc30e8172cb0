//! Routes about signing in: logins, passwords, passkeys and second factors.
//!
//! What a login may call while it is yet to be completed stands here and nowhere else.

use super::{Access, Route, RouteId, get, post};

/// Signing in and out: passwords, second factors, and logins.
pub(super) const LOGIN: [Route; 22] = [
    post(
        RouteId::Login,
        "/v1/login",
        Access::Anyone,
        (Some("LoginRequest"), "LoginAnswer"),
        "Sign in with a password, or the first time with a one-time code and a password to be.",
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
];
