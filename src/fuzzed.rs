//! Fuzz targets of the configuration: parsers of untrusted input, with invariants of the result.
//! `scripts/fuzz` generates bytes, `fuzz/corpus` keeps inputs with new coverage, and the test replays
//! them.

#![allow(
    clippy::panic,
    reason = "a violated invariant must stop the run; the service never compiles this"
)]

use std::path::Path;

use registry_core::config_reader::{ConfigReader, Typed};

use crate::config::compose;

/// Target `config`.
pub fn config(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let mut typed = Typed::default();
    typed.text(Path::new("config.toml"), text);
    let mut reader = ConfigReader::new(typed);
    compose(&mut reader);
    reader.report_unknown();
}

#[cfg(test)]
mod tests {
    use registry_testing::fuzzing::{Target, replay};

    const TARGETS: [Target; 1] = [("config", super::config)];

    #[test]
    fn targets_keep_their_invariants() {
        replay(&TARGETS);
    }
}
