//! What of libp2p is compiled. A second transport, or a second way to secure one, would let a peer in
//! without a certificate, so the list is exact.

use std::collections::BTreeMap;
use std::process::Command;

/// Every crate that the product is built of, with its version and features.
fn compiled() -> BTreeMap<String, (String, Vec<String>)> {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--offline", "--edges", "normal", "--prefix", "none"])
        .args(["--no-dedupe", "--format", "{p}|{f}"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .filter_map(|line| {
            let (package, features) = line.split_once('|')?;
            let (name, version) = package.split_once(" v")?;
            let version = version.split(' ').next()?.to_owned();
            let features = features.split(',').map(str::to_owned).collect();
            Some((name.to_owned(), (version, features)))
        })
        .collect()
}

#[test]
fn libp2p_is_compiled_with_one_transport_and_no_security_of_its_own() {
    let compiled = compiled();
    let parts: Vec<_> = compiled
        .keys()
        .filter(|name| name.starts_with("libp2p"))
        .map(String::as_str)
        .collect();
    let expected = [
        "libp2p",
        "libp2p-allow-block-list",
        "libp2p-connection-limits",
        "libp2p-core",
        "libp2p-identity",
        "libp2p-memory-connection-limits",
        "libp2p-swarm",
        "libp2p-swarm-derive",
        "libp2p-tcp",
        "libp2p-yamux",
    ];
    assert_eq!(parts, expected);
    let features = [
        "ed25519",
        "macros",
        "memory-connection-limits",
        "tcp",
        "tokio",
        "yamux",
    ];
    assert_eq!(compiled["libp2p"].1, features);
}

#[test]
fn yamux_is_past_the_versions_that_a_member_could_crash() {
    let version = &compiled()["yamux"].0;
    let numbers: Vec<u32> = version.split('.').map(|n| n.parse().unwrap()).collect();
    assert!(numbers >= vec![0, 14, 1], "{version}");
}
