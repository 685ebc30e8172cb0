//! The doctor's question through the API.

use super::{Answer, Client};
use crate::api::doctor::{DoctorRequest, DoctorView};

impl Client {
    /// What the node has seen of others.
    pub async fn doctor(&self, request: &DoctorRequest) -> Answer<DoctorView> {
        self.post("/v1/doctor", request).await
    }
}
