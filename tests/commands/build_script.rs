//! `build.rs`: which commit and date a program takes for its own.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// The build script as a program, and a directory to run it in.
fn script() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let program = dir.path().join("script");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("build.rs");
    let built = Command::new("rustc")
        .args(["--edition", "2024", "-o"])
        .args([&program, &source])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status();
    assert!(built.unwrap().success());
    (dir, program)
}

/// What it tells the compiler, as name and value.
fn told(script: &Path, dir: &Path, environment: &[(&str, &str)]) -> Vec<String> {
    let mut command = Command::new(script);
    for name in ["SOURCE_COMMIT", "SOURCE_DATE_EPOCH", "PROFILE"] {
        command.env_remove(name);
    }
    let output = command.current_dir(dir).envs(environment.iter().copied()).output().unwrap();
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    let told = text.lines().filter_map(|line| line.strip_prefix("cargo::rustc-env="));
    told.map(ToOwned::to_owned).collect()
}

fn git(dir: &Path, arguments: &[&str]) {
    let status = Command::new("git")
        .args(["-c", "user.name=T", "-c", "user.email=t@example.com"])
        .args(arguments)
        .env("GIT_COMMITTER_DATE", "1700000000 +0000")
        .current_dir(dir)
        .status();
    assert!(status.unwrap().success());
}

#[test]
fn source_without_a_repository_says_what_it_is_told() {
    let (dir, script) = script();
    let release = ("PROFILE", "release");
    assert_eq!(told(&script, dir.path(), &[release]), [""; 0]);
    let named = [("SOURCE_COMMIT", "abc"), ("SOURCE_DATE_EPOCH", "5"), release];
    assert_eq!(told(&script, dir.path(), &named), ["BUILD_COMMIT=abc", "BUILD_DATE=5"]);
    let packaged = r#"{ "git": { "sha1": "0123abcd" }, "path_in_vcs": "" }"#;
    std::fs::write(dir.path().join(".cargo_vcs_info.json"), packaged).unwrap();
    assert_eq!(told(&script, dir.path(), &[release]), ["BUILD_COMMIT=0123abcd"]);
}

#[test]
fn a_release_asks_the_repository_that_it_is_and_none_around_it() {
    let (_dir, script) = script();
    let outer = tempfile::tempdir().unwrap();
    git(outer.path(), &["init", "--quiet"]);
    git(outer.path(), &["commit", "--quiet", "--allow-empty", "-m", "x"]);
    let release = ("PROFILE", "release");
    let found = told(&script, outer.path(), &[release]);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].starts_with("BUILD_COMMIT=") && found[1] == "BUILD_DATE=1700000000");
    let dated = told(&script, outer.path(), &[release, ("SOURCE_DATE_EPOCH", "7")]);
    assert_eq!((&dated[0], dated[1].as_str()), (&found[0], "BUILD_DATE=7"));
    assert_eq!(told(&script, outer.path(), &[("PROFILE", "debug")]), [""; 0]);
    let inner = outer.path().join("vendor");
    std::fs::create_dir(&inner).unwrap();
    assert_eq!(told(&script, &inner, &[release]), [""; 0]);
}
