//! `healthcheck` against a service that lives, one that does not, and what is no service.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::process::Output;
use std::sync::Arc;

use registry_core::models::backend_id::BackendId;
use registry_core::models::scope::Scope;
use registry_server::edge::middleware::HttpRules;
use registry_server::server::Stop;
use registry_testing::canary::CLIENT;
use registry_testing::memory::memory;
use registry_testing::scripted::Scripted;
use serde_json::json;

use crate::api::admission::tokens;
use crate::support::program::{Running, program, run, stderr};
use crate::support::served::{Served, Setup};

fn check(arguments: &[&str]) -> Output {
    let dir = tempfile::tempdir().unwrap();
    run(dir.path(), &[&["healthcheck"], arguments].concat())
}

fn told(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn a_service_that_lives_is_alive_by_port_by_address_and_by_its_configuration() {
    let dir = tempfile::tempdir().unwrap();
    let running = Running::start(dir.path(), &["--demo"]);
    let port = running.address.port().to_string();
    let expected = format!("alive: http://127.0.0.1:{port}/api/v1/health/live\n");
    let by_port = check(&["--port", &port]);
    assert_eq!((by_port.status.code(), told(&by_port)), (Some(0), expected.clone()));
    let by_address = check(&["--url", &format!("http://127.0.0.1:{port}")]);
    assert_eq!((by_address.status.code(), told(&by_address)), (Some(0), expected.clone()));
    // Typing errors elsewhere, or a backend that is missing, say nothing of the running service.
    let text = format!("[server]\nport = {port}\nhost = \"0.0.0.0\"\n[cache]\ncapacity = \"x\"\n");
    std::fs::write(dir.path().join("config.toml"), text).unwrap();
    let by_file = run(dir.path(), &["healthcheck"]);
    assert_eq!((by_file.status.code(), told(&by_file)), (Some(0), expected));
    let environment = [("EXTENSION_REGISTRY__SERVER__PORT", port.as_str())];
    let by_environment = program(tempfile::tempdir().unwrap().path())
        .envs(environment)
        .arg("healthcheck")
        .output()
        .unwrap();
    assert_eq!(by_environment.status.code(), Some(0));
}

#[test]
fn what_does_not_answer_is_told_in_one_line() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent_port = silent.local_addr().unwrap().port();
    for (port, expected) in [(free, "refused"), (silent_port, "timed out")] {
        for (question, word) in [(&[][..], "alive"), (&["--ready"], "ready")] {
            let port = port.to_string();
            let output = check(&[&["--port", port.as_str()], question].concat());
            assert_eq!(output.status.code(), Some(1), "{expected}");
            let line = stderr(&output);
            assert!(line.starts_with(&format!("error: not {word}: http://127.0.0.1:")), "{line}");
            assert!(line.contains(expected) && line.lines().count() == 1, "{line}");
        }
    }
}

/// A server that answers one connection so, and keeps it open where the answer ends in `…`.
fn answering(answer: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let _ = stream.read(&mut [0; 1024]).unwrap();
        stream.write_all(answer.as_bytes()).unwrap();
        if answer.ends_with('…') {
            let _ = stream.read(&mut [0; 1024]);
        }
    });
    port
}

#[test]
fn another_status_and_what_is_no_http_are_told_as_what_they_are() {
    for (answer, expected) in [
        ("HTTP/1.1 503 Service Unavailable\r\n\r\n", "answered \"503\""),
        ("HTTP/1.1 503 Service Unavailable\r\n\r\n<html>…", "answered \"503\""),
        ("HTTP/1.1 404 Not Found\r\n\r\n{\"message\":1}", "answered \"404\""),
        ("HTTP/1.1 503 X\r\n\r\n{\"message\":\"a\u{1b}[2J\\u001b[2Jb\"}", "answered \"503\""),
        ("HTTP/1.1 503 X\r\n\r\n{\"message\":\"a\\u001b[2J\\nb\"}", "a[2Jb (answered \"503\")"),
        ("SSH-2.0-OpenSSH_9.2\r\n", "answered \"SSH-2.0-Open\""),
        ("HTTP/1.1 2", "eof"),
    ] {
        for question in [&[][..], &["--ready"]] {
            let port = answering(answer);
            let output = check(&[&["--port", port.as_str()], question].concat());
            assert_eq!(output.status.code(), Some(1));
            let line = stderr(&output);
            assert!(line.contains(expected) && line.lines().count() == 1, "{line}");
            assert!(!line.contains('\u{1b}'), "{line:?}");
        }
    }
}

