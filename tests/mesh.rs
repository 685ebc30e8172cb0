//! Nodes in one process, over real sockets and real stores: one thin thread through every layer.

#[path = "support/offices.rs"]
mod offices;

use clinic_mesh::domain::space::Space;
use offices::Clinic;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_reaches_the_other_office_and_is_attested_there() {
    let mut clinic = Clinic::found();
    let ana = clinic.add_staff("Ana", "front-desk");
    let ben = clinic.add_staff("Ben", "ward-2");
    clinic.enrol("front-desk");
    clinic.enrol("ward-2");
    let desk = clinic.start("front-desk", &[]);
    clinic.publish(&desk).await;
    let ward = clinic.start("ward-2", &[desk.address().await]);
    let space = Space::direct(ana, ben).expect("two people");

    let id = desk.post(ana, space, "Bed 4 is free").await;

    ward.until("the entry is there", |status| {
        status.entries > 0 && !status.links.is_empty()
    })
    .await;
    for _ in 0..1000 {
        let page = desk.page(ana, space).await;
        if page.messages[0].receipts.held_by.contains(&ward.device) {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    let page = desk.page(ana, space).await;
    assert_eq!(page.messages[0].id, id);
    assert!(
        page.messages[0].receipts.held_by.contains(&ward.device),
        "attested by the ward"
    );
    assert_eq!(ward.texts(ben, space).await, ["Bed 4 is free"]);
    desk.stop().await;
    ward.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_office_that_was_off_gets_what_it_missed() {
    let mut clinic = Clinic::found();
    let ana = clinic.add_staff("Ana", "front-desk");
    let ben = clinic.add_staff("Ben", "ward-2");
    let room = clinic.add_room("rounds", &["Ana", "Ben"]);
    clinic.enrol("front-desk");
    clinic.enrol("ward-2");
    let desk = clinic.start("front-desk", &[]);
    clinic.publish(&desk).await;
    for n in 0..300 {
        desk.post(ana, room, &format!("note {n}")).await;
    }

    let ward = clinic.start("ward-2", &[desk.address().await]);
    ward.until("everything is there", |status| status.entries > 300)
        .await;
    for _ in 0..1000 {
        if ward.texts(ben, room).await.len() == 100 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }

    let texts = ward.texts(ben, room).await;
    assert_eq!(texts.last().map(String::as_str), Some("note 299"));
    desk.stop().await;
    ward.stop().await;
}
