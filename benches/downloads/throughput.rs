//! Whole downloads, one after the other and 32 at once: stored and passed through, each against its
//! peers in the same round. The median of the rounds counts, since each of them meets a machine as
//! busy for one as for the other.

use std::net::SocketAddr;

use registry_core::models::digest::Digest;
use registry_testing::docker_registry::DockerRegistry;
use tokio::time::Instant;

use crate::servers::{Process, nginx, proxy, service};
use crate::{PATH, REPOSITORY, SIZE, get};

const ROUNDS: usize = 7;
/// Downloads at once, and how often: a single one takes too little time to be measured.
const LOADS: [(usize, usize); 2] = [(1, 8), (32, 1)];
/// Ours, its peer, and what is promised of their ratio.
const PROMISES: [(usize, usize, f64); 3] = [(1, 0, 0.9), (4, 2, 0.6), (4, 3, 0.95)];

/// One thing to download.
struct Peer {
    name: &'static str,
    address: SocketAddr,
    path: String,
}

impl Peer {
    fn new(name: &'static str, process: &Process, path: &str) -> Self {
        Self { name, address: process.address, path: path.to_owned() }
    }

    /// MiB a second.
    fn rate(&self, (at_once, times): (usize, usize)) -> f64 {
        let begun = Instant::now();
        for _ in 0..times {
            std::thread::scope(|scope| {
                for _ in 0..at_once {
                    scope.spawn(|| get(self.address, &self.path));
                }
            });
        }
        (at_once * times * SIZE) as f64 / f64::from(1 << 20) / begun.elapsed().as_secs_f64()
    }
}

/// Whether each promise is kept.
pub(crate) fn holds(registry: &DockerRegistry, archive: &[u8]) -> bool {
    let blob = format!("v2/{REPOSITORY}/blobs/{}", Digest::sha256(archive));
    let nginx = nginx(registry.authority(), archive);
    let proxy = proxy(registry.authority());
    let stored = service(&registry.url(), true);
    let passing = service(&registry.url(), false);
    let peers = [
        Peer::new("nginx, file", &nginx, "/big"),
        Peer::new("ours, stored", &stored, PATH),
        Peer::new("nginx, proxy_pass", &nginx, &format!("/proxy/{blob}")),
        Peer::new("bare hashing proxy", &proxy, &format!("/{blob}")),
        Peer::new("ours, passed through", &passing, PATH),
    ];
    for peer in &peers {
        get(peer.address, &peer.path);
    }
    let kept = LOADS.map(|load| {
        println!("{} at once:", load.0);
        let rounds: Vec<Vec<f64>> =
            (0..ROUNDS).map(|_| peers.iter().map(|peer| peer.rate(load)).collect()).collect();
        tell(&peers, &rounds)
    });
    kept == [true; 2]
}

fn tell(peers: &[Peer], rounds: &[Vec<f64>]) -> bool {
    for (at, peer) in peers.iter().enumerate() {
        let rate = median(rounds.iter().map(|rates| rates[at]));
        println!("  {:22}{rate:7.0} MiB/s", peer.name);
    }
    let mut kept = true;
    for (ours, theirs, promised) in PROMISES {
        let ratio = median(rounds.iter().map(|rates| rates[ours] / rates[theirs]));
        let (ours, theirs) = (peers[ours].name, peers[theirs].name);
        println!("  {ours} / {theirs}: {ratio:.2} (promised {promised})");
        kept &= ratio >= promised;
    }
    kept
}

fn median(figures: impl Iterator<Item = f64>) -> f64 {
    let mut figures: Vec<f64> = figures.collect();
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}
