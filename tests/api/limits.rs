//! How much one person may ask of the API.

use clinic_mesh::api::event::Hint;
use clinic_mesh::api::problem::Code;
use clinic_mesh::domain::statement::Role;

use crate::desk::{Desk, code};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_has_eight_live_streams_at_most() {
    let mut desk = Desk::open().await;
    let (_, ana) = desk.signed_in("Ana", &[Role::Clinician]).await;
    let mut open = Vec::new();
    for _ in 0..8 {
        open.push(ana.events().await.expect("one of eight"));
    }
    assert_eq!(code(ana.events().await), Code::Busy);
    let mut of_operator = desk.operator().events().await.expect("not hers");
    let first = of_operator.next().await.expect("open").expect("readable");
    assert_eq!(first, Hint::Open);
    desk.stop().await;
}
