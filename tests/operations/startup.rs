//! What keeps the program from starting, and what does not: each says so, with the exit code that
//! `docs/configuration.md` promises.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use crate::support::ids::id;
use crate::support::layouts::publish;
use crate::support::program::{Running, program, run, stderr};

const GITEA: &str = "[gitea]\nurl = \"https://gitea.example.com\"\norganization = \"ext\"\n";

/// A line of the program's errors behind `config.toml:`.
fn told(output: &Output) -> Vec<String> {
    let lines = stderr(output);
    let lines = lines.lines().filter_map(|line| line.trim().strip_prefix("config.toml:"));
    lines.map(str::to_owned).collect()
}

/// The program without the right of root to read everybody's files.
fn unprivileged(dir: &Path) -> Command {
    let plain = program(dir);
    if std::fs::metadata("/proc/self").unwrap().uid() != 0 {
        return plain;
    }
    let mut command = Command::new("setpriv");
    let rights = "-dac_override,-dac_read_search";
    command.args(["--bounding-set", rights, "--inh-caps", rights, "--"]).arg(plain.get_program());
    command.current_dir(dir);
    command
}

#[test]
fn one_start_tells_every_mistake_of_form_and_of_what_values_name() {
    let dir = tempfile::tempdir().unwrap();
    let text = "[server]\nprot = 1\n[gitea]\norganization = \"a b\"\ntoken_path = \"none\"\n\
        [oci]\nregistry = \"r.example.com\"\nnamespace = \"a\"\nca_file = \"none.pem\"\n\
        [auth]\ntokens_path = \"none\"\n[rate_limit]\nburst = 0\n[cache]\nttl_seconds = \"1\"\n";
    std::fs::write(dir.path().join("config.toml"), text).unwrap();
    for arguments in [&["config", "check"][..], &["--port", "0"]] {
        let output = run(dir.path(), arguments);
        assert_eq!(output.status.code(), Some(2));
        let beginnings = [
            "2: server.prot: unknown key; did you mean server.port?",
            "3: gitea.url: is required",
            "4: gitea.organization: organization must be",
            "5: gitea.token_path: none cannot be read",
            "9: oci.ca_file: ca_file none.pem cannot be read",
            "11: auth.tokens_path: none cannot be read",
            "12: rate_limit.requests_per_second: is required",
            "13: rate_limit.burst: must be from 1",
            "15: cache.ttl_seconds: must be a whole number",
        ];
        let told = told(&output);
        assert_eq!(told.len(), beginnings.len(), "{told:#?}");
        for (line, beginning) in told.iter().zip(beginnings) {
            assert!(line.starts_with(beginning), "{line}");
        }
    }
}

#[test]
fn a_secret_that_we_may_not_read_names_its_owner_and_us() {
    let dir = tempfile::tempdir().unwrap();
    let secret = dir.path().join("secret");
    std::fs::write(&secret, "hidden").unwrap();
    std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o000)).unwrap();
    let us = std::fs::metadata(&secret).unwrap().uid();
    for (text, line) in [
        (format!("{GITEA}token_path = \"secret\"\n"), "4: gitea.token_path"),
        (format!("{GITEA}webhook_secret_path = \"secret\"\n"), "4: gitea.webhook_secret_path"),
        (
            "[local]\npath = \"x\"\n[auth]\ntokens_path = \"secret\"\n".to_owned(),
            "4: auth.tokens_path",
        ),
    ] {
        std::fs::write(dir.path().join("config.toml"), text).unwrap();
        let output = unprivileged(dir.path()).args(["--port", "0"]).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
        let expected = format!(
            "{line}: secret cannot be read (it belongs to user {us}, we are user {us}): \
             Permission denied (os error 13)"
        );
        assert_eq!(told(&output), [expected]);
    }
}

#[test]
fn a_bundle_of_authorities_that_is_missing_or_none_is_told() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("text"), "no certificate").unwrap();
    let text = format!("{GITEA}ca_file = \"none.pem\"\n");
    std::fs::write(dir.path().join("config.toml"), text.replace("none.pem", "text")).unwrap();
    let no_bundle = run(dir.path(), &["--port", "0"]);
    std::fs::write(dir.path().join("config.toml"), text).unwrap();
    let missing = run(dir.path(), &["--port", "0"]);
    for (output, what) in [
        (no_bundle, "4: gitea.ca_file: ca_file text holds no certificate"),
        (missing, "4: gitea.ca_file: ca_file none.pem cannot be read: "),
    ] {
        assert_eq!(output.status.code(), Some(2));
        let told = told(&output);
        assert!(told.len() == 1 && told[0].starts_with(what), "{told:?}");
    }
}

#[test]
fn a_port_that_is_taken_is_told_with_another_exit_code() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("config.toml"), "[local]\npath = \"x\"\n").unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let output = run(dir.path(), &["--host", "127.0.0.1", "--port", &port]);
    assert_eq!(output.status.code(), Some(1));
    let last = stderr(&output).lines().last().unwrap().to_owned();
    let expected = format!(
        "error: cannot listen on 127.0.0.1 port {port}: Address already in use (os error 98)"
    );
    assert_eq!(last, expected);
}

#[tokio::test]
async fn a_state_dir_that_cannot_be_written_is_told_at_once_and_everything_is_served() {
    let dir = tempfile::tempdir().unwrap();
    publish(&dir.path().join("extensions"), &id("provider/mine"), "1.0.0", "d", b"mine");
    let text = "[local]\npath = \"extensions\"\n[cache]\nstate_dir = \"config.toml/state\"\n";
    std::fs::write(dir.path().join("config.toml"), text).unwrap();
    let running = Running::start(dir.path(), &["--host", "127.0.0.1"]);
    let warned = running.before.iter().filter(|line| line.contains("does not outlive a restart"));
    let warned: Vec<&String> = warned.collect();
    assert_eq!(warned.len(), 1, "{:#?}", running.before);
    assert!(warned[0].contains("Not a directory") && warned[0].contains("WARN"), "{}", warned[0]);
    let archive = running.get("/extensions/provider/mine/1.0.0").await;
    assert_eq!(archive.body, b"mine");
    let health = running.get("/health").await;
    assert_eq!(health.status, 200);
    let health: Value = serde_json::from_slice(&health.body).unwrap();
    assert_eq!(health["status"], "healthy", "{health}");
    assert!(health["state_error"].as_str().unwrap().contains("cannot be written"), "{health}");
    running.signal("-TERM");
    let (status, log) = running.wait();
    assert_eq!(status.code(), Some(0));
    assert!(!log.iter().any(|line| line.contains("outlives a restart again")), "{log:#?}");
}
