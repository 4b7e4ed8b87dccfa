//! The files of the certificate at the start: every mistake is told before, and a certificate out of
//! its dates is served.

use std::fs;
use std::path::Path;
use std::process::Output;
use std::time::Duration;

use registry_testing::certificates::{Authority, PemPair};
use serde_json::Value;
use tokio::io::AsyncWriteExt as _;
use tokio::time::{sleep, timeout};

use super::LIVE;
use crate::support::program::{Running, program, run, stderr, unprivileged};
use crate::support::raw::{get, rest};

const LOCAL: &str = "[local]\npath = \"extensions\"\n";

/// Writes the configuration with this section.
fn configure(dir: &Path, section: &str) {
    fs::create_dir_all(dir.join("extensions")).unwrap();
    fs::write(dir.join("config.toml"), format!("{section}{LOCAL}")).unwrap();
}

/// The problems of a start and of `config check`, which are the same.
fn problems(dir: &Path) -> String {
    let [checked, started] = [&["config", "check"][..], &["--port", "0"]].map(|arguments| {
        let output = run(dir, arguments);
        assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
        stderr(&output)
    });
    assert_eq!(checked, started);
    checked
}

#[test]
fn each_mistake_names_its_key_its_file_and_what_to_do() {
    let authority = Authority::new();
    let (pair, other) = (authority.certificate(), authority.certificate());
    let [none, dir_of] = ["", "directory"];
    let cases = [
        (Some(&*pair.chain), None, "key_path: tls.key cannot be read: No such file"),
        (None, Some(&*pair.key), "cert_path: tls.crt cannot be read: No such file"),
        (Some(dir_of), Some(&pair.key), "cert_path: tls.crt cannot be read (owner: user"),
        (Some(none), Some(&pair.key), "cert_path: tls.crt is empty: write the certificate"),
        (Some(&pair.chain), Some(none), "key_path: tls.key is empty: write the private key"),
        (Some("text"), Some(&pair.key), "cert_path: tls.crt holds no certificate in PEM"),
        (
            Some(&pair.chain),
            Some(&other.key),
            "key_path: tls.key is not the key of the certificate",
        ),
        (
            Some(&pair.key),
            Some(&pair.chain),
            "cert_path: tls.crt holds a private key, and key_path",
        ),
        (Some(&pair.chain[..300]), Some(&pair.key), "cert_path: tls.crt is cut off or damaged"),
    ];
    for (chain, key, expected) in cases {
        let dir = tempfile::tempdir().unwrap();
        configure(dir.path(), &pair.write(dir.path()));
        for (name, content) in [("tls.crt", chain), ("tls.key", key)] {
            let path = dir.path().join(name);
            fs::remove_file(&path).unwrap();
            match content {
                Some("directory") => fs::create_dir(&path).unwrap(),
                Some(content) => fs::write(&path, content).unwrap(),
                None => {}
            }
        }
        let told = problems(dir.path());
        let line = if expected.starts_with("cert") { 2 } else { 3 };
        let expected = format!("config.toml:{line}: server.tls.{expected}");
        assert!(told.contains(&expected), "{expected}: {told}");
        assert_eq!(told.lines().count(), 2, "{told}");
    }
}

#[test]
fn both_keys_are_needed_and_known() {
    let dir = tempfile::tempdir().unwrap();
    for (section, expected) in [
        ("[server.tls]\ncert_path = \"a\"\n", "config.toml:1: server.tls.key_path: is required"),
        ("[server.tls]\nkey_path = \"a\"\n", "config.toml:1: server.tls.cert_path: is required"),
        (
            "[server.tls]\ncert_path = \"a\"\nkey_path = \"b\"\nkey_pth = \"c\"\n",
            "config.toml:4: server.tls.key_pth: unknown key; did you mean server.tls.key_path?",
        ),
        (
            "[server]\ntls = true\n",
            "config.toml:2: server.tls: must be a table; write [server.tls]",
        ),
        (
            "[server]\ncert_path = \"a\"\n",
            "config.toml:2: server.cert_path: unknown key; did you mean server.tls.cert_path?",
        ),
        ("[server.tsl]\ncert_path = \"a\"\n", "server.tsl: unknown key; did you mean server.tls?"),
    ] {
        configure(dir.path(), section);
        let told = problems(dir.path());
        assert!(told.contains(expected), "{expected}: {told}");
    }
}

#[test]
fn a_key_that_may_not_be_read_names_its_owner_and_us() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().unwrap();
    configure(dir.path(), &Authority::new().certificate().write(dir.path()));
    let key = dir.path().join("tls.key");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o000)).unwrap();
    let output = unprivileged(dir.path()).args(["config", "check"]).output().unwrap();
    let told = stderr(&output);
    assert!(told.contains("server.tls.key_path: tls.key cannot be read (owner: user"), "{told}");
}

fn check(dir: &Path) -> Output {
    run(dir, &["config", "check"])
}

/// Starts the service with this certificate, on a free port.
fn started(dir: &Path, pair: &PemPair) -> Running {
    configure(dir, &format!("[server]\nhost = \"127.0.0.1\"\n{}", pair.write(dir)));
    let mut command = program(dir);
    command.args(["--port", "0", "--json-log"]);
    Running::of_exactly(command)
}

