//! The catalog that is served: a thousand extensions in image layouts.

use std::time::Duration;

use registry_testing::ids::id;
use tempfile::TempDir;
use tokio::time::sleep;

use crate::program::Program;
use crate::support::layouts::publish;
use crate::targets::get;

pub(crate) const EXTENSIONS: usize = 1000;

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
    let config = "[local]\npath = \"layouts\"\n";
    std::fs::write(dir.path().join("config.toml"), config).unwrap();
    dir
}

/// A word in the description of one extension.
pub(crate) fn rare_word(number: usize) -> String {
    format!("word{number:04}")
}

/// Waits until the program has all extensions.
pub(crate) async fn served(program: &Program) {
    let last = program.url(&format!("/extensions?limit=1&offset={}", EXTENSIONS - 1));
    let total = EXTENSIONS.to_string();
    while get(&last, None).await.headers.get("x-total-count").is_none_or(|count| *count != *total) {
        sleep(Duration::from_millis(100)).await;
    }
}
