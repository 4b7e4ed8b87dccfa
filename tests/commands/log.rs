//! The log of the running program: complete and in order at a normal stop, and no request waits for a
//! standard error that is not read.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, ChildStderr, Command, Stdio};

use reqwest::Client;
use serde_json::Value;

use crate::support::program::{Running, program};

const REQUESTS: usize = 500;
const CONNECTIONS: usize = 8;

#[tokio::test]
async fn every_request_is_logged_whole_and_in_order_before_a_normal_stop() {
    let dir = tempfile::tempdir().unwrap();
    let running = Running::start(dir.path(), &["--demo"]);
    let url = format!("http://{}/api/v1/extensions/provider/aws", running.address);
    let asking = (0..CONNECTIONS).map(|connection| {
        let url = url.clone();
        tokio::spawn(async move {
            let client = registry_testing::http::client_builder().build().unwrap();
            for number in 0..REQUESTS {
                let id = format!("{connection}-{number}");
                let answer = client.get(&url).header("x-request-id", id).send().await.unwrap();
                answer.bytes().await.unwrap();
            }
        })
    });
    futures_util::future::join_all(asking).await.into_iter().for_each(|asked| asked.unwrap());
    running.signal("-TERM");
    let (status, log) = running.wait();
    assert!(status.success());
    let lines: Vec<Value> = log.iter().map(|line| line_of(line)).collect();
    let ids: Vec<&str> = lines.iter().filter_map(|line| line["id"].as_str()).collect();
    for connection in 0..CONNECTIONS {
        let prefix = format!("{connection}-");
        let numbers = ids.iter().filter_map(|id| id.strip_prefix(&prefix));
        let numbers: Vec<usize> = numbers.map(|number| number.parse().unwrap()).collect();
        assert_eq!(numbers, (0..REQUESTS).collect::<Vec<_>>(), "connection {connection}");
    }
    assert_eq!(lines.last().unwrap()["message"], "stopped");
}

/// One line of the log, which is never cut.
fn line_of(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
}

/// A program whose standard error is read up to the address and then left alone.
fn unread(dir: &std::path::Path) -> (Child, BufReader<ChildStderr>, String) {
    let mut command: Command = program(dir);
    command.args(["--demo", "--port", "0", "--json-log"]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut log = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    let address = loop {
        line.clear();
        assert!(log.read_line(&mut line).unwrap() > 0, "it ended before it listened");
        let value = line_of(&line);
        if let Some(address) = value["address"].as_str() {
            break address.to_owned();
        }
    };
    (child, log, address)
}

/// The lines of this level that the metrics count as dropped.
async fn dropped(client: &Client, address: &str, level: &str) -> u64 {
    let url = format!("http://{address}/api/v1/metrics");
    let text = client.get(url).send().await.unwrap().text().await.unwrap();
    let series = format!("extension_registry_log_lines_dropped_total{{level=\"{level}\"}} ");
    text.lines().find_map(|line| line.strip_prefix(&series)).expect(&text).parse().unwrap()
}

#[tokio::test]
async fn a_standard_error_that_is_not_read_costs_lines_and_no_request() {
    let dir = tempfile::tempdir().unwrap();
    let (mut child, mut log, address) = unread(dir.path());
    let client = registry_testing::http::client_builder().build().unwrap();
    let long = format!("http://{address}/api/v1/extensions/provider/{}", "x".repeat(4000));
    // Each of them is answered, however many lines the log cannot take.
    while dropped(&client, &address, "info").await == 0 {
        let asked = (0..100).map(|_| client.get(&long).send());
        for answer in futures_util::future::join_all(asked).await {
            answer.unwrap().bytes().await.unwrap();
        }
    }
    // Read from here on: the log goes on, and says what it lost.
    let mut lines = log.by_ref().lines().map(|line| line_of(&line.unwrap()));
    let report = lines.find(|line| line["lost"].is_u64()).expect("the log ended without a report");
    assert!(report["lost"].as_u64().unwrap() > 0, "{report}");
    assert_eq!(report["level"], "WARN", "{report}");
    let id = child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    assert_eq!(lines.last().unwrap()["message"], "stopped");
    assert!(child.wait().unwrap().success());
}
