//! Reads the sources and holds the rules that no compiler knows: layers, and what may be named where.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Bottom to top: a layer, and the layers it may import.
const LAYERS: [(&str, &[&str]); 12] = [
    ("domain", &[]),
    ("doctor", &["domain"]),
    ("wire", &["domain"]),
    ("channel", &["domain", "wire"]),
    ("platform", &["domain"]),
    ("store", &["domain", "platform"]),
    ("net", &["domain", "wire", "channel"]),
    ("authority", &["domain", "platform"]),
    ("node", &["domain", "wire", "store", "net", "platform"]),
    ("api", &["domain", "doctor"]),
    ("web", &["domain", "doctor", "api", "node", "platform"]),
    (
        "cli",
        &[
            "domain",
            "doctor",
            "api",
            "authority",
            "node",
            "web",
            "platform",
        ],
    ),
];

/// Crates, and the only layers that may name them.
const OWNERS: [(&str, &[&str]); 13] = [
    ("ed25519_dalek", &["domain"]),
    // Where a key derivation (HKDF, HMAC) needs its hash named; everything that is hashed for meaning is
    // the domain's.
    ("sha2", &["domain", "platform", "store", "authority"]),
    ("snow", &["channel"]),
    ("redb", &["store"]),
    ("nix", &["platform"]),
    ("libp2p", &["net"]),
    ("mdns_sd", &["net"]),
    ("axum", &["web"]),
    ("hyper", &["api", "web"]),
    // TLS and its certificates: the authority makes them, a door shows them.
    ("rustls", &["web"]),
    ("rcgen", &["authority"]),
    ("p256", &["platform"]),
    ("clap", &["cli"]),
];

/// Everything that may stand at the top of the project.
const TOP: [&str; 10] = [
    "Cargo.toml",
    "Cargo.lock",
    "src",
    "assets",
    "tests",
    "examples",
    "benches",
    "docs",
    "README.md",
    "LICENSE",
];

/// Longest file in lines; a longer one has two subjects.
const LINES_MAX: usize = 700;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Every Rust file under a folder, with its text.
fn sources(folder: &Path) -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder)
        .expect("a folder")
        .map(|entry| entry.expect("readable"))
    {
        let path = entry.path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|kind| kind == "rs") {
            let text = fs::read_to_string(&path).expect("text");
            found.insert(path, text);
        }
    }
    found
}

fn layer_of(path: &Path) -> Option<String> {
    let inside = path.strip_prefix(root().join("src")).ok()?;
    let first = inside.components().next()?.as_os_str().to_str()?;
    Some(first.trim_end_matches(".rs").to_owned())
}

/// Whether a file or the part of it below `#[cfg(test)]` is a test: tests may reach further.
fn product_part<'a>(path: &Path, text: &'a str) -> &'a str {
    let name = path
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    let test_file = [
        "tests.rs",
        "testing.rs",
        "fixture.rs",
        "model.rs",
        "measure.rs",
        "vectors.rs",
    ]
    .contains(&name)
        || path.components().any(|part| part.as_os_str() == "tests");
    if test_file {
        return "";
    }
    text.find("#[cfg(test)]\nmod ")
        .map_or(text, |at| &text[..at])
}

/// The lines of code, without comments.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .filter(|line| !line.trim_start().starts_with("//"))
}

/// Whether `word` stands in `line` as a whole identifier followed by a path or alone in a use.
fn names_crate(line: &str, word: &str) -> bool {
    let path = format!("{word}::");
    line.match_indices(&path).any(|(at, _)| {
        !line[..at]
            .ends_with(|before: char| before.is_alphanumeric() || before == '_' || before == ':')
    })
}

#[test]
fn a_layer_imports_only_from_the_layers_it_may_use() {
    let mut broken = Vec::new();
    for (path, text) in sources(&root().join("src")) {
        let Some(layer) = layer_of(&path) else {
            continue;
        };
        let Some((_, allowed)) = LAYERS.iter().find(|(name, _)| *name == layer) else {
            continue;
        };
        for line in code(product_part(&path, &text)) {
            for (other, _) in LAYERS.iter().filter(|(other, _)| *other != layer) {
                if names_crate(line, &format!("crate::{other}")) && !allowed.contains(other) {
                    broken.push(format!("{}: {}", path.display(), line.trim()));
                }
            }
        }
    }
    assert!(broken.is_empty(), "layers broken:\n{}", broken.join("\n"));
}

#[test]
fn a_library_is_named_only_in_the_layer_that_owns_it() {
    let mut broken = Vec::new();
    for (path, text) in sources(&root().join("src")) {
        let Some(layer) = layer_of(&path) else {
            continue;
        };
        for (name, owners) in OWNERS {
            let named = code(product_part(&path, &text)).find(|line| names_crate(line, name));
            if let Some(line) = named.filter(|_| !owners.contains(&layer.as_str())) {
                broken.push(format!("{}: {}", path.display(), line.trim()));
            }
        }
    }
    assert!(
        broken.is_empty(),
        "libraries named outside their layer:\n{}",
        broken.join("\n")
    );
}

#[test]
fn the_domain_has_no_clock_no_randomness_no_files_and_no_async() {
    let forbidden = [
        "SystemTime",
        "Instant::now",
        "rand::",
        "std::fs",
        "std::net::Tcp",
        "async fn",
        "tokio",
    ];
    for folder in ["src/domain", "src/doctor", "src/node/engine"] {
        for (path, text) in sources(&root().join(folder)) {
            for line in code(product_part(&path, &text)) {
                let seeded = folder.ends_with("engine") && line.contains("use rand::");
                let found = forbidden
                    .iter()
                    .find(|word| line.contains(**word))
                    .filter(|_| !seeded);
                assert_eq!(found, None, "{}: {}", path.display(), line.trim());
            }
        }
    }
}

#[test]
fn nothing_stands_at_the_top_that_does_not_belong_there() {
    for entry in fs::read_dir(root()).unwrap().map(Result::unwrap) {
        let name = entry.file_name().into_string().unwrap();
        let known = name.starts_with('.') || name == "target" || TOP.contains(&name.as_str());
        assert!(known, "{name} stands at the top of the project");
    }
}

#[test]
fn files_have_one_subject_and_say_what_they_promise() {
    for folder in ["src", "tests", "benches", "examples"] {
        for (path, text) in sources(&root().join(folder)) {
            let lines = text.lines().count();
            assert!(
                lines <= LINES_MAX,
                "{} has {lines} lines: has it two subjects?",
                path.display()
            );
        }
    }
    for (path, text) in sources(&root().join("src")) {
        if !product_part(&path, &text).is_empty() {
            assert!(
                text.starts_with("//! "),
                "{} does not begin with its promise",
                path.display()
            );
        }
    }
}

#[test]
fn nothing_is_left_for_later() {
    // Written in two halves so that this file does not contain what it looks for.
    let words = [
        ["TO", "DO"].concat(),
        ["FIX", "ME"].concat(),
        ["X", "XX "].concat(),
    ];
    for folder in ["src", "tests", "benches", "examples"] {
        for (path, text) in sources(&root().join(folder)) {
            for word in &words {
                assert!(
                    !text.contains(word.as_str()),
                    "{} contains {word}",
                    path.display()
                );
            }
        }
    }
}

#[test]
fn planted_bugs_are_never_in_the_product() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    assert!(
        manifest.contains("\ndefault = []\n"),
        "the product is built without features"
    );
}
