//! What axe-core finds on a page: the rules of WCAG 2.2 that a program can judge, and what is good
//! practice besides.

use std::sync::LazyLock;

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::cdp::Chromium;
use super::window::Window;

/// Where `tests/axe` puts it.
const FILE: &str = concat!(
    env!("CARGO_TARGET_TMPDIR"),
    "/../tools/axe/node_modules/axe-core/axe.min.js"
);

/// SHA-256 of axe-core 4.14.1, the only version that judges: another finds other things.
const SUM: &str = "29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c";

/// Its text, once it has shown to be the one that is meant.
static AXE: LazyLock<String> = LazyLock::new(|| {
    let bytes = std::fs::read(FILE).expect("axe-core is there; tests/axe installs it");
    let sum: String = Sha256::digest(&bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert_eq!(
        sum, SUM,
        "{FILE} is another axe-core than the tests judge by"
    );
    String::from_utf8(bytes).expect("JavaScript")
});

/// Judges what is on the screen; gives each violation as a line. One rule of WCAG 2.2 AA has to be asked for.
const JUDGE: &str = "axe.run(document, { resultTypes: ['violations'], rules: { 'target-size': { enabled: true } } }).then(({ violations }) => \
    violations.map(({ impact, id, nodes }) => `${impact}: ${id}: ${nodes.map(one => one.target.join(' ')).join(' | ')}`))";

/// Everything that axe-core finds wrong with the page, a line for each rule.
pub(crate) fn violations(page: &Window) -> Vec<String> {
    let world = page.world("axe");
    if page.eval_in(world, "typeof axe === 'object'") != true {
        page.eval_in(world, &AXE);
    }
    let found = page.eval_in(world, JUDGE);
    let lines = found.as_array().expect("a list");
    lines.iter().map(said).collect()
}

fn said(line: &Value) -> String {
    line.as_str().expect("text").to_owned()
}

#[test]
fn what_keeps_people_out_is_found_and_named() {
    let chromium = Chromium::start();
    let page = Window::open(&chromium);
    page.eval(
        "document.body.append(document.createElement('img'), document.createElement('input'))",
    );

    let found = violations(&page).join("\n");

    assert!(found.contains("critical: image-alt: img"), "{found}");
    assert!(found.contains("critical: label: input"), "{found}");
}
