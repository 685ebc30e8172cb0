//! Real mDNS on loopback; each test on a port of its own, so that they do not meet.

use tokio::sync::mpsc;

use super::*;
use crate::net::discovery::{MDNS_PORT, advertise_enrolment, find_enrolment};
use crate::net::testing::loopback;

fn found_by_discovery(clinic: &Clinic, n: u16, port: u16) -> Node {
    clinic.node_with(n, clinic.trust(n), loopback(port))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_find_each_other_and_a_node_that_moved_is_found_again() {
    let clinic = Clinic::new(1);
    let (mut north, mut south) = (
        found_by_discovery(&clinic, 1, MDNS_PORT + 11),
        found_by_discovery(&clinic, 2, MDNS_PORT + 11),
    );
    north.want(south.id, &[]);
    let began = Instant::now();
    assert_eq!(north.up().await.peer, south.id);
    south.up().await;
    assert!(
        began.elapsed() < Duration::from_secs(5),
        "{:?}",
        began.elapsed()
    );

    let before = south.address().await;
    drop(south);
    north.down().await;
    let mut south = found_by_discovery(&clinic, 2, MDNS_PORT + 11);
    assert_ne!(south.address().await, before);
    let began = Instant::now();
    assert_eq!(north.up().await.peer, south.id);
    assert!(
        began.elapsed() < Duration::from_secs(10),
        "{:?}",
        began.elapsed()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_clinic_on_the_same_lan_is_not_even_dialled() {
    let mut north = found_by_discovery(&Clinic::new(1), 1, MDNS_PORT + 12);
    let mut stranger = found_by_discovery(&Clinic::new(2), 1, MDNS_PORT + 12);
    sleep(Duration::from_secs(3)).await;
    for node in [&mut north, &mut stranger] {
        while let Ok(event) = node.events.try_recv() {
            assert!(matches!(event, Event::Listening { .. }), "{event:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_on_the_lan_names_the_clinic_the_office_or_the_device() {
    let clinic = Clinic::new(1);
    let port = MDNS_PORT + 13;
    let (sender, mut packets) = mpsc::channel(64);
    let listener = listen_to_multicast(port);
    tokio::spawn(async move {
        let mut packet = vec![0; 9000];
        while let Ok((n, _)) = listener.recv_from(&mut packet).await {
            if sender.send(packet[..n].to_vec()).await.is_err() {
                break;
            }
        }
    });
    let node = found_by_discovery(&clinic, 1, port);
    let mut heard = Vec::new();
    while let Ok(Some(packet)) = timeout(Duration::from_secs(3), packets.recv()).await {
        heard.push(packet);
    }
    let all = heard.concat();
    let holds = |secret: &[u8]| all.windows(secret.len()).any(|part| part == secret);
    assert!(holds(b"_clinic-mesh"), "the announcement was heard");
    for name in ["Front desk", "North", "Admin", &hostname()] {
        assert!(!holds(name.as_bytes()), "{name}");
    }
    for id in [node.id.as_bytes(), clinic.id.as_bytes(), &[1; 32]] {
        assert!(
            !holds(id) && !holds(&id[..8]) && !holds(crate::domain::id::hex(&id[..4]).as_bytes())
        );
    }
}

/// The machine's name, which no announcement may hold.
fn hostname() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    name.trim().to_owned()
}

fn listen_to_multicast(port: u16) -> tokio::net::UdpSocket {
    use rustix::net::{AddressFamily, SocketType, bind, socket, sockopt};
    let raw = socket(AddressFamily::INET, SocketType::DGRAM, None).unwrap();
    sockopt::set_socket_reuseaddr(&raw, true).unwrap();
    sockopt::set_socket_reuseport(&raw, true).unwrap();
    bind(
        &raw,
        &std::net::SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, port),
    )
    .unwrap();
    let socket = std::net::UdpSocket::from(raw);
    socket
        .join_multicast_v4(&Ipv4Addr::new(224, 0, 0, 251), &Ipv4Addr::LOCALHOST)
        .unwrap();
    socket.set_nonblocking(true).unwrap();
    tokio::net::UdpSocket::from_std(socket).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_machine_with_an_invitation_finds_where_it_is_awaited_until_that_is_withdrawn() {
    let settings = loopback(MDNS_PORT + 14);
    let awaited = advertise_enrolment(&settings, [5; 32], [7; 8], 4871).unwrap();
    let patience = Duration::from_secs(5);
    let found = find_enrolment(&settings, [7; 8], patience).await.unwrap();
    assert!(
        found.contains(&(Ipv4Addr::LOCALHOST, 4871).into()),
        "{found:?}"
    );
    let other = find_enrolment(&settings, [8; 8], Duration::from_secs(1))
        .await
        .unwrap();
    assert_eq!(other, []);
    drop(awaited);
    sleep(Duration::from_millis(500)).await;
    let gone = find_enrolment(&settings, [7; 8], Duration::from_secs(1))
        .await
        .unwrap();
    assert_eq!(gone, []);
}
