//! TLS of the door for the network: version 1.3, ring, the certificate that the clinic record holds.

use std::sync::Arc;

use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, version};

use super::LockedDoor;
use crate::domain::web::WebCertificate;
use crate::platform::web_key::WebKey;

/// TLS of a locked node: one request to a connection, so nothing that carries several.
pub(super) fn locked_config(shown: &LockedDoor) -> Result<ServerConfig, rustls::Error> {
    let mut config = config(&shown.certificate, &shown.key)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// TLS with this certificate.
pub(super) fn config(
    certificate: &WebCertificate,
    key: &WebKey,
) -> Result<ServerConfig, rustls::Error> {
    // Only the leaf: a browser that trusts the web CA has that one's certificate already.
    let chain = vec![CertificateDer::from(certificate.leaf.clone())];
    let key = PrivatePkcs8KeyDer::from(key.to_pkcs8().to_vec());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&version::TLS13])?
        .with_no_client_auth()
        .with_single_cert(chain, key.into())?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}
