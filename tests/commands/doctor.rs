//! `doctor` against services that are well and services that are ill in one way each.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use registry_testing::fake_gitea::FakeGitea;
use registry_testing::fake_gitea::recorded::{FORGEJO_9, GITEA, GITEA_1_22};
use registry_testing::fake_gitea::state::{ORGANIZATION, State};
use registry_testing::fake_gitea::tls::{Flaw, acceptor};
use registry_testing::ids::id;
use registry_testing::played_registry::PlayedRegistry;
use registry_testing::scripted_registry::ScriptedRegistry;
use serde_json::Value;

use crate::support::layouts::publish;
use crate::support::program::{Running, run, stderr};

/// Exit code and entries of the doctor for a configuration.
fn examined(dir: &Path, config: &str, arguments: &[&str]) -> (Option<i32>, Vec<Value>) {
    std::fs::write(dir.join("config.toml"), config).unwrap();
    let output = run(dir, &[&["doctor", "-o", "json"], arguments].concat());
    let said = String::from_utf8(output.stdout.clone()).unwrap();
    let report: Value =
        serde_json::from_str(&said).unwrap_or_else(|_| panic!("{}", stderr(&output)));
    (output.status.code(), report["entries"].as_array().unwrap().clone())
}

/// The only problem: what it is about, its step, what it is. It must say how to mend it.
fn only_problem(entries: &[Value]) -> (String, String, String) {
    let problems: Vec<&Value> =
        entries.iter().filter(|entry| entry["state"] == "problem").collect();
    assert_eq!(problems.len(), 1, "{entries:#?}");
    assert!(!problems[0]["fix"].as_str().unwrap().is_empty());
    let text = |field: &str| problems[0][field].as_str().unwrap().to_owned();
    (text("about"), text("step"), text("what"))
}

/// A server that gives everyone the same answer, and then closes the connection.
fn answering(head: String, body: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 4096]);
            let length = body.len();
            let answer =
                format!("{head}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}");
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    format!("http://{address}")
}

fn gitea(url: &str) -> String {
    format!("[gitea]\nurl = \"{url}\"\norganization = \"x\"\ntimeout_seconds = 1\n")
}

/// The `Date` header so far from now.
fn date(off: SignedDuration) -> String {
    let at = Timestamp::now() + off;
    format!("Date: {}\r\n", at.strftime("%a, %d %b %Y %H:%M:%S GMT"))
}

#[test]
fn a_service_that_is_well_gets_a_good_report() {
    let dir = tempfile::tempdir().unwrap();
    publish(&dir.path().join("extensions"), &id("provider/mine"), "1.0.0", "d", b"mine");
    let config = "[local]\npath = \"extensions\"\n[cache]\nstate_dir = \"state\"\n";
    let (code, entries) = examined(dir.path(), config, &["--port", "0"]);
    assert!(entries.iter().all(|entry| entry["state"] == "ok"), "{entries:#?}");
    assert_eq!(code, Some(0));
    let text = run(dir.path(), &["doctor", "--port", "0"]);
    let text = String::from_utf8(text.stdout).unwrap();
    assert!(text.contains("ok       local listing: 1 extensions\n"), "{text}");
}

#[test]
fn a_directory_that_is_missing_empty_or_none_is_told_as_what_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let config = "[local]\npath = \"extensions\"\n[cache]\nstate_dir = \"state\"\n";
    let absolute = dir.path().canonicalize().unwrap().join("extensions");
    let place = format!("[local] path extensions ({})", absolute.display());
    let path = dir.path().join("extensions");
    let expect = |what: &str, fix: &str| {
        let (code, entries) = examined(dir.path(), config, &["--port", "0"]);
        let (about, step, told) = only_problem(&entries);
        assert_eq!((code, about.as_str(), step.as_str()), (Some(1), "local", "listing"), "{told}");
        assert!(told.contains(what), "{told}");
        let problem = entries.iter().find(|entry| entry["state"] == "problem").unwrap();
        assert!(problem["fix"].as_str().unwrap().contains(fix), "{problem}");
    };
    expect(&format!("does not exist: create {place}"), "mkdir -p");
    std::fs::write(&path, "").unwrap();
    expect(&format!("cannot be read: {place} is a file, not a directory"), "local.path");
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    expect("no extension is visible with these credentials", "-provider");
}

