//! The example for nginx, run by a real nginx before the program, with a certificate of the test.

use std::path::Path;

use http_body_util::BodyExt as _;
use registry_core::models::digest::Digest;
use registry_testing::certificates::{Authority, VERSIONS, local};
use registry_testing::http2::Http2;
use registry_testing::ids::id;
use registry_testing::nginx::Nginx;
use serde_json::Value;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpSocket;
use tokio_rustls::client::TlsStream;

use super::read;
use crate::support::layouts::publish;
use crate::support::program::{Running, program};
use crate::support::raw::{get, head, rest};

const EXAMPLE: &str = "deploy/nginx/extension-registry.conf";
const LIST: &str = "/api/v1/extensions";
const DOWNLOAD: &str = "/api/v1/extensions/provider/mine/1.0.0";
/// Bytes of the archive: more than sockets and the buffers of nginx take.
const ARCHIVE: usize = 48 << 20;
/// Stops nginx from writing archives to its disk.
const STREAMS: &str = "proxy_max_temp_file_size 0;";

/// The program with what the head of the example asks for, and one large archive.
fn started(dir: &Path) -> Running {
    publish(&dir.join("extensions"), &id("provider/mine"), "1.0.0", "d", &vec![7; ARCHIVE]);
    let example = read(EXAMPLE);
    let lines = example.lines().filter_map(|line| line.strip_prefix("#   "));
    let server = lines.collect::<Vec<_>>().join("\n");
    assert!(server.contains("trusted_proxies = [\"127.0.0.1\"]"), "{server}");
    std::fs::write(dir.join("config.toml"), format!("{server}\n[local]\npath = \"extensions\"\n"))
        .unwrap();
    let mut command = program(dir);
    command.args(["--port", "0", "--json-log"]);
    Running::of_exactly(command)
}

/// A part of the example that a test has to replace.
fn replaced(text: &str, part: &str, by: &str) -> String {
    assert_eq!(text.matches(part).count(), 1, "{part}");
    text.replace(part, by)
}

/// The example on a socket of this directory, before this program.
fn example(at: &Path, running: &Running, authority: &Authority) -> String {
    let pair = authority.certificate();
    pair.write(at);
    let at = at.display();
    let live = "/etc/letsencrypt/live/extensions.example.com";
    let mut text = read(EXAMPLE);
    for (part, by) in [
        ("listen 443 ssl http2;", format!("listen unix:{at}/socket ssl http2 proxy_protocol;")),
        ("listen [::]:443 ssl http2;", String::new()),
        ("127.0.0.1:8082", running.address.to_string()),
        (&format!("{live}/fullchain.pem"), format!("{at}/tls.crt")),
        (&format!("{live}/privkey.pem"), format!("{at}/tls.key")),
    ] {
        text = replaced(&text, part, &by);
    }
    text
}

/// A connection to nginx from another address of this machine.
async fn connect(
    nginx: &Nginx,
    authority: &Authority,
    protocol: &str,
) -> TlsStream<tokio::net::TcpStream> {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
    let stream = socket.connect(nginx.authority().parse().unwrap()).await.unwrap();
    let stream = authority.client(&VERSIONS, &[protocol]).connect(local(), stream).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(protocol.as_bytes()));
    stream
}

/// The address that the program's log has of the next request for a path.
fn logged_address(running: &Running, path: &str) -> Value {
    loop {
        let line: Value = serde_json::from_str(&running.next_line()).unwrap();
        if line["path"] == path {
            return line["address"].clone();
        }
    }
}

#[tokio::test]
async fn requests_reach_the_service_with_their_client_and_archives_pass_unstored() {
    let dir = tempfile::tempdir().unwrap();
    let running = started(dir.path());
    let authority = Authority::new();
    let Some(nginx) = Nginx::of(|at| example(at, &running, &authority)).await else { return };

    let mut stream = connect(&nginx, &authority, "http/1.1").await;
    stream.write_all(get(LIST).as_bytes()).await.unwrap();
    let response = String::from_utf8(rest(&mut stream).await).unwrap();
    assert!(response.starts_with("HTTP/1.1 200") && response.ends_with("}]"), "{response}");
    assert!(response.to_lowercase().contains("\r\nx-request-id: "), "{response}");
    assert_eq!(logged_address(&running, LIST), "127.0.0.2");

    let (client, _connection) = Http2::over(connect(&nginx, &authority, "h2").await, 65_535).await;
    let response = client.ask("/extensions/provider/mine").await.unwrap();
    assert_eq!(response.status(), 200);
    let body = response.into_body().collect().await.unwrap().to_bytes();
    let mine: Value = serde_json::from_slice(&body).unwrap();
    let url = format!("https://extensions.example.com{DOWNLOAD}");
    assert_eq!(mine["download_url"], url, "{mine}");

    // The client takes nothing for now, and then all of the archive.
    let mut stream = connect(&nginx, &authority, "http/1.1").await;
    stream.write_all(get(DOWNLOAD).as_bytes()).await.unwrap();
    let head = head(&mut stream).await.to_lowercase();
    assert!(head.contains(&format!("content-length: {ARCHIVE}\r\n")), "{head}");
    assert_eq!(rest(&mut stream).await.len(), ARCHIVE);
    assert!(!nginx.errors().contains("temporary file"), "{}", nginx.errors());
}

/// One response of nginx, in small letters but for its body.
async fn answer(nginx: &Nginx, authority: &Authority, target: &str) -> (String, String) {
    let mut stream = connect(nginx, authority, "http/1.1").await;
    stream.write_all(get(target).as_bytes()).await.unwrap();
    let response = String::from_utf8(rest(&mut stream).await).unwrap();
    let (head, body) = response.split_once("\r\n\r\n").unwrap();
    (head.to_lowercase(), body.to_owned())
}

#[tokio::test]
async fn oci_clients_reach_the_service_and_manifests_keep_their_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let running = started(dir.path());
    let authority = Authority::new();
    let Some(nginx) = Nginx::of(|at| example(at, &running, &authority)).await else { return };

    let (head, body) = answer(&nginx, &authority, "/v2/").await;
    assert!(head.starts_with("http/1.1 200") && body == "{}", "{head}\n{body}");
    assert!(head.contains("\r\ndocker-distribution-api-version: registry/2.0"), "{head}");
    let (head, body) = answer(&nginx, &authority, "/v2/extensions/mine-provider/tags/list").await;
    assert!(head.starts_with("http/1.1 200") && body.contains("[\"1.0.0\"]"), "{head}\n{body}");
    let manifest = "/v2/extensions/mine-provider/manifests/1.0.0";
    let (head, body) = answer(&nginx, &authority, manifest).await;
    let digest = Digest::sha256(body.as_bytes());
    assert!(head.contains(&format!("\r\ndocker-content-digest: {digest}")), "{head}\n{body}");
}

#[tokio::test]
async fn without_its_line_nginx_would_store_archives() {
    let dir = tempfile::tempdir().unwrap();
    let running = started(dir.path());
    let authority = Authority::new();
    let storing = |at: &Path| replaced(&example(at, &running, &authority), STREAMS, "");
    let Some(nginx) = Nginx::of(storing).await else { return };
    let mut stream = connect(&nginx, &authority, "http/1.1").await;
    stream.write_all(get(DOWNLOAD).as_bytes()).await.unwrap();
    head(&mut stream).await;
    while !nginx.errors().contains("temporary file") {
        tokio::task::yield_now().await;
    }
    assert_eq!(rest(&mut stream).await.len(), ARCHIVE);
}
