//! The door for the network, as a browser that trusts the clinic's web CA meets it.

use std::sync::Arc;
use std::time::Duration;

use clinic_mesh::domain::statement::Role;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, ProtocolVersion, RootCertStore, crypto, version};

use crate::desk::{Desk, PASSWORD};

/// Connects as a browser does that trusts this CA and no other.
pub(crate) async fn connect(
    port: u16,
    name: &str,
    trusts: &[u8],
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from(trusts.to_vec()))
        .expect("a certificate");
    let provider = Arc::new(crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&version::TLS13])
        .expect("known")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(("127.0.0.1", port)).await?;
    let name = ServerName::try_from(name.to_owned()).expect("a name");
    TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await
}

pub(crate) async fn ask(stream: &mut TlsStream<TcpStream>, request: &str) -> String {
    stream.write_all(request.as_bytes()).await.expect("open");
    let mut answer = Vec::new();
    // A server may close without a farewell.
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8(answer).expect("text")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_browser_that_trusts_the_clinics_web_ca_signs_in_by_tls() {
    let mut desk = Desk::open().await;
    desk.signed_in("Ana", &[Role::Clinician]).await;
    let (port, name, authority) = desk.network_door().await;
    assert_eq!(name, "front-desk.elm-street-clinic.internal");
    let mut stream = connect(port, &name, &authority).await.expect("trusted");
    let used = stream.get_ref().1.protocol_version();
    assert_eq!(used, Some(ProtocolVersion::TLSv1_3));
    let body = json!({ "name": "Ana", "password": PASSWORD }).to_string();
    let request = format!(
        "POST /v1/login HTTP/1.1\r\nhost: {name}:{port}\r\norigin: https://{name}:{port}\r\n\
         connection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let answer = ask(&mut stream, &request).await.to_lowercase();
    assert!(answer.starts_with("http/1.1 200"), "{answer}");
    assert!(
        answer.contains("set-cookie: __host-clinic-mesh="),
        "{answer}"
    );
    assert!(
        answer.contains("; path=/; httponly; samesite=strict; secure"),
        "{answer}"
    );
    assert!(
        answer.contains("strict-transport-security: max-age=31536000"),
        "{answer}"
    );
    desk.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_name_or_another_authority_or_an_older_tls_gets_nowhere() {
    let desk = Desk::open().await;
    let (port, name, authority) = desk.network_door().await;
    assert!(
        connect(port, "other.elm-street-clinic.internal", &authority)
            .await
            .is_err()
    );
    let others = Desk::open().await;
    let (_, _, foreign) = others.network_door().await;
    assert!(connect(port, &name, &foreign).await.is_err());
    // The trusted name in the handshake, another one in the request.
    for host in ["evil.example", "127.0.0.1", "localhost"] {
        let mut stream = connect(port, &name, &authority).await.expect("trusted");
        let request = format!("GET / HTTP/1.1\r\nhost: {host}:{port}\r\nconnection: close\r\n\r\n");
        let answer = ask(&mut stream, &request).await;
        assert!(answer.starts_with("HTTP/1.1 421"), "{answer}");
    }
    // A hello of TLS 1.2, as a browser of long ago sends it.
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.expect("open");
    let mut hello = vec![22, 3, 1, 0, 45, 1, 0, 0, 41, 3, 3];
    hello.extend([7; 32]);
    hello.extend([0, 0, 2, 0xc0, 0x2b, 1, 0]);
    stream.write_all(&hello).await.expect("open");
    let mut alert = Vec::new();
    let _ = stream.read_to_end(&mut alert).await;
    assert_eq!(
        alert.first(),
        Some(&21),
        "an alert and nothing else: {alert:?}"
    );
    // No TLS at all.
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.expect("open");
    stream
        .write_all(b"GET / HTTP/1.1\r\n\r\n")
        .await
        .expect("open");
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
    others.stop().await;
    desk.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_connects_and_says_nothing_is_hung_up_on() {
    let desk = Desk::open().await;
    let (port, _, _) = desk.network_door().await;
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.expect("open");
    let mut nothing = Vec::new();
    let closed = tokio::time::timeout(Duration::from_secs(8), stream.read_to_end(&mut nothing));
    assert!(closed.await.is_ok(), "a handshake has five seconds");
    desk.stop().await;
}
