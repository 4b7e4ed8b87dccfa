//! What keeps the program from starting, and what does not: each says so, with the exit code that
//! `docs/configuration.md` promises.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::process::{Command, Output};

use registry_testing::ids::id;
use serde_json::Value;

use crate::support::layouts::publish;
use crate::support::program::{Running, run, stderr, unprivileged};

const GITEA: &str = "[gitea]\nurl = \"https://gitea.example.com\"\norganization = \"ext\"\n";

/// A line of the program's errors behind `config.toml:`.
fn told(output: &Output) -> Vec<String> {
    let lines = stderr(output);
    let lines = lines.lines().filter_map(|line| line.trim().strip_prefix("config.toml:"));
    lines.map(str::to_owned).collect()
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
            "{line}: secret cannot be read (owner: user {us}; the service runs as user {us}): \
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
    let warned =
        running.before.iter().filter(|line| line.contains("cannot be saved and would be lost"));
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
    assert!(!log.iter().any(|line| line.contains("state is saved again")), "{log:#?}");
}

/// A service whose state directory others can write, with what they put there.
#[tokio::test]
async fn s16i_a_state_dir_that_others_write_is_warned_about_and_what_they_put_there_harms_nothing()
{
    let dir = tempfile::tempdir().unwrap();
    publish(&dir.path().join("extensions"), &id("provider/mine"), "1.0.0", "d", b"mine");
    let text = "[local]\npath = \"extensions\"\n[cache]\nstate_dir = \"state\"\n";
    std::fs::write(dir.path().join("config.toml"), text).unwrap();
    let state = dir.path().join("state");
    std::fs::create_dir(&state).unwrap();
    std::os::unix::fs::symlink("/dev/zero", state.join("digests.json")).unwrap();
    let pipe = Command::new("mkfifo").arg(state.join("state.log")).status();
    assert!(pipe.unwrap().success());
    for (mode, warned) in [(0o777, true), (0o1777, true), (0o770, false), (0o755, false)] {
        std::fs::set_permissions(&state, std::fs::Permissions::from_mode(mode)).unwrap();
        let running = Running::start(dir.path(), &["--host", "127.0.0.1"]);
        let lines = running
            .before
            .iter()
            .filter(|line| line.contains("cache.state_dir is writable by every user"));
        let lines: Vec<&String> = lines.collect();
        assert_eq!(lines.len(), usize::from(warned), "{mode:o}: {:#?}", running.before);
        for part in ["WARN", "state", "chmod"] {
            assert!(lines.iter().all(|line| line.contains(part)), "{lines:?}");
        }
        assert_eq!(running.get("/extensions/provider/mine/1.0.0").await.body, b"mine");
        running.signal("-TERM");
        assert_eq!(running.wait().0.code(), Some(0));
    }
    let told = std::fs::read_to_string(state.join("state.log")).unwrap();
    assert!(told.starts_with('{'), "and it is kept again: {told}");
}

/// As a volume of Kubernetes, which everybody in the pod can write.
#[tokio::test]
async fn a_state_dir_that_is_made_in_an_open_directory_is_for_the_service_alone() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("extensions")).unwrap();
    let volume = dir.path().join("volume");
    std::fs::create_dir(&volume).unwrap();
    std::fs::set_permissions(&volume, std::fs::Permissions::from_mode(0o2777)).unwrap();
    let text = "[local]\npath = \"extensions\"\n[cache]\nstate_dir = \"volume/state\"\n";
    std::fs::write(dir.path().join("config.toml"), text).unwrap();
    for start in ["first", "second"] {
        let running = Running::start(dir.path(), &["--host", "127.0.0.1"]);
        let warnings = running.before.iter().filter(|line| line.contains("cache.state_dir"));
        assert_eq!(warnings.collect::<Vec<_>>(), Vec::<&String>::new(), "{start}");
        running.signal("-TERM");
        assert_eq!(running.wait().0.code(), Some(0));
        let mode = volume.join("state").metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700, "{start}: {mode:o}");
    }
}

