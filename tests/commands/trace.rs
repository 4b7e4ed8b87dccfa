//! The ids of a request go to the backend that is asked for it, and stand in its line of the log.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::mpsc;

use serde_json::Value;

use crate::support::program::Running;

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

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
            let _ = stream.write_all(answer(&head).as_bytes());
            let _ = sender.send(head);
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

#[tokio::test]
async fn a_backend_is_told_for_which_request_it_is_asked_and_for_rounds_nothing() {
    let (url, heads) = nothing();
    let dir = tempfile::tempdir().unwrap();
    let text = format!("[gitea]\nurl = \"{url}\"\norganization = \"x\"\n");
    std::fs::write(dir.path().join("config.toml"), text).unwrap();
    let running = Running::start(dir.path(), &["--host", "127.0.0.1"]);
    let asked = format!("http://{}/api/v1/extensions/provider/new", running.address);
    let answer = reqwest::Client::builder()
        .no_proxy()
        .build()
        .unwrap()
        .get(asked)
        .header("x-request-id", "mine-1")
        .header("traceparent", format!("00-{TRACE}-b7ad6b7169203331-01"))
        .header("tracestate", "congo=t61rcwkgmze")
        .send()
        .await
        .unwrap();
    assert_eq!(answer.headers()["x-request-id"], "mine-1");
    running.signal("-TERM");
    let (_, log) = running.wait();
    let heads: Vec<String> = heads.try_iter().collect();
    let (told, untold): (Vec<_>, Vec<_>) =
        heads.iter().partition(|head| head.contains("traceparent: "));
    assert!(!told.is_empty(), "{heads:#?}");
    for head in told {
        assert!(head.contains("x-request-id: mine-1\r\n"), "{head}");
        assert!(head.contains(&format!("traceparent: 00-{TRACE}-")), "{head}");
        assert!(head.contains("tracestate: congo=t61rcwkgmze\r\n"), "{head}");
        assert!(!head.contains("b7ad6b7169203331"), "our part has an id of its own: {head}");
    }
    assert!(!untold.is_empty(), "rounds are made for nobody");
    assert!(untold.iter().all(|head| !head.contains("x-request-id")), "{untold:#?}");
    let line: Value = log
        .iter()
        .map(|line| serde_json::from_str(line).unwrap())
        .find(|line: &Value| line["route"].is_string())
        .unwrap();
    assert_eq!((&line["id"], &line["trace"]), (&"mine-1".into(), &TRACE.into()), "{line}");
}