/// Asks a service of this process from a thread that may wait.
async fn check_served(served: &Served, arguments: &'static [&'static str]) -> Output {
    let base = served.base.clone();
    let run = move || check(&[&["--url", base.as_str()], arguments].concat());
    tokio::task::spawn_blocking(run).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_is_ready_until_it_drains_and_alive_until_its_end() {
    let served = Served::over(vec![memory(BackendId::LOCAL, &["provider/aws:1.0.0"])]).await;
    served.catalog.syncer.sync(Scope::All).await.unwrap();
    let ready = check_served(&served, &["--ready"]).await;
    let expected = format!("ready: {}/api/v1/health/ready\n", served.base);
    assert_eq!((ready.status.code(), told(&ready)), (Some(0), expected));
    served.draining.begin();
    let drains = check_served(&served, &["--ready"]).await;
    assert_eq!(drains.status.code(), Some(1));
    let expected = format!(
        "error: not ready: {}/api/v1/health/ready: The service is shutting down (answered \"503\")\n",
        served.base
    );
    assert_eq!(stderr(&drains), expected);
    assert_eq!(served.get("/health/ready").await.json()["error"], "shutting_down");
    assert_eq!(check_served(&served, &[]).await.status.code(), Some(0));
    // From then on no connection is taken.
    served.stop.send_replace(Stop::Drain);
    while std::net::TcpStream::connect(served.address()).is_ok() {
        tokio::task::yield_now().await;
    }
    let gone = check_served(&served, &["--ready"]).await;
    assert_eq!(gone.status.code(), Some(1));
    assert!(stderr(&gone).contains("nothing listens there, or it is shutting down"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_knows_nothing_says_what_it_waits_for() {
    let reason = "Waiting for gitea (it fails: connection refused)";
    let served = Served::over(vec![Scripted::down(BackendId::GITEA)]).await;
    let _ = served.catalog.syncer.sync(Scope::All).await;
    let waits = check_served(&served, &["--ready"]).await;
    assert_eq!(waits.status.code(), Some(1));
    assert!(stderr(&waits).contains(reason), "{}", stderr(&waits));
    assert_eq!(check_served(&served, &[]).await.status.code(), Some(0), "it lives");
    let got = served.get("/health/ready").await;
    assert_eq!(got.status, 503);
    assert_eq!(got.json(), json!({"error": "backend_unavailable", "message": reason}));

    // States are for everybody, texts are not.
    let admission = Arc::new(tokens(&[("ci", CLIENT)]));
    let http = HttpRules { admission, ..Setup::default().http };
    let setup = Setup { http, ..Setup::default() };
    let served = Served::with(vec![Scripted::down(BackendId::GITEA)], setup).await;
    let _ = served.catalog.syncer.sync(Scope::All).await;
    let waits = check_served(&served, &["--ready"]).await;
    let reason = "Waiting for gitea (it fails)";
    assert!(stderr(&waits).contains(reason), "{}", stderr(&waits));
    let bearer = format!("Bearer {CLIENT}");
    let told = served.get_with("/health/ready", &[("authorization", &bearer)]).await;
    assert!(told.text().contains("(it fails: "), "{}", told.text());
}

#[test]
fn every_failure_has_the_exit_code_one() {
    for (arguments, expected) in [
        (&["--port", "0"][..], "--url"),
        (&["--url", "ftp://a.example"], "is not an address such as http://"),
        (&["--config", "none.toml"], "none.toml: cannot be read"),
    ] {
        let output = check(arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        assert!(stderr(&output).contains(expected), "{}", stderr(&output));
    }
}
