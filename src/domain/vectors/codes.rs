//! What is read out, typed in, or derived from a code.

use super::{ANA, Vectors};
use crate::domain::invitation::{InvitationSecret, SignInSecret, short_code};
use crate::domain::testing::{SampleClinic, mesh_key};

pub(super) fn vectors(clinic: &SampleClinic) -> Vectors {
    let invitation = InvitationSecret::new(*b"0123456789abcdef");
    let sign_in = SignInSecret::new(*b"0123456789");
    let commitment = mesh_key(1).commitment(&clinic.id, 1);
    [
        ("invitation code", invitation.code().into_bytes()),
        ("invitation id", invitation.id().as_bytes().to_vec()),
        ("invitation psk", invitation.psk().to_vec()),
        (
            "invitation commitment",
            invitation.commitment().as_bytes().to_vec(),
        ),
        ("invitation tag", invitation.tag().to_vec()),
        ("sign-in code", sign_in.code().into_bytes()),
        ("sign-in hash", sign_in.hash(ANA).as_bytes().to_vec()),
        ("short code", short_code(b"handshake").into_bytes()),
        ("mesh-key commitment", commitment.as_bytes().to_vec()),
    ]
    .map(|(what, bytes)| (what.to_owned(), bytes))
    .into()
}