#[tokio::test]
async fn a_certificate_out_of_its_dates_is_a_warning_and_is_served() {
    let authority = Authority::new();
    for (from, until, expected) in [
        (2010, 2011, "server.tls.cert_path: tls.crt expired at 2011-01-01T00:00:00Z: clients"),
        (2199, 2200, "server.tls.cert_path: tls.crt is not valid before 2199-01-01T00:00:00Z"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let running = started(dir.path(), &authority.between(from, until));
        let warned = running.before.iter().filter(|line| line.contains("\"WARN\""));
        assert!(warned.clone().any(|line| line.contains(expected)), "{:?}", running.before);
        let checked = check(dir.path());
        let said = String::from_utf8(checked.stdout).unwrap();
        assert!(said.starts_with(&format!("warning: {expected}")), "{said}");
        assert_eq!(checked.status.code(), Some(0));
        let refused = authority.connect(running.address, &[]).await.unwrap_err().to_string();
        assert!(refused.contains("certificate"), "it is served, and refused: {refused}");
        let port = running.address.port().to_string();
        let probed = probe(dir.path(), &["--port", &port]);
        assert_eq!(probed.status.code(), Some(0), "{}", stderr(&probed));
    }
}

/// Runs `healthcheck` with these arguments.
fn probe(dir: &Path, arguments: &[&str]) -> Output {
    run(dir, &[&["healthcheck"], arguments].concat())
}

#[tokio::test]
async fn the_start_the_probes_and_the_doctor_say_https() {
    let authority = Authority::new();
    let dir = tempfile::tempdir().unwrap();
    let running = started(dir.path(), &authority.certificate());
    let line: Value = serde_json::from_str(running.before.last().unwrap()).unwrap();
    assert_eq!(line["url"], format!("https://{}", running.address), "{line}");
    let port = running.address.port().to_string();
    for arguments in [&["--port", &port][..], &["--url", &format!("https://{}", running.address)]] {
        let probed = probe(dir.path(), arguments);
        let said = String::from_utf8(probed.stdout.clone()).unwrap();
        assert_eq!(said, format!("alive: https://127.0.0.1:{port}{LIVE}\n"), "{}", stderr(&probed));
    }
    let plain = probe(dir.path(), &["--url", &format!("http://{}", running.address)]);
    assert_eq!(plain.status.code(), Some(1));
    assert!(stderr(&plain).contains("This port speaks HTTPS"), "{}", stderr(&plain));
    let report = run(dir.path(), &["doctor", "--port", &port]);
    let report = String::from_utf8(report.stdout).unwrap();
    let runs = format!("service port: the service runs on 127.0.0.1 port {port} (https://)");
    assert!(report.contains(&runs), "{report}");
    let good =
        "service certificate: the certificate of server.tls is good until 2200-01-01T00:00:00Z";
    assert!(report.contains(good), "{report}");
}

/// Connects until the certificate of this authority is served.
async fn served_by(running: &Running, authority: &Authority) {
    let connected = async {
        while authority.connect(running.address, &[]).await.is_err() {
            sleep(Duration::from_millis(100)).await;
        }
    };
    timeout(Duration::from_mins(1), connected).await.expect("the certificate is served in time");
}

#[tokio::test]
async fn the_running_program_takes_renewed_files_and_keeps_the_old_ones_while_they_do_not_fit() {
    let [old, cut, new] = [Authority::new(), Authority::new(), Authority::new()];
    let dir = tempfile::tempdir().unwrap();
    let running = started(dir.path(), &old.certificate());
    served_by(&running, &old).await;
    // A tool that died between its two files: the chain is new, the key is old.
    fs::write(dir.path().join("tls.crt"), cut.certificate().chain).unwrap();
    let lines = running.lines_until(|line| line.contains("the previous certificate stays in use"));
    let told = lines.last().unwrap();
    assert!(told.contains("tls.key is not the key of the certificate"), "{told}");
    served_by(&running, &old).await;
    new.certificate().write(dir.path());
    served_by(&running, &new).await;
    assert!(old.connect(running.address, &[]).await.is_err(), "the old certificate is gone");
}

#[tokio::test]
async fn the_variables_of_the_environment_configure_it_too() {
    let authority = Authority::new();
    let dir = tempfile::tempdir().unwrap();
    authority.certificate().write(dir.path());
    configure(dir.path(), "");
    let mut command = program(dir.path());
    command.args(["--host", "127.0.0.1", "--port", "0", "--json-log"]).envs([
        ("EXTENSION_REGISTRY__SERVER__TLS__CERT_PATH", "tls.crt"),
        ("EXTENSION_REGISTRY__SERVER__TLS__KEY_PATH", "tls.key"),
    ]);
    let running = Running::of_exactly(command);
    let mut stream = authority.connect(running.address, &[]).await.unwrap();
    stream.write_all(get(LIVE).as_bytes()).await.unwrap();
    assert!(rest(&mut stream).await.starts_with(b"HTTP/1.1 200"));
}
