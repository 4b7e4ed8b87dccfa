//! The first minutes of an operator: a file to start from, and a service that it starts.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use registry_testing::ids::id;

use crate::support::layouts::publish;
use crate::support::program::{PROGRAM, Running, run, stderr, unprivileged};

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn shell(dir: &Path, line: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", line]).current_dir(dir).env_clear().stdin(Stdio::null());
    command
}

/// Runs `config init` as typed in a shell; the command that its last line names.
fn command_of(dir: &Path, typed: &str) -> String {
    let output = shell(dir, typed).output().unwrap();
    assert!(output.status.success(), "{typed}: {}", stderr(&output));
    let told = stdout(&output);
    let (_, command) = told.trim_end().split_once("; serve it with: ").expect(&told);
    command.to_owned()
}

#[tokio::test]
async fn what_init_writes_is_served_by_the_command_that_it_prints() {
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path();
    fs::create_dir(place.join("my bin")).unwrap();
    symlink(PROGRAM, place.join("my bin/it's")).unwrap();
    symlink(PROGRAM, place.join("registry")).unwrap();
    for (typed, expected) in [
        ("./registry config init", "./registry".to_owned()),
        (
            "./registry config init './my file.toml'",
            "./registry --config './my file.toml'".to_owned(),
        ),
        (
            "\"my bin/it's\" config init -- -c.toml",
            "'my bin/it'\\''s' --config ./-c.toml".to_owned(),
        ),
    ] {
        let command = command_of(place, typed);
        assert_eq!(command, expected);
        let host = "--host 127.0.0.1 --port 0 --json-log";
        let running = Running::of_exactly(shell(place, &format!("exec {command} {host}")));
        let list = running.get("/extensions").await;
        assert_eq!((list.status.as_u16(), list.text().as_str()), (200, "[]"), "{command}");
        assert_eq!(running.get("/health/ready").await.status, 200);
        let health = running.get("/health").await.text();
        let absolute = place.canonicalize().unwrap().join("extensions");
        let named = format!("create [local] path extensions ({})", absolute.display());
        assert!(health.contains(&named), "{health}");
        running.signal("-TERM");
        let before = running.before.clone();
        let (status, log) = running.wait();
        assert!(status.success());
        let log = [before, log].concat();
        let warned = log.iter().filter(|line| line.contains("WARN") && line.contains(&named));
        assert_eq!(warned.count(), 1, "{log:#?}");
    }
}

#[tokio::test]
async fn a_directory_that_is_made_after_the_start_is_served() {
    let dir = tempfile::tempdir().unwrap();
    assert!(run(dir.path(), &["config", "init"]).status.success());
    let running = Running::start(dir.path(), &["--host", "127.0.0.1"]);
    assert_eq!(running.get("/extensions").await.text(), "[]");
    publish(&dir.path().join("extensions"), &id("provider/mine"), "1.0.0", "d", b"mine");
    running
        .get_until("/extensions", |got| got.status == 200 && got.column("name") == ["mine"])
        .await;
    assert_eq!(running.get("/extensions/provider/mine/1.0.0").await.body, b"mine");
}

#[test]
fn init_writes_the_example_which_is_valid() {
    let dir = tempfile::tempdir().unwrap();
    let example = fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("config.example.toml"));
    let example = example.unwrap();
    assert_eq!(run(dir.path(), &["config", "init", "-"]).stdout, example);
    let written = run(dir.path(), &["config", "init"]);
    assert_eq!(stdout(&written), format!("wrote config.toml; serve it with: {PROGRAM}\n"));
    assert!(run(dir.path(), &["config", "check"]).status.success());
    assert_eq!(fs::read(dir.path().join("config.toml")).unwrap(), example);
}

#[test]
fn init_leaves_what_is_there_and_says_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    fs::write(at("config.toml"), "mine").unwrap();
    fs::create_dir(at("folder")).unwrap();
    symlink("nowhere", at("link")).unwrap();
    let elsewhere = "choose another file, or - for standard output";
    for (file, expected) in [
        ("config.toml", format!("config.toml already exists and is not changed; {elsewhere}")),
        ("link", format!("link already exists and is not changed; {elsewhere}")),
        ("folder", "folder names a directory; name a file in it: folder/config.toml".to_owned()),
        ("new/", "new/ names a directory; name a file in it: new/config.toml".to_owned()),
        (
            "no/such dir/x.toml",
            "no/such dir/x.toml cannot be written: the directory no/such dir does not exist; \
             create it with: mkdir -p 'no/such dir'"
                .to_owned(),
        ),
        (
            "config.toml/x.toml",
            format!(
                "config.toml/x.toml cannot be written: config.toml is not a directory; {elsewhere}"
            ),
        ),
    ] {
        let refused = run(dir.path(), &["config", "init", file]);
        assert_eq!((refused.status.code(), stdout(&refused)), (Some(1), String::new()), "{file}");
        assert_eq!(stderr(&refused), format!("error: {expected}\n"));
    }
    assert_eq!(fs::read(at("config.toml")).unwrap(), b"mine");
    assert!(!at("nowhere").exists() && !at("new").exists() && !at("no").exists());
    assert_eq!(fs::read_dir(at("folder")).unwrap().count(), 0);
}

#[test]
fn init_says_where_it_may_not_write() {
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o555)).unwrap();
    let refused = unprivileged(dir.path()).args(["config", "init"]).output().unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(refused.status.code(), Some(1));
    let told = stderr(&refused);
    let expected = "error: config.toml cannot be written: Permission denied (os error 13); choose";
    assert!(told.starts_with(expected), "{told}");
    assert!(!dir.path().join("config.toml").exists());
}
