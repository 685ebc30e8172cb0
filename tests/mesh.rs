//! Nodes in one process, over real sockets and real stores: one thin thread through every layer.

#[path = "support/offices.rs"]
mod offices;

use std::time::Duration;

use clinic_mesh::domain::audit::Origin;
use clinic_mesh::domain::space::Space;
use clinic_mesh::node::engine::Command;
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
        tokio::time::sleep(Duration::from_millis(10)).await;
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
async fn after_all_certificates_have_ended_an_admin_renews_one_node_and_it_renews_the_others() {
    const DAYS: u32 = 31;
    let mut clinic = Clinic::found();
    let ana = clinic.add_staff("Ana", "front-desk");
    let ben = clinic.add_staff("Ben", "ward-2");
    let front = clinic.enrol("front-desk");
    clinic.enrol("ward-2");
    let desk = clinic.start_ahead("front-desk", &[], DAYS);
    clinic.publish(&desk).await;
    let ward = clinic.start_ahead("ward-2", &[desk.address().await], DAYS);
    for office in [&desk, &ward] {
        let status = office.status().await;
        assert!(status.certificate_until < Some(status.now), "{status:?}");
        assert!(status.links.is_empty(), "{status:?}");
    }

    let now = desk.status().await.now;
    let authority = clinic.authority();
    let (until, _) = authority.renew_device(front, now).expect("signed");
    clinic.publish(&desk).await;

    desk.until("its certificate is the admin's", |status| {
        status.certificate_until == Some(until)
    })
    .await;
    ward.until("the front desk has renewed it", |status| {
        status.certificate_until > Some(status.now) && !status.links.is_empty()
    })
    .await;
    let space = Space::direct(ana, ben).expect("two people");
    desk.post(ana, space, "We are back").await;
    ward.until("the entry is there", |status| status.entries > 0)
        .await;
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
        tokio::time::sleep(Duration::from_millis(10)).await;
    }

    let texts = ward.texts(ben, room).await;
    assert_eq!(texts.last().map(String::as_str), Some("note 299"));
    desk.stop().await;
    ward.stop().await;
}

/// Whoever hears that a node has ended opens its store at once: a service that is restarted does. A reading that
/// was still under way must not keep the store, so the node has not ended before it.
#[test]
fn a_node_that_has_ended_has_closed_its_store() {
    let one_reader = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(1)
        .enable_all()
        .build()
        .expect("a runtime");
    one_reader.block_on(async {
        let mut clinic = Clinic::found();
        let ana = clinic.add_staff("Ana", "front-desk");
        let room = clinic.add_room("rounds", &["Ana"]);
        clinic.enrol("front-desk");
        let mut desk = clinic.start("front-desk", &[]);
        clinic.publish(&desk).await;
        desk.post(ana, room, "Bed 4 is free").await;

        // The only thread that reads is busy, so what is asked now is still to be read when the node stops.
        let (go_on, held_up) = std::sync::mpsc::channel::<()>();
        let busy = tokio::task::spawn_blocking(move || held_up.recv());
        let read = Command::Read {
            staff: ana,
            origin: Origin::Socket,
            space: room,
            before: None,
            limit: 1,
        };
        let handle = desk.running.handle.clone();
        let until_stopped = async {
            // What is written after the reading was recorded is durable no earlier than that record.
            desk.post(ana, room, "Bed 5 is free").await;
            desk.ask(Command::Stop).await;
            let early = Duration::from_millis(200);
            let early = tokio::time::timeout(early, desk.running.ended()).await;
            assert!(early.is_err(), "it ended while its store was being read");
            drop(go_on);
            desk.running.ended().await.expect("an orderly end");
            drop(offices::open(&clinic.office_dir("front-desk")));
        };
        let (_unheard, ()) = tokio::join!(handle.ask(read), until_stopped);
        busy.await.expect("it was let go").expect_err("by nobody");
    });
}
