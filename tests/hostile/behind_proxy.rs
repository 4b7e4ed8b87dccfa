//! The share of one address, behind a real nginx as `docs/operations.md` sets it up, with the
//! configuration that Kubernetes pods mount.

use std::path::Path;
use std::time::Duration;

use registry_testing::ids::id;
use registry_testing::nginx::Nginx;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::sleep;

use crate::support::layouts::publish;
use crate::support::program::Running;
use crate::support::raw::head;

/// Eight places, so that a few connections reach them; every other limit is the shipped one.
const PLACES: [(&str, &str); 2] = [
    ("EXTENSION_REGISTRY__SERVER__MAX_REQUESTS", "8"),
    ("EXTENSION_REGISTRY__SERVER__HOST", "127.0.0.1"),
];

/// Length of the archive, in bytes: more than all sockets between the program and a client hold.
const ARCHIVE: usize = 64 << 20;

/// The shipped configuration of Kubernetes with a directory in place of its backends.
fn configured(dir: &Path) {
    let shipped = include_str!("../../deploy/kubernetes/config.toml");
    let kept = |section: &&str| !section.starts_with("gitea]") && !section.starts_with("oci]");
    let sections: Vec<&str> = shipped.split("\n[").filter(kept).collect();
    let local = "\n[local]\npath = \"layouts\"\n";
    std::fs::write(dir.join("config.toml"), sections.join("\n[") + local).unwrap();
    publish(&dir.join("layouts"), &id("provider/aws"), "1.0.0", "d", &vec![7; ARCHIVE]);
}

/// The header that the documentation tells nginx to set. Answers are passed on as they come, as
/// ingresses do, so that a client that reads nothing holds its place.
fn location() -> String {
    let documented = include_str!("../../docs/operations.md");
    let header = documented.lines().find(|line| line.starts_with("proxy_set_header X-Forwarded"));
    format!("{}\n      proxy_buffering off;", header.unwrap())
}

/// Begins a download from an address of this machine and reads its status alone.
async fn begin(nginx: &Nginx, from: &str) -> (String, TcpStream) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    socket.bind(format!("{from}:0").parse().unwrap()).unwrap();
    let mut stream = socket.connect(nginx.authority().parse().unwrap()).await.unwrap();
    let request = "GET /api/v1/extensions/provider/aws/1.0.0 HTTP/1.1\r\nHost: x\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let status = head(&mut stream).await[9..12].to_owned();
    (status, stream)
}

/// Begins downloads from these addresses one after the other, and leaves them unread.
async fn statuses(nginx: &Nginx, from: &[&str]) -> Vec<String> {
    let (mut statuses, mut held) = (Vec::new(), Vec::new());
    for address in from {
        let (status, stream) = begin(nginx, address).await;
        statuses.push(status);
        held.push(stream);
    }
    statuses
}

async fn behind_nginx(trusted: &str, from: &[&str]) -> Option<(Vec<String>, usize)> {
    let dir = tempfile::tempdir().unwrap();
    configured(dir.path());
    let state = dir.path().join("state");
    let state = ("EXTENSION_REGISTRY__CACHE__STATE_DIR", state.to_str().unwrap());
    let trusted = ("EXTENSION_REGISTRY__SERVER__TRUSTED_PROXIES", trusted);
    let environment: Vec<_> = PLACES.into_iter().chain([state, trusted]).collect();
    let running = Running::start_with(dir.path(), &[], &environment);
    while running.get("/extensions").await.column("name") != ["aws"] {
        sleep(Duration::from_millis(20)).await;
    }
    let nginx = Nginx::before(&running.address.to_string(), "", &location()).await?;
    let statuses = statuses(&nginx, from).await;
    assert_eq!(running.get("/health/live").await.status, 200);
    drop(nginx);
    running.signal("-TERM");
    let (_, log) = running.wait();
    let advice = log.iter().filter(|line| line.contains("server.trusted_proxies")).count();
    Some((statuses, advice))
}

#[tokio::test]
async fn s02d_behind_a_named_proxy_each_client_has_its_share() {
    let from = [&["127.0.0.2"; 5][..], &["127.0.0.3"; 4], &["127.0.0.4"]].concat();
    // nginx alone, since clients of a test are addresses of this machine too.
    let Some((statuses, advice)) = behind_nginx("127.0.0.1", &from).await else { return };
    let expected = "200 200 200 200 429 200 200 200 200 503";
    assert_eq!((statuses.join(" ").as_str(), advice), (expected, 1));
}

#[tokio::test]
async fn s02e_behind_a_proxy_that_is_not_named_all_clients_are_one_and_the_log_says_so() {
    let from = ["127.0.0.2", "127.0.0.3", "127.0.0.2", "127.0.0.3", "127.0.0.2", "127.0.0.4"];
    let Some((statuses, advice)) = behind_nginx("", &from).await else { return };
    assert_eq!((statuses.join(" ").as_str(), advice), ("200 200 200 200 429 429", 1));
}
