//! The pages that browsers show: embedded, so that nothing has to be installed, found or trusted.

use std::sync::LazyLock;

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::answer::Named;
use crate::api::problem::Problem;
use crate::domain::id::Hash;

/// One embedded file.
struct Asset {
    name: &'static str,
    bytes: &'static [u8],
}

macro_rules! assets {
    ($($name:literal),* $(,)?) => {
        &[$(Asset {
            name: $name,
            bytes: include_bytes!(concat!("../../assets/", $name)),
        }),*]
    };
}

/// Every file of `assets/`; a test compares this list with the folder.
const ASSETS: &[Asset] = assets![
    "api.js",
    "app.css",
    "app.js",
    "clinic.js",
    "composer.js",
    "desk.js",
    "dom.js",
    "help.js",
    "icon.svg",
    "idle.js",
    "index.html",
    "link.js",
    "list.js",
    "messages.js",
    "outbox.js",
    "passkey.js",
    "people.js",
    "row.js",
    "scroll.js",
    "search.js",
    "settings.js",
    "sign-in.js",
    "state.js",
    "step-up.js",
    "text.js",
    "time.js",
    "timeline.js",
];

/// Marks of the files' contents: a browser that shows the same mark has the file already.
static MARKS: LazyLock<Vec<HeaderValue>> = LazyLock::new(|| ASSETS.iter().map(mark).collect());

fn mark(asset: &Asset) -> HeaderValue {
    let hash = Hash::of("asset/v1", &[asset.bytes]).to_string();
    HeaderValue::from_str(&format!("\"{hash}\"")).expect("hex in quotes")
}

/// What the page is made of, for its answer's `Link` field (RFC 8288): the browser fetches every module at once
/// instead of finding each inside another.
static PARTS: LazyLock<HeaderValue> = LazyLock::new(|| {
    let modules = ASSETS.iter().filter(|asset| asset.name.ends_with(".js"));
    let links = modules.map(|asset| format!("</assets/{}>; rel=modulepreload", asset.name));
    let links: Vec<String> = links.collect();
    HeaderValue::from_str(&links.join(", ")).expect("plain names")
});

/// The page itself.
pub(super) async fn page(headers: HeaderMap) -> Response {
    (
        [(header::LINK, PARTS.clone())],
        file("index.html", &headers),
    )
        .into_response()
}

/// A file of the page.
pub(super) async fn asset(Named(name): Named<String>, headers: HeaderMap) -> Response {
    file(&name, &headers)
}

fn file(name: &str, headers: &HeaderMap) -> Response {
    let found = ASSETS.iter().position(|asset| asset.name == name);
    let Some((asset, mark)) = found.and_then(|at| Some((ASSETS.get(at)?, MARKS.get(at)?))) else {
        let problem = Problem::not_found("file", name);
        return problem.remedy("load the page again").into_response();
    };
    let known = headers.get(header::IF_NONE_MATCH);
    // Another version of the program may bring another file, so browsers ask each time.
    let common = [
        (header::ETAG, mark.clone()),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
    ];
    if known.is_some_and(|known| known == mark) {
        return (StatusCode::NOT_MODIFIED, common).into_response();
    }
    let kind = [(header::CONTENT_TYPE, kind(name))];
    (common, kind, asset.bytes).into_response()
}

fn kind(name: &str) -> HeaderValue {
    let end = name.rsplit_once('.').map_or("", |(_, end)| end);
    HeaderValue::from_static(match end {
        "html" => "text/html; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "json" => "application/json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "webmanifest" => "application/manifest+json",
        _ => "application/octet-stream",
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[tokio::test]
    async fn the_page_names_every_module_that_it_is_made_of() {
        let answer = page(HeaderMap::new()).await;
        let links = answer.headers().get(header::LINK).expect("the parts");
        let links = links.to_str().expect("plain");
        for asset in ASSETS.iter().filter(|asset| asset.name.ends_with(".js")) {
            let link = format!("</assets/{}>; rel=modulepreload", asset.name);
            assert!(links.split(", ").any(|one| one == link), "{link}");
        }
    }

    #[test]
    fn every_file_of_the_page_is_embedded() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/assets");
        let entries = std::fs::read_dir(folder).expect("the folder of assets");
        let files = entries.map(|entry| entry.expect("readable").file_name());
        let there: BTreeSet<String> = files
            .map(|name| name.into_string().expect("plain names"))
            .collect();
        let embedded: BTreeSet<String> = ASSETS.iter().map(|asset| asset.name.to_owned()).collect();
        assert_eq!(there, embedded);
        assert_eq!(embedded.len(), ASSETS.len(), "each stands once");
    }

    #[test]
    fn the_whole_page_is_at_most_150_kilobytes() {
        let size: usize = ASSETS.iter().map(|asset| asset.bytes.len()).sum();
        assert!(size <= 150_000, "{size} bytes");
    }

    #[test]
    fn every_embedded_file_has_a_kind_that_browsers_know() {
        for asset in ASSETS {
            assert_ne!(
                kind(asset.name),
                "application/octet-stream",
                "{}",
                asset.name
            );
        }
    }
}
