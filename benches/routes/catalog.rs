//! The catalog that is served: a thousand extensions in image layouts, and one with a thousand versions.

use std::path::Path;
use std::time::Duration;

use registry_testing::ids::id;
use registry_testing::registry_store::Store;
use tempfile::TempDir;
use tokio::time::sleep;

use crate::program::Program;
use crate::support::layouts::{of_held, publish};
use crate::targets::get;

/// Extensions with one version.
pub(crate) const EXTENSIONS: usize = 1000;
/// Versions of the extension that has many.
pub(crate) const VERSIONS: usize = 1000;

/// Publishes the extensions below a directory, with the configuration that serves them.
pub(crate) fn published() -> TempDir {
    let dir = TempDir::new().unwrap();
    for number in 0..EXTENSIONS {
        let id = id(&format!("provider/extension-{number:04}"));
        // As long as the descriptions of real extensions: a row of the list has about 500 bytes.
        let description =
            format!("Made up to be served, {} alone has this word", rare_word(number));
        publish(&dir.path().join("layouts"), &id, "1.0.0", &description, &[7; 512]);
    }
    publish_versions(&dir.path().join("layouts/versions-cluster"));
    let config = "[local]\npath = \"layouts\"\n";
    std::fs::write(dir.path().join("config.toml"), config).unwrap();
    dir
}

/// Publishes one archive as many versions.
fn publish_versions(layout: &Path) {
    let mut store = Store::default();
    store.blob("versions", b"{}");
    for number in 0..VERSIONS {
        store.push("versions", &format!("1.{number}.0"), &[7; 512]);
    }
    of_held(layout, &store.repositories["versions"]);
}

/// Target of the tags after one; after an empty text it is all of them.
pub(crate) fn tags_after(last: &str) -> String {
    format!("/v2/extensions/versions-cluster/tags/list?n={VERSIONS}&last={last}")
}

/// A word in the description of one extension.
pub(crate) fn rare_word(number: usize) -> String {
    format!("word{number:04}")
}

/// Waits until the program has all extensions.
pub(crate) async fn served(program: &Program) {
    let last = program.url(&format!("/extensions?limit=1&offset={EXTENSIONS}"));
    let total = (EXTENSIONS + 1).to_string();
    while get(&last, None).await.headers.get("x-total-count").is_none_or(|count| *count != *total) {
        sleep(Duration::from_millis(100)).await;
    }
}
