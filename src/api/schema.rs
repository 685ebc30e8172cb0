//! Schemas of the API's requests and answers, written down field by field.
//!
//! A test fills every struct, turns it into JSON and compares the fields, so neither can drift.

use serde::Serialize;
use serde_json::{Map, Value, json};

/// How a field is written down.
#[derive(Clone, Copy)]
enum Kind {
    Text,
    Number,
    Flag,
    Object(&'static str),
    /// A list of the kind inside.
    Texts,
    List(&'static str),
    /// May be absent.
    MaybeTexts,
    /// May be absent or null.
    MaybeText,
    MaybeNumber,
    MaybeObject(&'static str),
    /// What browsers take and show, as WebAuthn has it.
    Foreign,
    MaybeForeign,
}

use Kind::{
    Flag, Foreign, List, MaybeForeign, MaybeNumber, MaybeObject, MaybeText, MaybeTexts, Number,
    Object, Text, Texts,
};

type Fields = &'static [(&'static str, Kind)];

/// Every schema but the hints'.
const SCHEMAS: &[(&str, Fields)] = &[
    ("Moment", &[("iso", Text), ("ms", Number)]),
    (
        "Problem",
        &[
            ("code", Text),
            ("message", Text),
            ("remedy", MaybeText),
            ("retry_after", MaybeNumber),
        ],
    ),
    ("Done", &[]),
    (
        "LoginRequest",
        &[
            ("name", Text),
            ("password", MaybeText),
            ("code", MaybeText),
            ("new_password", MaybeText),
        ],
    ),
    ("NodeUnlockRequest", &[("name", Text), ("password", Text)]),
    ("LoginsEnding", &[("login", MaybeText)]),
    ("LoginsEnded", &[("ended", Number)]),
    (
        "LoginAnswer",
        &[
            ("state", Text),
            ("factors", Texts),
            ("token", MaybeText),
            ("proof", MaybeText),
            ("staff", Text),
            ("name", Text),
            ("ends", Object("Moment")),
            ("idle_minutes", Number),
        ],
    ),
    (
        "MeView",
        &[
            ("state", Text),
            ("factors", Texts),
            ("recovery_left", Number),
            ("staff", Text),
            ("name", Text),
            ("roles", Texts),
            ("office", MaybeText),
            ("clinic", MaybeText),
            ("ends", Object("Moment")),
            ("idle_minutes", Number),
            ("proof", MaybeText),
        ],
    ),
    (
        "FactorRequest",
        &[
            ("totp", MaybeText),
            ("recovery", MaybeText),
            ("passkey", MaybeForeign),
        ],
    ),
    (
        "StepUpRequest",
        &[
            ("password", MaybeText),
            ("totp", MaybeText),
            ("recovery", MaybeText),
            ("passkey", MaybeForeign),
        ],
    ),
    ("PasskeyOptions", &[("public_key", Foreign)]),
    (
        "PasskeyAsked",
        &[("ceremony", Text), ("public_key", Foreign)],
    ),
    (
        "PasskeyShown",
        &[("ceremony", Text), ("credential", Foreign)],
    ),
    ("PasskeyMade", &[("name", Text), ("credential", Foreign)]),
    (
        "FactorsView",
        &[
            ("totp", Flag),
            ("passkeys", List("PasskeyLine")),
            ("recovery_left", Number),
        ],
    ),
    (
        "PasskeyLine",
        &[
            ("id", Text),
            ("name", Text),
            ("added", Object("Moment")),
            ("here", Flag),
        ],
    ),
    ("RecoveryRenewed", &[("recovery_codes", Texts)]),
    (
        "TotpBegun",
        &[("secret", Text), ("uri", Text), ("qr_svg", Text)],
    ),
    ("TotpFinish", &[("totp", Text)]),
    (
        "FactorKept",
        &[
            ("recovery_codes", Texts),
            ("state", Text),
            ("factors", Texts),
            ("token", MaybeText),
            ("proof", MaybeText),
            ("staff", Text),
            ("name", Text),
            ("ends", Object("Moment")),
            ("idle_minutes", Number),
        ],
    ),
    ("UnlockRequest", &[("password", Text)]),
    (
        "LoginsView",
        &[
            ("logins", List("LoginLine")),
            ("office", MaybeText),
            ("elsewhere", Texts),
        ],
    ),
    (
        "LoginLine",
        &[
            ("id", Text),
            ("began", Object("Moment")),
            ("used", Object("Moment")),
            ("door", Text),
            ("address", MaybeText),
            ("browser", MaybeText),
            ("this", Flag),
        ],
    ),
    (
        "PasswordChange",
        &[("password", Text), ("new_password", Text)],
    ),
    (
        "ClinicView",
        &[
            ("id", Text),
            ("name", MaybeText),
            ("staff", List("StaffView")),
            ("rooms", List("RoomView")),
            ("devices", List("DeviceView")),
            ("admins", List("AdminView")),
            ("policy", Object("PolicyView")),
        ],
    ),
    (
        "InventoryView",
        &[
            ("made_at", Object("Moment")),
            ("clinic", Text),
            ("clinic_name", MaybeText),
            ("made_by", Text),
            ("devices", List("AssetView")),
            ("people", List("AccessView")),
        ],
    ),
    (
        "AssetView",
        &[
            ("id", Text),
            ("name", Text),
            ("office", Text),
            ("kind", Text),
            ("capabilities", Texts),
            ("state", Text),
            ("key_since", MaybeObject("Moment")),
            ("certified_until", Object("Moment")),
            ("revoked", MaybeObject("Moment")),
            ("version", MaybeText),
            ("version_since", MaybeObject("Moment")),
            ("outdated", Flag),
            ("backup", MaybeObject("AssetBackupView")),
            ("told", MaybeObject("Moment")),
            ("last_heard", MaybeObject("Moment")),
            ("address", MaybeText),
            ("people", Texts),
        ],
    ),
    (
        "AssetBackupView",
        &[
            ("last", MaybeObject("Moment")),
            ("every_hours", MaybeNumber),
            ("failed", Flag),
        ],
    ),
    (
        "AccessView",
        &[
            ("id", Text),
            ("name", Text),
            ("roles", Texts),
            ("offices", Texts),
            ("suspended", Flag),
        ],
    ),
    (
        "StaffView",
        &[
            ("id", Text),
            ("name", Text),
            ("roles", Texts),
            ("homes", Texts),
            ("suspended", Flag),
        ],
    ),
    (
        "RoomView",
        &[
            ("id", Text),
            ("name", Text),
            ("members", Texts),
            ("history", Text),
        ],
    ),
    (
        "DeviceView",
        &[
            ("id", Text),
            ("name", Text),
            ("office", Text),
            ("kind", Text),
            ("certified_until", Object("Moment")),
            ("revoked", MaybeObject("Moment")),
            ("address", MaybeText),
        ],
    ),
    (
        "AdminView",
        &[
            ("id", Text),
            ("name", Text),
            ("until", Object("Moment")),
            ("removed", Flag),
        ],
    ),
    (
        "PolicyView",
        &[
            ("version", Number),
            ("direct_days", Number),
            ("room_days", Number),
            ("audit_days", Number),
            ("opened_receipts", Flag),
            ("printing", Flag),
            ("idle_logoff_minutes", Number),
            ("stale_warning_hours", Number),
            ("stale_read_only_hours", Number),
            ("networks", Texts),
            ("two_admins", Flag),
        ],
    ),
    (
        "ConversationsView",
        &[("conversations", List("ConversationView"))],
    ),
    (
        "ConversationView",
        &[
            ("id", Text),
            ("kind", Text),
            ("name", Text),
            ("members", Texts),
            ("newest", MaybeObject("Moment")),
            ("unread", Number),
            ("mentioned", Flag),
            ("first_unread", MaybeText),
            ("newest_unread", MaybeObject("Moment")),
            ("read_last", Flag),
            ("draft", MaybeText),
        ],
    ),
    (
        "PageView",
        &[
            ("conversation", Text),
            ("name", Text),
            ("messages", List("MessageView")),
            ("earlier", MaybeText),
        ],
    ),
    (
        "MessageView",
        &[
            ("id", Text),
            ("written", Object("Moment")),
            ("staff", Text),
            ("by", Text),
            ("mine", Flag),
            ("text", MaybeText),
            ("amended", Flag),
            ("retracted", MaybeObject("RetractedView")),
            ("reply_to", MaybeObject("QuoteView")),
            ("mentions", Texts),
            ("before_removal_was_known", Flag),
            ("delivery", Object("DeliveryView")),
        ],
    ),
    ("PresenceView", &[("here", Texts)]),
    (
        "FoundView",
        &[
            ("hits", List("HitView")),
            ("more", MaybeText),
            ("complete", Flag),
        ],
    ),
    (
        "HitView",
        &[
            ("conversation", Text),
            ("name", Text),
            ("message", Object("MessageView")),
        ],
    ),
    (
        "RetractedView",
        &[("by", Text), ("when", Object("Moment")), ("reason", Text)],
    ),
    ("HistoryView", &[("versions", List("VersionView"))]),
    (
        "VersionView",
        &[("written", Object("Moment")), ("text", Text)],
    ),
    (
        "QuoteView",
        &[("id", Text), ("by", MaybeText), ("text", MaybeText)],
    ),
    (
        "DeliveryView",
        &[
            ("state", Text),
            ("stored_at", Texts),
            ("missing", Texts),
            ("opened_by", Texts),
            ("acknowledged_by", Texts),
        ],
    ),
    (
        "SendRequest",
        &[
            ("text", Text),
            ("reply_to", MaybeText),
            ("mentions", MaybeTexts),
            ("key", MaybeText),
        ],
    ),
    ("BackupRequest", &[("to", Texts)]),
    ("GroupRequest", &[("members", Texts)]),
    (
        "GroupView",
        &[("conversation", Text), ("name", Text), ("members", Texts)],
    ),
    ("AmendRequest", &[("message", Text), ("text", Text)]),
    ("RetractRequest", &[("message", Text), ("reason", Text)]),
    ("DraftRequest", &[("text", Text)]),
    ("OpenedRequest", &[("message", Text)]),
    ("AcknowledgeRequest", &[("message", Text)]),
    (
        "Sent",
        &[("id", Text), ("conversation", Text), ("name", Text)],
    ),
    (
        "StatusView",
        &[
            ("version", Text),
            ("name", Text),
            ("office", MaybeText),
            ("device", Text),
            ("clinic", Text),
            ("clinic_name", MaybeText),
            ("standing", Text),
            ("peers", List("PeerView")),
            ("away", Texts),
            ("spaces", Number),
            ("entries", Number),
            ("horizon", Text),
            ("record", Text),
            ("forks", List("ForkView")),
            ("witnesses", List("WitnessView")),
            ("trail", Number),
            ("logins", Number),
            ("certificate_until", MaybeObject("Moment")),
            ("mesh_offset_ms", MaybeNumber),
            ("backup", MaybeObject("BackupView")),
            ("warnings", List("WarningView")),
        ],
    ),
    (
        "BackupView",
        &[
            ("last", MaybeObject("Moment")),
            ("by", MaybeText),
            ("opened", Flag),
            ("bytes", MaybeNumber),
            ("every_hours", MaybeNumber),
            ("due", Object("Moment")),
            ("failed", MaybeObject("BackupFailureView")),
        ],
    ),
    (
        "BackupFailureView",
        &[("at", Object("Moment")), ("why", Text), ("remedy", Text)],
    ),
    (
        "PeerView",
        &[
            ("name", Text),
            ("office", MaybeText),
            ("device", Text),
            ("offset_ms", Number),
            ("in_sync", Flag),
        ],
    ),
    (
        "ForkView",
        &[("author", Text), ("place", Text), ("epoch", Text)],
    ),
    ("WitnessView", &[("name", Text), ("seq", Number)]),
    (
        "WarningView",
        &[
            ("kind", Text),
            ("message", Text),
            ("remedy", Text),
            ("everybody", Flag),
        ],
    ),
    ("RecordPart", &[("segments", Texts), ("next", MaybeNumber)]),
    (
        "SubmitRequest",
        &[("segments", Texts), ("mesh_keys", List("MeshKeyText"))],
    ),
    ("MeshKeyText", &[("epoch", Number), ("key", Text)]),
    ("Submitted", &[("void", List("VoidStatement"))]),
    (
        "VoidStatement",
        &[("author", Text), ("seq", Number), ("why", Text)],
    ),
    ("EndsView", &[("ends", Texts)]),
    (
        "DoctorRequest",
        &[("addresses", Texts), ("patience", Number)],
    ),
    ("DoctorView", &[("node", Foreign)]),
    (
        "RevocationsView",
        &[("revocations", List("RevocationView"))],
    ),
    (
        "RevocationView",
        &[
            ("kind", Text),
            ("id", Text),
            ("name", Text),
            ("signed_at", Object("Moment")),
            ("everywhere", Flag),
            ("nodes", List("EnforcementView")),
        ],
    ),
    (
        "EnforcementView",
        &[
            ("office", Text),
            ("name", Text),
            ("device", Text),
            ("state", Text),
            ("heard_at", MaybeObject("Moment")),
            ("after_ms", MaybeNumber),
            ("offline_since", MaybeObject("Moment")),
            ("acts_until", MaybeObject("Moment")),
            ("certified_until", MaybeObject("Moment")),
        ],
    ),
    ("MeshKeysView", &[("mesh_keys", List("MeshKeyText"))]),
    (
        "WebView",
        &[
            ("addresses", Texts),
            ("device", Text),
            ("name", Text),
            ("key", Text),
            ("names", Texts),
            ("until", MaybeObject("Moment")),
            ("authority", MaybeText),
            ("fingerprint", MaybeText),
        ],
    ),
    (
        "InvitationOpening",
        &[
            ("invitation", Text),
            ("psk", Text),
            ("tag", Text),
            ("seconds", Number),
        ],
    ),
    ("InvitationOpened", &[("listening", Text), ("port", Number)]),
    (
        "InvitationView",
        &[
            ("stage", Text),
            ("mark", Text),
            ("candidate", MaybeObject("CandidateView")),
            ("second_uses", Number),
            ("second_from", MaybeText),
        ],
    ),
    (
        "CandidateView",
        &[
            ("request", Text),
            ("binding", Text),
            ("proven", Text),
            ("short_code", Text),
            ("address", Text),
        ],
    ),
    ("Decision", &[("answer", MaybeText)]),
    (
        "TrailView",
        &[
            ("device", Text),
            ("name", Text),
            ("epochs", List("EpochView")),
            ("attestations", Texts),
        ],
    ),
    (
        "EpochView",
        &[
            ("epoch", Text),
            ("began", Object("Moment")),
            ("seq", Number),
            ("hash", Text),
        ],
    ),
    (
        "TrailRecords",
        &[("records", List("RecordView")), ("next", MaybeNumber)],
    ),
    (
        "TrailSegments",
        &[("segments", Texts), ("next", MaybeNumber)],
    ),
    (
        "RecordView",
        &[
            ("seq", Number),
            ("at", Object("Moment")),
            ("who", Text),
            ("from", Text),
            ("deed", Text),
            ("what", Text),
            ("outcome", Text),
        ],
    ),
];

/// Every schema by name.
pub(super) fn all() -> Value {
    let mut schemas = Map::new();
    for (name, fields) in SCHEMAS {
        schemas.insert((*name).to_owned(), object(fields));
    }
    schemas.insert("Hint".to_owned(), hint());
    schemas.insert(
        "Backup".to_owned(),
        json!({ "type": "string", "format": "binary", "description": "A backup file; see docs/storage.md." }),
    );
    schemas.insert("OpenApi".to_owned(), json!({ "type": "object" }));
    Value::Object(schemas)
}

/// The word that a value without fields is written as.
pub(super) fn word<T: Serialize>(value: &T) -> String {
    let value = serde_json::to_value(value).unwrap_or_default();
    value.as_str().unwrap_or_default().to_owned()
}

fn hint() -> Value {
    json!({
        "type": "object",
        "required": ["kind"],
        "properties": { "kind": { "type": "string" } },
        "additionalProperties": true,
    })
}

fn object(fields: Fields) -> Value {
    let properties: Map<String, Value> = fields
        .iter()
        .map(|(name, kind)| ((*name).to_owned(), property(*kind)))
        .collect();
    let always = fields.iter().filter(|(_, kind)| !may_be_absent(*kind));
    let required: Vec<&str> = always.map(|(name, _)| *name).collect();
    json!({ "type": "object", "required": required, "properties": properties })
}

fn property(kind: Kind) -> Value {
    let reference = |name: &str| json!({ "$ref": format!("#/components/schemas/{name}") });
    match kind {
        Text => json!({ "type": "string" }),
        Number => json!({ "type": "integer" }),
        Flag => json!({ "type": "boolean" }),
        Object(name) => reference(name),
        Texts | MaybeTexts => json!({ "type": "array", "items": { "type": "string" } }),
        List(name) => json!({ "type": "array", "items": reference(name) }),
        MaybeText => json!({ "type": ["string", "null"] }),
        MaybeNumber => json!({ "type": ["integer", "null"] }),
        MaybeObject(name) => json!({ "oneOf": [reference(name), { "type": "null" }] }),
        Foreign => json!({ "type": "object" }),
        MaybeForeign => json!({ "type": ["object", "null"] }),
    }
}

const fn may_be_absent(kind: Kind) -> bool {
    matches!(
        kind,
        MaybeText | MaybeTexts | MaybeNumber | MaybeObject(_) | MaybeForeign
    )
}

#[cfg(test)]
mod tests;