#[test]
fn state_of_a_newer_release_stops_the_start_and_stays_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("extensions")).unwrap();
    let text = "[local]\npath = \"extensions\"\n[cache]\nstate_dir = \"state\"\n";
    std::fs::write(dir.path().join("config.toml"), text).unwrap();
    let state = dir.path().join("state");
    std::fs::create_dir(&state).unwrap();
    std::fs::write(state.join("state.log"), "{\"version\":4}\n").unwrap();
    let output = run(dir.path(), &["--host", "127.0.0.1", "--port", "0"]);
    assert_eq!(output.status.code(), Some(1));
    for part in ["cache.state_dir", "state.log has format version 4", "another directory"] {
        assert!(stderr(&output).contains(part), "{part}: {}", stderr(&output));
    }
    assert_eq!(std::fs::read_to_string(state.join("state.log")).unwrap(), "{\"version\":4}\n");
    assert_eq!(std::fs::read_dir(&state).unwrap().count(), 1, "nothing was made beside it");
}

/// Tokens and certificates are files of others too.
#[test]
fn s07c_a_file_of_secrets_that_never_ends_or_never_begins_stops_the_start_at_once() {
    let dir = tempfile::tempdir().unwrap();
    assert!(Command::new("mkfifo").arg(dir.path().join("pipe")).status().unwrap().success());
    std::fs::File::create(dir.path().join("huge")).unwrap().set_len(1 << 40).unwrap();
    std::fs::create_dir(dir.path().join("folder")).unwrap();
    for (key, section) in [
        ("gitea.token_path", GITEA),
        ("gitea.webhook_secret_path", GITEA),
        ("gitea.ca_file", GITEA),
        ("oci.auth_token_path", "[oci]\nregistry = \"r.example\"\nnamespace = \"n\"\n"),
        ("oci.webhook_secret_path", "[oci]\nregistry = \"r.example\"\nnamespace = \"n\"\n"),
        ("oci.ca_file", "[oci]\nregistry = \"r.example\"\nnamespace = \"n\"\n"),
        ("auth.tokens_path", "[local]\npath = \"x\"\n[auth]\n"),
    ] {
        for (file, word) in [
            ("pipe", "regular file"),
            ("/dev/zero", "regular file"),
            ("folder", "regular file"),
            ("huge", "larger than"),
        ] {
            let name = key.split_once('.').unwrap().1;
            let text = format!("{section}{name} = \"{file}\"\n");
            std::fs::write(dir.path().join("config.toml"), text).unwrap();
            let output = run(dir.path(), &["config", "check"]);
            let told = told(&output);
            assert!(told.len() == 1, "{key} {file}: {told:?}");
            assert!(told[0].contains(key) && told[0].contains(word), "{key} {file}: {told:?}");
        }
    }
}

/// Kubernetes mounts secrets as links to links, and swaps them behind a link.
#[tokio::test]
async fn s07d_secrets_that_an_operator_names_may_be_links() {
    let dir = tempfile::tempdir().unwrap();
    let mount = dir.path().join("mount");
    std::fs::create_dir_all(mount.join("..2026")).unwrap();
    let token = registry_core::models::digest::Digest::sha256(b"word");
    std::fs::write(mount.join("..2026/tokens"), format!("ci {}\n", token.hex())).unwrap();
    std::os::unix::fs::symlink("..2026", mount.join("..data")).unwrap();
    std::os::unix::fs::symlink("..data/tokens", mount.join("tokens")).unwrap();
    let text = "[local]\npath = \"x\"\n[auth]\ntokens_path = \"mount/tokens\"\n";
    std::fs::write(dir.path().join("config.toml"), text).unwrap();
    let output = run(dir.path(), &["config", "check"]);
    assert!(output.status.success(), "{}", stderr(&output));
}

#[test]
fn the_program_takes_no_huge_pages() {
    let dir = tempfile::tempdir().unwrap();
    let running = Running::start(dir.path(), &["--demo"]);
    let status = std::fs::read_to_string(format!("/proc/{}/status", running.id())).unwrap();
    // A kernel without huge pages has no such line.
    let enabled = status.lines().find_map(|line| line.strip_prefix("THP_enabled:"));
    assert_eq!(enabled.map_or("0", str::trim), "0");
}
