//! The page's modules against their own types, with the TypeScript compiler.

use std::process::Command;

#[test]
fn the_modules_of_the_page_keep_to_their_types() {
    let project = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/browser/tsconfig.json");

    let said = Command::new("tsc").args(["--project", project]).output();

    let said = said.expect("tsc is there; tests/run installs node-typescript");
    let words = String::from_utf8_lossy(&said.stdout);
    assert!(said.status.success(), "{words}");
}

#[test]
fn no_module_of_the_page_knows_a_way_to_make_markup_from_text() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/assets");
    let ways = [
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "DOMParser",
        "createContextualFragment",
        "srcdoc =",
        "eval(",
        "new Function",
        "setHTML",
        "sessionStorage",
        "indexedDB",
    ];
    for entry in std::fs::read_dir(folder).expect("the folder of assets") {
        let path = entry.expect("readable").path();
        let text = std::fs::read_to_string(&path).expect("text");
        for way in ways {
            assert!(!text.contains(way), "{}: {way}", path.display());
        }
    }
}
