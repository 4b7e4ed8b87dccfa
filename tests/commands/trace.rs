//! The ids of a request go to the backend that is asked for it, and stand in its line of the log.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::mpsc;
use std::time::Duration;

use reqwest::Method;
use serde_json::Value;

use crate::support::program::Running;

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
/// A filter for the start and the lines of requests, which turns all spans off.
const LINES_OF_REQUESTS: &str =
    "off,extension_registry::service=info,extension_registry::api::request_log=info";

/// A server that has nothing, and the heads of what it is asked.
fn nothing() -> (String, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, heads) = mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut head = Vec::new();
            let mut byte = [0];
            while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|read| read == 1)
            {
                head.push(byte[0]);
            }
            let head = String::from_utf8_lossy(&head).to_lowercase();
            let answer = answer(&head);
            // First, so that the head of an answered call is in the channel.
            let _ = sender.send(head);
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    (format!("http://{address}"), heads)
}

/// An empty organization of a Gitea.
fn answer(head: &str) -> String {
    let (status, body) = if head.contains("/settings/api") {
        ("200 OK", "{\"max_response_items\":50}")
    } else if head.contains("/orgs/x/repos") {
        ("200 OK", "[]")
    } else if head.contains("/orgs/x http") {
        ("200 OK", "{\"id\":7,\"username\":\"x\"}")
    } else {
        ("404 Not Found", "{}")
    };
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nX-Total-Count: 0\r\n\
         Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )
}

/// Starts the program over a Gitea at this address.
fn over(url: &str, arguments: &[&str]) -> (Running, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let text = format!("[gitea]\nurl = \"{url}\"\norganization = \"x\"\n");
    std::fs::write(dir.path().join("config.toml"), text).unwrap();
    let arguments = [&["--host", "127.0.0.1"], arguments].concat();
    (Running::start(dir.path(), &arguments), dir)
}

/// Requests an extension that the catalog lacks, with ids.
async fn request_unknown(running: &Running) {
    let headers = [
        ("x-request-id", "mine-1"),
        ("traceparent", &format!("00-{TRACE}-b7ad6b7169203331-01")),
        ("tracestate", "congo=t61rcwkgmze"),
    ];
    let answer = running.send(Method::GET, "/extensions/provider/new", &headers, "").await;
    assert_eq!(answer.header("x-request-id"), "mine-1");
}

/// The span of this name that a line of the log belongs to.
fn span<'a>(line: &'a Value, name: &str) -> Option<&'a Value> {
    line["spans"].as_array()?.iter().find(|span| span["name"] == name)
}

/// Returns true for a line about a call of a sweep.
fn is_of_sweep(line: &str) -> bool {
    let line: Value = serde_json::from_str(line).unwrap();
    let is_sweep = span(&line, "catalog.sync").is_some_and(|cycle| cycle["kind"] == "sweep");
    is_sweep && span(&line, "backend.call").is_some()
}

#[tokio::test]
async fn lines_of_calls_carry_the_request_or_the_cycle_that_they_belong_to() {
    let (url, heads) = nothing();
    let level = ["--log-level", "info,extension_registry::http=debug"];
    let (running, _dir) = over(&url, &level);
    request_unknown(&running).await;
    let mut log = running.lines_until(is_of_sweep);
    running.signal("-TERM");
    log.extend(running.wait().1);
    let lines: Vec<Value> = log.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let calls: Vec<&Value> =
        lines.iter().filter(|line| span(line, "backend.call").is_some()).collect();
    for line in &calls {
        let call = span(line, "backend.call").unwrap();
        assert_eq!(call["backend"], "gitea", "{line}");
        assert!(call["operation"].is_string() && call["attempt"].is_u64(), "{line}");
        assert_eq!(call["outcome"], line["outcome_label"], "{line}");
    }
    let of_request: Vec<&&Value> =
        calls.iter().filter(|line| span(line, "http.server.request").is_some()).collect();
    let sent: Vec<String> = heads.try_iter().collect();
    assert!(!of_request.is_empty(), "{lines:#?}");
    for line in of_request {
        let request = span(line, "http.server.request").unwrap();
        let expected = ("GET", "/api/v1/extensions/{type}/{name}", "mine-1");
        let found = (&request["method"], &request["route"], &request["id"]);
        assert_eq!(found, (&expected.0.into(), &expected.1.into(), &expected.2.into()), "{line}");
        let id = span(line, "backend.call").unwrap()["span_id"].as_str().unwrap();
        let parent = format!("traceparent: 00-{TRACE}-{id}-01\r\n");
        assert!(sent.iter().any(|head| head.contains(&parent)), "{parent} is not in {sent:#?}");
    }
    let cycles: Vec<&Value> = calls.iter().filter_map(|line| span(line, "catalog.sync")).collect();
    assert!(!cycles.is_empty(), "{lines:#?}");
    assert!(cycles.iter().all(|cycle| cycle["backend"] == "gitea"), "{cycles:#?}");
    assert!(cycles.iter().any(|cycle| cycle["kind"] == "sweep"), "{cycles:#?}");
}

#[tokio::test]
async fn a_backend_is_told_for_which_request_it_is_asked_and_for_rounds_nothing() {
    let (url, heads) = nothing();
    // Backends get the ids also where all spans are off.
    let (running, _dir) = over(&url, &["--log-level", LINES_OF_REQUESTS]);
    request_unknown(&running).await;
    let mut seen: Vec<String> = heads.try_iter().collect();
    while seen.iter().all(|head| head.contains("traceparent: ")) {
        seen.push(heads.recv_timeout(Duration::from_mins(1)).expect("a round asks the backend"));
    }
    running.signal("-TERM");
    let (_, log) = running.wait();
    seen.extend(heads.try_iter());
    let (told, untold): (Vec<_>, Vec<_>) =
        seen.iter().partition(|head| head.contains("traceparent: "));
    assert!(!told.is_empty(), "{seen:#?}");
    for head in told {
        assert!(head.contains("x-request-id: mine-1\r\n"), "{head}");
        assert!(head.contains(&format!("traceparent: 00-{TRACE}-")), "{head}");
        assert!(head.contains("tracestate: congo=t61rcwkgmze\r\n"), "{head}");
        assert!(!head.contains("b7ad6b7169203331"), "our part has an id of its own: {head}");
    }
    assert!(untold.iter().all(|head| !head.contains("x-request-id")), "{untold:#?}");
    let line: Value = log
        .iter()
        .map(|line| serde_json::from_str(line).unwrap())
        .find(|line: &Value| line["route"].is_string())
        .unwrap();
    assert_eq!((&line["id"], &line["trace"]), (&"mine-1".into(), &TRACE.into()), "{line}");
}
