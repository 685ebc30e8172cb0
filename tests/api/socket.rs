//! The door itself.

use std::os::unix::fs::PermissionsExt as _;

use clinic_mesh::api::client::ClientError;
use clinic_mesh::web::{Socket, SocketError};

use crate::desk::Desk;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_this_account_can_open_the_door_and_only_one_node_serves_it() {
    let desk = Desk::open().await;
    let path = desk.socket();
    let mode = std::fs::metadata(&path)
        .expect("there")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    let dir = path.parent().expect("a directory");
    assert!(matches!(Socket::open(dir), Err(SocketError::InUse { .. })));
    let operator = desk.operator();
    operator.status().await.expect("still served");
    desk.stop().await;
    assert!(matches!(
        operator.status().await,
        Err(ClientError::Unreachable { .. })
    ));
}

#[tokio::test]
async fn a_socket_that_a_killed_node_left_behind_is_replaced() {
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let path = scratch.path().join("api.sock");
    drop(std::os::unix::net::UnixListener::bind(&path).expect("bound and left"));
    let socket = Socket::open(scratch.path()).expect("replaced");
    assert_eq!(socket.path(), path);
    drop(socket);
    assert!(!path.exists(), "taken away in the end");
    let deep = scratch.path().join("x".repeat(120));
    assert!(matches!(
        Socket::open(&deep),
        Err(SocketError::TooLong { .. })
    ));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stopping_is_answered_before_the_node_is_gone() {
    let mut desk = Desk::open().await;
    desk.operator().stop().await.expect("answered");
    desk.office.running.ended().await.expect("an orderly end");
}
