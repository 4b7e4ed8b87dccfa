//! Downloads of 64 MiB, one and 32 at once: stored against nginx serving the file, passed through
//! against nginx passing the same real `docker-registry` on, and against a proxy of a few lines that
//! only hashes; then the first byte of what nobody asked for before, against the registry itself;
//! then the memory of a thousand stalled downloads of 1 GiB. Passed through, as many of these are
//! served as have turns at the backend; the others wait.
//!
//! Every server is a process of its own; runs are interleaved. Fails where a promise is broken.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a measurement may fail loudly, and its output is its result"
)]

#[path = "downloads/first_byte.rs"]
mod first_byte;
#[path = "downloads/hashing_proxy.rs"]
mod hashing_proxy;
#[path = "downloads/servers.rs"]
mod servers;
#[path = "downloads/throughput.rs"]
mod throughput;

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use first_byte::Archives;
use registry_core::models::digest::Digest;
use registry_testing::docker_registry::{Access, DockerRegistry};
use registry_testing::played_registry::{Dialect, PlayedRegistry};
use registry_testing::pusher::Pusher;
use registry_testing::registry_store::{Store, manifest_of};
use registry_testing::scripted_registry::{Reply, ScriptedRegistry, Sending};
use registry_testing::tools::is_installed;
use servers::service;

const SIZE: usize = 64 << 20;
const STALLED: usize = 1_000;
const GIBIBYTE: usize = 1 << 30;
/// Resident bytes that a thousand stalled downloads may cost.
const STALLED_MAX: u64 = 160 << 20;
const REPOSITORY: &str = "provisioning/big-provider";
const PATH: &str = "/api/v1/extensions/provider/big/1.0.0";

#[tokio::main]
async fn main() {
    if let Some(backend) = std::env::args().skip_while(|word| word != "hashing-proxy").nth(1) {
        return hashing_proxy::serve(&backend).await;
    }
    if !is_installed("/usr/sbin/nginx") {
        return;
    }
    let Some(registry) = DockerRegistry::start(Access::Open).await else { return };
    let archive = archive(1, SIZE);
    let mut store = Store::default();
    store.blob(REPOSITORY, b"{}");
    store.push(REPOSITORY, "1.0.0", &archive);
    let new = Archives::push(&mut store);
    Pusher::new(&registry.url(), None).store(&store).await;
    drop(store);
    let good = new.come_in_time(&registry) & throughput::holds(&registry, &archive);
    registry.stop().await;
    let flat = stalled(false).await & stalled(true).await;
    assert!(good && flat, "a promise is broken");
}

/// Bytes that nothing compresses and no block of which is like another; others for each seed.
fn archive(seed: u64, size: usize) -> Vec<u8> {
    let mut state = seed;
    let next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        state.to_le_bytes()
    };
    std::iter::repeat_with(next).take(size / 8).flatten().collect()
}

fn ask(address: SocketAddr, path: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    stream
}

/// Downloads everything and looks at no byte of it.
fn get(address: SocketAddr, path: &str) {
    let (mut stream, mut buffer, mut read) = (ask(address, path), vec![0; 256 * 1024], 0);
    loop {
        match stream.read(&mut buffer).unwrap() {
            0 => break,
            length => read += length,
        }
    }
    assert!(read > SIZE, "{path} gave {read} bytes");
}

/// Whether the first bytes of an answer with status 200 came.
fn is_served(stream: &TcpStream) -> bool {
    let mut head = [0; 12];
    stream.set_nonblocking(true).unwrap();
    stream.peek(&mut head).is_ok_and(|length| head[..length] == *b"HTTP/1.1 200")
}

/// What a thousand downloads cost whose clients read nothing after the first bytes.
async fn stalled(store: bool) -> bool {
    let digest = Digest::sha256(b"never sent whole").to_string();
    let mut held = Store::default();
    held.blob(REPOSITORY, b"{}");
    held.push_manifest(REPOSITORY, "1.0.0", &manifest_of(&[(digest, GIBIBYTE, "x.tar.gz")]));
    let played = PlayedRegistry::new(Dialect::Zot, held);
    let registry = ScriptedRegistry::start(move |seen| {
        if seen.path().contains("/blobs/") && seen.method == "GET" {
            let length = GIBIBYTE.to_string();
            Reply::new(200).header("content-length", length).sending(Sending::Endless)
        } else {
            played.answer(seen)
        }
    })
    .await;
    let service = service(&registry.url(), store);
    let address = service.address;
    // The first one makes the service read the release.
    let first = ask(address, PATH);
    while !is_served(&first) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let idle = service.resident();
    let begin = move || (0..STALLED).map(|_| ask(address, PATH)).collect::<Vec<_>>();
    let streams = tokio::task::spawn_blocking(begin).await.unwrap();
    let mut most = 0;
    for _ in 0..20 {
        tokio::time::sleep(Duration::from_millis(250)).await;
        most = most.max(service.resident());
    }
    let over = most.saturating_sub(idle);
    let how = if store { "one fetch, shared" } else { "passed through" };
    let served = streams.iter().filter(|stream| is_served(stream)).count();
    println!(
        "{} stalled downloads of 1 GiB, {how}, {served} served: {} MiB over {} MiB idle (promised {} MiB)",
        streams.len(),
        over >> 20,
        idle >> 20,
        STALLED_MAX >> 20
    );
    over <= STALLED_MAX
}
