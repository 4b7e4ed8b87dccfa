//! Passes the commit of the source and its date to the compiler.
//!
//! Builds are reproducible: the clock is not read. Git is queried only for releases, because
//! otherwise every commit would rebuild every test.

#![expect(clippy::disallowed_methods, reason = "cargo speaks to build scripts by the environment")]

use std::path::Path;
use std::process::Command;

const COMMIT: &str = "SOURCE_COMMIT";
/// Seconds since 1970; <https://reproducible-builds.org/specs/source-date-epoch/>.
const DATE: &str = "SOURCE_DATE_EPOCH";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    for name in [COMMIT, DATE] {
        println!("cargo::rerun-if-env-changed={name}");
    }
    let git = asks_git();
    let commit = variable(COMMIT)
        .or_else(packaged_commit)
        .or_else(|| git.then(|| ask_git(&["rev-parse", "HEAD"])).flatten());
    let date =
        variable(DATE).or_else(|| git.then(|| ask_git(&["log", "-1", "--format=%ct"])).flatten());
    if let Some(commit) = commit {
        println!("cargo::rustc-env=BUILD_COMMIT={commit}");
    }
    if let Some(date) = date {
        println!("cargo::rustc-env=BUILD_DATE={date}");
    }
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
}

/// Returns the commit that `cargo package` stored in the source archive.
fn packaged_commit() -> Option<String> {
    let text = std::fs::read_to_string(".cargo_vcs_info.json").ok()?;
    let (_, rest) = text.split_once("\"sha1\"")?;
    rest.split('"').nth(1).map(ToOwned::to_owned)
}

fn asks_git() -> bool {
    // Source unpacked inside another repository must not report the commit of that one.
    let ours = || {
        let top = ask_git(&["rev-parse", "--show-toplevel"])?;
        Some(Path::new(&top).canonicalize().ok()? == Path::new(".").canonicalize().ok()?)
    };
    let asks = variable("PROFILE").as_deref() == Some("release") && ours() == Some(true);
    // Without this line, cargo would keep the old commit in a rebuild after a new one.
    if let Some(log) = asks.then(|| ask_git(&["rev-parse", "--git-path", "logs/HEAD"])).flatten() {
        println!("cargo::rerun-if-changed={log}");
    }
    asks
}

fn ask_git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    (output.status.success() && !text.trim().is_empty()).then(|| text.trim().to_owned())
}
