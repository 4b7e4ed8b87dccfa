//! How long a caller waits for the first byte of an archive that nobody asked for before: through
//! us, and straight from the registry.

use std::io::Read as _;
use std::net::SocketAddr;
use std::time::Duration;

use registry_core::models::digest::Digest;
use registry_testing::docker_registry::DockerRegistry;
use registry_testing::registry_store::Store;
use tokio::time::Instant;

use crate::servers::service;
use crate::{REPOSITORY, archive, ask};

/// Each asks for an archive of its own, so that none is in any cache.
const ROUNDS: usize = 60;
const SIZE: usize = 4 << 20;
/// How much later than from the backend the first byte may come, in the median.
const LATER_MAX: Duration = Duration::from_millis(20);

/// Archives that are asked for once each; made before the registry is filled.
pub(crate) struct Archives {
    /// Version and digest of each.
    published: Vec<(String, Digest)>,
}

impl Archives {
    pub(crate) fn push(store: &mut Store) -> Self {
        let publish = |round| {
            let (version, bytes) = (format!("0.0.{round}"), archive(round as u64 + 2, SIZE));
            store.push(REPOSITORY, &version, &bytes);
            (version, Digest::sha256(&bytes))
        };
        Self { published: (0..ROUNDS).map(publish).collect() }
    }

    /// Whether the promise holds, with a store that is filled and without one.
    pub(crate) fn come_in_time(&self, registry: &DockerRegistry) -> bool {
        let [storing, passing] = [true, false].map(|store| service(&registry.url(), store));
        let backend = registry.authority().parse().unwrap();
        let peers = [backend, storing.address, passing.address];
        let mut waits = [const { Vec::new() }; 3];
        for (round, (version, digest)) in self.published.iter().enumerate() {
            for turn in 0..peers.len() {
                // Whoever is first finds the file cold: each of them as often as the others.
                let at = (round + turn) % peers.len();
                let path = match at {
                    0 => format!("/v2/{REPOSITORY}/blobs/{digest}"),
                    _ => format!("/api/v1/extensions/provider/big/{version}"),
                };
                waits[at].push(first_byte(peers[at], &path));
            }
        }
        let [direct, storing, passing] = waits;
        println!("first byte of {SIZE} bytes, straight from the registry: {}", said(&direct));
        let stored = in_time("storing it", &direct, &storing);
        in_time("passed through", &direct, &passing) && stored
    }
}

/// From before the connection to the first byte behind the head. Reads the rest as well, so that it
/// is in nobody's way.
fn first_byte(address: SocketAddr, path: &str) -> Duration {
    let begun = Instant::now();
    let (mut stream, mut read, mut buffer) = (ask(address, path), Vec::new(), vec![0; 256 * 1024]);
    let mut waited = None;
    loop {
        let length = stream.read(&mut buffer).unwrap();
        if length == 0 {
            break;
        }
        read.extend_from_slice(&buffer[..length]);
        if waited.is_none() && body_of(&read).is_some_and(|body| !body.is_empty()) {
            waited = Some(begun.elapsed());
        }
    }
    assert!(read.starts_with(b"HTTP/1.1 200 "), "{path}");
    assert_eq!(body_of(&read).unwrap().len(), SIZE, "{path}");
    waited.unwrap()
}

fn body_of(answer: &[u8]) -> Option<&[u8]> {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n")?;
    Some(&answer[end + 4..])
}

/// Prints how much later than straight from the backend; whether that is as promised.
fn in_time(how: &str, direct: &[Duration], ours: &[Duration]) -> bool {
    let mut later: Vec<f64> = direct
        .iter()
        .zip(ours)
        .map(|(direct, ours)| milliseconds(*ours) - milliseconds(*direct))
        .collect();
    later.sort_by(f64::total_cmp);
    let [median, most] = [50, 90].map(|part| later[later.len() * part / 100]);
    println!("through us, {how}: {}", said(ours));
    println!(
        "later than straight from the registry: median {median:.1} ms, 90 of 100 within \
         {most:.1} ms (promised: {} ms)",
        LATER_MAX.as_millis()
    );
    median <= milliseconds(LATER_MAX)
}

fn said(waits: &[Duration]) -> String {
    let mut waits: Vec<f64> = waits.iter().copied().map(milliseconds).collect();
    waits.sort_by(f64::total_cmp);
    let [median, most] = [50, 90].map(|part| waits[waits.len() * part / 100]);
    format!("median {median:.1} ms, 90 of 100 within {most:.1} ms")
}

fn milliseconds(wait: Duration) -> f64 {
    wait.as_secs_f64() * 1e3
}
