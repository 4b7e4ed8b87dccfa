//! `healthcheck` against a service that lives, one that does not, and what is no service.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::process::Output;

use crate::support::program::{Running, program, run, stderr};

fn check(arguments: &[&str]) -> Output {
    let dir = tempfile::tempdir().unwrap();
    run(dir.path(), &[&["healthcheck"], arguments].concat())
}

fn told(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn a_service_that_lives_is_healthy_by_port_by_address_and_by_its_configuration() {
    let dir = tempfile::tempdir().unwrap();
    let running = Running::start(dir.path(), &["--demo"]);
    let port = running.address.port().to_string();
    let expected = format!("healthy: http://127.0.0.1:{port}/api/v1/health/live\n");
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
fn what_does_not_answer_is_unhealthy_in_one_line() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent_port = silent.local_addr().unwrap().port();
    for (port, expected) in [(free, "refused"), (silent_port, "timed out")] {
        let output = check(&["--port", &port.to_string()]);
        assert_eq!(output.status.code(), Some(1), "{expected}");
        let line = stderr(&output);
        assert!(line.starts_with("error: unhealthy: http://127.0.0.1:"), "{line}");
        assert!(line.contains(expected) && line.lines().count() == 1, "{line}");
    }
}

#[test]
fn another_status_and_what_is_no_http_are_unhealthy() {
    for (answer, expected) in [
        ("HTTP/1.1 503 Service Unavailable\r\n\r\n", "answered \"503\""),
        ("SSH-2.0-OpenSSH_9.2\r\n", "answered \"SSH-2.0-Open\""),
        ("HTTP/1.1 2", "eof"),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port().to_string();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.read(&mut [0; 1024]).unwrap();
            stream.write_all(answer.as_bytes()).unwrap();
        });
        let output = check(&["--port", &port]);
        assert_eq!(output.status.code(), Some(1));
        assert!(stderr(&output).contains(expected), "{}", stderr(&output));
    }
}

#[test]
fn every_failure_has_the_exit_code_one() {
    for (arguments, expected) in [
        (&["--port", "0"][..], "--url"),
        (&["--url", "https://a.example"], "is no address such as http://"),
        (&["--config", "none.toml"], "none.toml: cannot be read"),
    ] {
        let output = check(arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        assert!(stderr(&output).contains(expected), "{}", stderr(&output));
    }
}