#[test]
fn a_wrong_configuration_is_told_line_by_line_with_exit_code_two() {
    let dir = tempfile::tempdir().unwrap();
    let (code, entries) = examined(dir.path(), "[local]\npath = 1\n[cach]\n", &[]);
    assert_eq!((code, entries.len()), (Some(2), 2), "{entries:#?}");
    assert!(entries[0]["what"].as_str().unwrap().starts_with("config.toml:2: local.path"));
}

#[test]
fn a_wrong_port_a_silent_server_and_missing_tls_are_told_apart() {
    let dir = tempfile::tempdir().unwrap();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let plain = answering("HTTP/1.1 200 OK\r\n".to_owned(), "");
    for (url, step, what) in [
        (format!("http://{free}"), "connection", "refused"),
        (format!("http://{}", silent.local_addr().unwrap()), "answer", "did not answer in time"),
        (plain.replace("http://", "https://"), "tls", "InvalidContentType"),
        ("http://no-such-host.invalid".to_owned(), "name", "no-such-host.invalid"),
    ] {
        let (code, entries) = examined(dir.path(), &gitea(&url), &["--port", "0"]);
        assert_eq!(code, Some(1), "{url}");
        let problem = only_problem(&entries);
        assert_eq!((problem.0.as_str(), problem.1.as_str()), ("gitea", step), "{entries:#?}");
        assert!(problem.2.contains(what), "{}", problem.2);
    }
}

#[test]
fn refused_credentials_an_empty_organization_and_a_page_are_told_apart() {
    let dir = tempfile::tempdir().unwrap();
    let now = date(SignedDuration::ZERO);
    let json = "Content-Type: application/json\r\n";
    for (head, body, step) in [
        (format!("HTTP/1.1 401 Unauthorized\r\n{now}{json}"), "{}", "credentials"),
        (format!("HTTP/1.1 404 Not Found\r\n{now}{json}"), "{}", "credentials"),
        (format!("HTTP/1.1 200 OK\r\n{now}{json}X-Total-Count: 0\r\n"), "[]", "listing"),
        (format!("HTTP/1.1 200 OK\r\n{now}Content-Type: text/html\r\n"), "<p>", "credentials"),
    ] {
        let config = gitea(&answering(head, body));
        let (code, entries) = examined(dir.path(), &config, &["--port", "0"]);
        let (_, found, what) = only_problem(&entries);
        assert_eq!((code, found.as_str()), (Some(1), step), "{what}");
    }
}

