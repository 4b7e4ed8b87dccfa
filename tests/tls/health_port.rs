//! `server.health_port`: health and metrics on a port of their own, in plain HTTP.

use std::net::SocketAddr;
use std::path::Path;

use registry_testing::certificates::Authority;
use registry_testing::ids::id;
use serde_json::Value;
use tokio::io::AsyncWriteExt as _;

use super::{LIST, LIVE};
use crate::support::layouts::publish;
use crate::support::program::{Running, program, run, stderr};
use crate::support::raw::{get, head, to};
use crate::support::served::Got;

/// A running service with both ports, and the address of the second.
fn started(dir: &Path, tls: &str) -> (Running, SocketAddr) {
    publish(&dir.join("extensions"), &id("provider/mine"), "1.0.0", "d", b"mine");
    let text = format!(
        "[server]\nhost = \"127.0.0.1\"\nhealth_port = 0\n{tls}[local]\npath = \"extensions\"\n"
    );
    std::fs::write(dir.join("config.toml"), text).unwrap();
    let mut command = program(dir);
    command.args(["--port", "0", "--json-log"]);
    let running = Running::of_exactly(command);
    let address = loop {
        let line: Value = serde_json::from_str(&running.next_line()).unwrap();
        if let Some(address) = line["health_address"].as_str() {
            break address.to_owned();
        }
    };
    (running, address.parse().unwrap())
}

async fn got(address: SocketAddr, path: &str) -> Got {
    let client = registry_testing::http::client_builder().build().unwrap();
    Got::read(client.get(format!("http://{address}{path}")).send().await.unwrap()).await
}

#[tokio::test]
async fn it_serves_health_and_metrics_and_points_to_the_other_port_for_the_rest() {
    let authority = Authority::new();
    for has_tls in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let tls = if has_tls { authority.certificate().write(dir.path()) } else { String::new() };
        let (running, address) = started(dir.path(), &tls);
        for path in [LIVE, "/api/v1/health", "/api/v1/health/", "/api/v1/metrics"] {
            assert_eq!(got(address, path).await.status, 200, "{path}");
        }
        let health = got(address, "/api/v1/health").await.json();
        assert_eq!(health["certificate"].is_object(), has_tls, "{health}");
        let metrics = got(address, "/api/v1/metrics").await.text();
        for name in ["certificate_expiry_timestamp_seconds", "renewal_failed"] {
            assert_eq!(metrics.contains(&format!("\nextension_registry_tls_{name} ")), has_tls);
        }
        for path in [LIST, "/", "/api/v1/cache/stats", "/api/v1/openapi.json", "/health"] {
            let got = got(address, path).await;
            assert_eq!(got.status, 404, "{path}");
            let message = got.json()["message"].as_str().unwrap().to_owned();
            assert!(message.contains("/api/v1/health/ready and /api/v1/metrics"), "{message}");
            assert!(message.contains("server.port"), "{message}");
            assert!(!got.header("x-request-id").is_empty());
        }
        drop(running);
    }
}

#[test]
fn it_must_be_another_port() {
    let dir = tempfile::tempdir().unwrap();
    let text = "[server]\nport = 8082\nhealth_port = 8082\n[local]\npath = \"x\"\n";
    std::fs::write(dir.path().join("config.toml"), text).unwrap();
    let output = run(dir.path(), &["config", "check"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("config.toml:3: server.health_port: must not be server.port"));
}

#[tokio::test]
async fn both_ports_share_the_limit_on_connections_and_health_stays_reachable_beyond_it() {
    let dir = tempfile::tempdir().unwrap();
    let (running, address) = started(dir.path(), "max_connections = 1\n");
    let mut held = to(running.address).await;
    held.write_all(format!("GET {LIVE} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes()).await.unwrap();
    assert!(head(&mut held).await.starts_with("HTTP/1.1 200"));
    for (address, path, status) in
        [(address, LIVE, 200), (running.address, LIVE, 200), (running.address, LIST, 503)]
    {
        let mut beyond = to(address).await;
        beyond.write_all(get(path).as_bytes()).await.unwrap();
        let head = head(&mut beyond).await;
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{path}: {head}");
        assert!(head.contains("connection: close\r\n"), "{path}: {head}");
    }
}
