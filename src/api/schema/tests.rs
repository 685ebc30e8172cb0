use serde::de::DeserializeOwned;

use super::*;
use crate::api::{
    audit, backup, clinic, conversation, doctor, enrolment, inventory, login, moment, problem,
    record, revocation, status, web,
};

/// A value with every field of a schema filled.
fn sample(name: &str) -> Value {
    let found = SCHEMAS.iter().find(|(known, _)| *known == name);
    let (_, fields) = found.expect("a schema of this name");
    let value = |field: &str, kind: Kind| match kind {
        // Words of a list of words.
        Text if field == "state" => json!("left"),
        Text if field == "code" && name == "Problem" => json!("busy"),
        Text | MaybeText => json!("x"),
        Number | MaybeNumber => json!(7),
        Flag => json!(true),
        Texts | MaybeTexts => json!(["x"]),
        Object(inner) | MaybeObject(inner) => sample(inner),
        List(inner) => json!([sample(inner)]),
        Foreign | MaybeForeign => json!({ "type": "public-key" }),
    };
    let filled = fields
        .iter()
        .map(|(field, kind)| ((*field).to_owned(), value(field, *kind)));
    Value::Object(filled.collect())
}

fn fits<T: DeserializeOwned + Serialize>(name: &'static str) -> &'static str {
    let sample = sample(name);
    let read: T = serde_json::from_value(sample.clone()).expect(name);
    assert_eq!(serde_json::to_value(&read).expect(name), sample, "{name}");
    name
}

#[test]
fn every_schema_has_the_fields_of_its_struct_and_no_others() {
    let fitting = [
        fits::<moment::Moment>("Moment"),
        fits::<backup::BackupView>("BackupView"),
        fits::<backup::BackupFailureView>("BackupFailureView"),
        fits::<problem::Problem>("Problem"),
        fits::<login::Done>("Done"),
        fits::<login::LoginRequest>("LoginRequest"),
        fits::<login::NodeUnlockRequest>("NodeUnlockRequest"),
        fits::<login::LoginsEnding>("LoginsEnding"),
        fits::<login::LoginsEnded>("LoginsEnded"),
        fits::<login::LoginAnswer>("LoginAnswer"),
        fits::<login::MeView>("MeView"),
        fits::<login::FactorRequest>("FactorRequest"),
        fits::<login::TotpBegun>("TotpBegun"),
        fits::<login::TotpFinish>("TotpFinish"),
        fits::<login::FactorKept>("FactorKept"),
        fits::<login::StepUpRequest>("StepUpRequest"),
        fits::<login::PasskeyOptions>("PasskeyOptions"),
        fits::<login::PasskeyAsked>("PasskeyAsked"),
        fits::<login::PasskeyShown>("PasskeyShown"),
        fits::<login::PasskeyMade>("PasskeyMade"),
        fits::<login::FactorsView>("FactorsView"),
        fits::<login::PasskeyLine>("PasskeyLine"),
        fits::<login::RecoveryRenewed>("RecoveryRenewed"),
        fits::<login::UnlockRequest>("UnlockRequest"),
        fits::<login::LoginsView>("LoginsView"),
        fits::<login::LoginLine>("LoginLine"),
        fits::<login::PasswordChange>("PasswordChange"),
        fits::<clinic::ClinicView>("ClinicView"),
        fits::<clinic::StaffView>("StaffView"),
        fits::<clinic::RoomView>("RoomView"),
        fits::<clinic::DeviceView>("DeviceView"),
        fits::<clinic::AdminView>("AdminView"),
        fits::<clinic::PolicyView>("PolicyView"),
        fits::<conversation::ConversationsView>("ConversationsView"),
        fits::<conversation::ConversationView>("ConversationView"),
        fits::<conversation::PageView>("PageView"),
        fits::<conversation::MessageView>("MessageView"),
        fits::<conversation::PresenceView>("PresenceView"),
        fits::<conversation::FoundView>("FoundView"),
        fits::<conversation::HitView>("HitView"),
        fits::<conversation::RetractedView>("RetractedView"),
        fits::<conversation::HistoryView>("HistoryView"),
        fits::<conversation::VersionView>("VersionView"),
        fits::<conversation::QuoteView>("QuoteView"),
        fits::<conversation::DeliveryView>("DeliveryView"),
        fits::<conversation::SendRequest>("SendRequest"),
        fits::<conversation::AmendRequest>("AmendRequest"),
        fits::<backup::BackupRequest>("BackupRequest"),
        fits::<conversation::GroupRequest>("GroupRequest"),
        fits::<conversation::GroupView>("GroupView"),
        fits::<conversation::RetractRequest>("RetractRequest"),
        fits::<conversation::DraftRequest>("DraftRequest"),
        fits::<conversation::OpenedRequest>("OpenedRequest"),
        fits::<conversation::AcknowledgeRequest>("AcknowledgeRequest"),
        fits::<conversation::Sent>("Sent"),
        fits::<status::StatusView>("StatusView"),
        fits::<status::PeerView>("PeerView"),
        fits::<status::ForkView>("ForkView"),
        fits::<status::WitnessView>("WitnessView"),
        fits::<status::WarningView>("WarningView"),
        fits::<record::RecordPart>("RecordPart"),
        fits::<record::SubmitRequest>("SubmitRequest"),
        fits::<record::MeshKeyText>("MeshKeyText"),
        fits::<record::Submitted>("Submitted"),
        fits::<record::VoidStatement>("VoidStatement"),
        fits::<record::EndsView>("EndsView"),
        fits::<inventory::InventoryView>("InventoryView"),
        fits::<inventory::AssetView>("AssetView"),
        fits::<inventory::AssetBackupView>("AssetBackupView"),
        fits::<inventory::AccessView>("AccessView"),
        fits::<revocation::RevocationsView>("RevocationsView"),
        fits::<revocation::RevocationView>("RevocationView"),
        fits::<revocation::EnforcementView>("EnforcementView"),
        fits::<enrolment::MeshKeysView>("MeshKeysView"),
        fits::<doctor::DoctorRequest>("DoctorRequest"),
        fits::<doctor::DoctorView>("DoctorView"),
        fits::<web::WebView>("WebView"),
        fits::<enrolment::InvitationOpening>("InvitationOpening"),
        fits::<enrolment::InvitationOpened>("InvitationOpened"),
        fits::<enrolment::InvitationView>("InvitationView"),
        fits::<enrolment::CandidateView>("CandidateView"),
        fits::<enrolment::Decision>("Decision"),
        fits::<audit::TrailView>("TrailView"),
        fits::<audit::EpochView>("EpochView"),
        fits::<audit::TrailRecords>("TrailRecords"),
        fits::<audit::TrailSegments>("TrailSegments"),
        fits::<audit::RecordView>("RecordView"),
    ];
    let names: std::collections::BTreeSet<_> = SCHEMAS.iter().map(|(name, _)| *name).collect();
    assert_eq!(names.len(), SCHEMAS.len(), "each stands once");
    let mut others = names;
    others.retain(|name| !fitting.contains(name));
    let others: Vec<&str> = others.into_iter().collect();
    assert_eq!(others, [""; 0], "a schema without its struct in this test");
}