#[test]
fn a_clock_that_is_an_hour_off_is_told_whichever_way() {
    let dir = tempfile::tempdir().unwrap();
    for (hours, side) in [(1, "s behind the server's"), (-1, "s ahead of the server's")] {
        let off = date(SignedDuration::from_hours(hours));
        let head = format!("HTTP/1.1 401 Unauthorized\r\n{off}Content-Type: application/json\r\n");
        let config = gitea(&answering(head, "{}"));
        let (code, entries) = examined(dir.path(), &config, &["--port", "0"]);
        let (about, step, what) = only_problem(&entries);
        assert_eq!((code, about.as_str(), step.as_str()), (Some(1), "gitea", "clock"), "{what}");
        assert!(what.contains(side), "{what}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn remote_backends_that_are_well_get_a_good_report_step_by_step() {
    let mut state = State::empty();
    state.create_released("aws_prov", "1.0.0", b"bytes");
    let (acceptor, authority) = acceptor(Flaw::Nothing);
    let server = FakeGitea::start_tls(state, acceptor).await;
    let registry = ScriptedRegistry::start(|seen| PlayedRegistry::zot().answer(seen)).await;
    let dir = tempfile::tempdir().unwrap();
    let config = format!(
        "[gitea]\nurl = \"{}\"\norganization = \"{ORGANIZATION}\"\nca_file = {:?}\n\
         [oci]\nregistry = \"{}\"\nnamespace = \"provisioning\"\n\
         [cache]\nstate_dir = \"state\"\n",
        server.url(),
        authority.path(),
        registry.url(),
    );
    let examine = move || examined(dir.path(), &config, &["--port", "0"]);
    let (code, entries) = tokio::task::spawn_blocking(examine).await.unwrap();
    assert_eq!(code, Some(0), "{entries:#?}");
    let text = |entry: &Value, field: &str| entry[field].as_str().unwrap().to_owned();
    let told: Vec<String> = entries
        .iter()
        .map(|entry| ["state", "about", "step"].map(|field| text(entry, field)).join(" "))
        .collect();
    let expected = [
        "ok service configuration",
        "ok service port",
        "ok service state",
        "ok gitea name",
        "ok gitea connection",
        "ok gitea tls",
        "ok gitea clock",
        "ok gitea credentials",
        "ok gitea listing",
        "ok gitea releases",
        "ok oci name",
        "ok oci connection",
        "ok oci clock",
        "ok oci credentials",
        "ok oci listing",
        "ok oci releases",
    ];
    assert_eq!(told, expected, "{entries:#?}");
    let what = |step: &str| entries.iter().find(|entry| entry["step"] == step).unwrap();
    assert_eq!(text(what("tls"), "what"), "the certificate is good until 2100-01-01T00:00:00Z");
    assert_eq!(text(what("listing"), "what"), "1 extensions");
}

#[test]
fn a_directory_that_cannot_be_written_and_a_taken_port_are_told() {
    let dir = tempfile::tempdir().unwrap();
    publish(&dir.path().join("extensions"), &id("provider/mine"), "1.0.0", "d", b"mine");
    let local = "[server]\nhost = \"127.0.0.1\"\n[local]\npath = \"extensions\"\n";
    let unwritable = format!("{local}[cache]\nstate_dir = \"config.toml/state\"\n");
    let (code, entries) = examined(dir.path(), &unwritable, &["--port", "0"]);
    let (about, step, what) = only_problem(&entries);
    assert_eq!((code, about.as_str(), step.as_str()), (Some(1), "service", "state"), "{what}");
    let other = answering("HTTP/1.1 404 Not Found\r\n".to_owned(), "");
    let port = other.rsplit(':').next().unwrap().to_owned();
    let (code, entries) = examined(dir.path(), local, &["--port", &port]);
    let (_, step, what) = only_problem(&entries);
    assert_eq!((code, step.as_str()), (Some(1), "port"), "{what}");
    let running = Running::start(dir.path(), &["--demo"]);
    let port = running.address.port().to_string();
    let (code, entries) = examined(dir.path(), local, &["--port", &port]);
    assert_eq!(code, Some(0), "{entries:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_that_nobody_should_trust_are_told() {
    for (flaw, what) in [
        (Flaw::Expired, "expired"),
        (Flaw::WrongName, "not valid for name"),
        (Flaw::SelfSigned, "UnknownIssuer"),
        (Flaw::ExpiresSoon, "the certificate expires at 2"),
    ] {
        let (acceptor, authority) = acceptor(flaw);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://{}", listener.local_addr().unwrap());
        let server = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let _ = acceptor.accept(stream).await;
            }
        });
        let dir = tempfile::tempdir().unwrap();
        let config = format!("{}ca_file = {:?}\n", gitea(&url), authority.path());
        let examine = move || examined(dir.path(), &config, &["--port", "0"]);
        let (code, entries) = tokio::task::spawn_blocking(examine).await.unwrap();
        server.abort();
        let (_, step, said) = only_problem(&entries);
        assert_eq!((code, step.as_str()), (Some(1), "tls"), "{said}");
        assert!(said.contains(what), "{flaw:?}: {said}");
    }
}

/// The only problem of a Gitea whose token is of this name.
async fn problem_of(server: &FakeGitea, token: &str) -> (String, String, String) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("token");
    std::fs::write(&file, server.token::<String>(token)).unwrap();
    let config = format!(
        "[gitea]\nurl = \"{}\"\norganization = \"{ORGANIZATION}\"\ntoken_path = {file:?}\n",
        server.url()
    );
    let examine = move || examined(dir.path(), &config, &["--port", "0"]).1;
    only_problem(&tokio::task::spawn_blocking(examine).await.unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g10_a_token_that_may_only_list_is_told_with_the_scope_it_lacks() {
    for recording in [&GITEA, &GITEA_1_22, &FORGEJO_9] {
        let mut state = State::empty_as(recording);
        state.create_released("aws_prov", "1.0.0", b"bytes");
        let server = FakeGitea::start(state).await;
        let (_, step, what) = problem_of(&server, "<orgonly>").await;
        assert_eq!(what, "The Gitea token lacks the scope read:repository", "{step}");
        let (_, _, what) = problem_of(&server, "<weak>").await;
        assert_eq!(what, "The Gitea token lacks the scope read:organization");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g02_a_team_without_the_permission_is_told_with_its_name() {
    let mut state = State::empty();
    state.create_released("aws_prov", "1.0.0", b"bytes");
    state.repository_mut("aws_prov").refused = true;
    let server = FakeGitea::start(state).await;
    let (_, step, what) = problem_of(&server, "<read>").await;
    assert!(step == "releases" && what.contains("lacks the permission Releases"), "{step}: {what}");
}
