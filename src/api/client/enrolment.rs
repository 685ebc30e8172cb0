//! Enrolment through the API.

use super::{Answer, Client};
use crate::api::blob;
use crate::api::enrolment::{
    Decision, InvitationOpened, InvitationOpening, InvitationView, MeshKeysView,
};
use crate::api::login::Done;
use crate::domain::enrol::{EnrolmentAnswer, SharedMeshKey};
use crate::domain::id::{InvitationId, hex};
use crate::domain::invitation::InvitationSecret;
use crate::domain::trust::MeshKey;

impl Client {
    /// The mesh keys that the node accepts.
    pub async fn mesh_keys(&self) -> Answer<Vec<SharedMeshKey>> {
        let view: MeshKeysView = self.get("/v1/mesh-keys").await?;
        let shared = view.mesh_keys.iter().map(|text| {
            let key = MeshKey::new(blob::unwrap_key(&text.key)?);
            let epoch = text.epoch;
            Ok(SharedMeshKey { epoch, key })
        });
        shared.collect()
    }

    /// Has the node hear whoever comes with this invitation.
    pub async fn open_invitation(
        &self,
        secret: &InvitationSecret,
        seconds: u64,
    ) -> Answer<InvitationOpened> {
        let opening = InvitationOpening {
            invitation: secret.id().to_string(),
            psk: blob::wrap_key(&secret.psk()),
            tag: hex(&secret.tag()),
            seconds,
        };
        self.post("/v1/enrolment", &opening).await
    }

    /// Where an invitation stands; waits a while if that is what was seen already.
    pub async fn invitation(&self, invitation: InvitationId, seen: &str) -> Answer<InvitationView> {
        self.get(&format!("/v1/enrolment/{invitation}?seen={seen}"))
            .await
    }

    /// Hands the answer to the machine that waits.
    pub async fn let_in(&self, invitation: InvitationId, answer: &EnrolmentAnswer) -> Answer<Done> {
        let answer = Some(blob::wrap(answer));
        self.decide(invitation, &Decision { answer }).await
    }

    /// Sends the machine that waits away.
    pub async fn send_away(&self, invitation: InvitationId) -> Answer<Done> {
        self.decide(invitation, &Decision { answer: None }).await
    }

    /// Takes the invitation back.
    pub async fn cancel_invitation(&self, invitation: InvitationId) -> Answer<Done> {
        self.post(&format!("/v1/enrolment/{invitation}/cancel"), &Done {})
            .await
    }

    async fn decide(&self, invitation: InvitationId, decision: &Decision) -> Answer<Done> {
        self.post(&format!("/v1/enrolment/{invitation}/decision"), decision)
            .await
    }
}
