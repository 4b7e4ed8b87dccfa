//! How often the metadata memo answers where few names are asked for often: exactly as often as a
//! plain LRU of its capacity.

use registry_core::models::backend_id::BackendId;
use registry_testing::memory::memory;

use crate::support::served::{Served, Setup};

const NAMES: usize = 500;
const CAPACITY: usize = 100;
const REQUESTS: usize = 20_000;

/// Ranks by the law of Zipf, the same in every run.
struct Zipf {
    up_to: Vec<f64>,
    state: u64,
}

impl Zipf {
    fn new(s: f64) -> Self {
        let mut total = 0.0;
        let weight = |rank: usize| {
            total += (rank as f64).powf(-s);
            total
        };
        Self { up_to: (1..=NAMES).map(weight).collect(), state: 0x9e37_79b9_7f4a_7c15 }
    }

    fn next(&mut self) -> usize {
        // xorshift64*: even enough, and needs no crate.
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        let even =
            (self.state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11) as f64 / (1u64 << 53) as f64;
        let wanted = even * self.up_to.last().unwrap();
        self.up_to.partition_point(|up_to| *up_to < wanted).min(NAMES - 1)
    }
}

/// Hits of a plain LRU, most recent last.
fn plain_hits(requests: &[usize]) -> usize {
    let mut held: Vec<usize> = Vec::new();
    let mut hits = 0;
    for name in requests {
        match held.iter().position(|known| known == name) {
            Some(at) => {
                held.remove(at);
                hits += 1;
            }
            None if held.len() == CAPACITY => drop(held.remove(0)),
            None => {}
        }
        held.push(*name);
    }
    hits
}

/// The share of hits in a replay, ours and a plain LRU's.
async fn replay(s: f64) -> (f64, f64) {
    let releases: Vec<String> = (0..NAMES).map(|n| format!("provider/p{n}:1.0.0")).collect();
    let releases: Vec<&str> = releases.iter().map(String::as_str).collect();
    let setup = Setup { capacity: CAPACITY, ..Setup::default() };
    let served = Served::with(vec![memory(BackendId::LOCAL, &releases)], setup).await;
    let mut zipf = Zipf::new(s);
    let requests: Vec<usize> = (0..REQUESTS).map(|_| zipf.next()).collect();
    for name in &requests {
        let got = served.call(&format!("/extensions/provider/p{name}"), &[]).await;
        assert_eq!(got.status, reqwest::StatusCode::OK);
    }
    let stats = served.call("/cache/stats", &[]).await.json();
    let [hits, misses, evictions] = ["hits", "misses", "evictions"]
        .map(|what| usize::try_from(stats["metadata"][what].as_u64().unwrap()).unwrap());
    assert_eq!((hits + misses, misses - evictions), (REQUESTS, CAPACITY));
    assert_eq!(stats["metadata_entries"], CAPACITY);
    let share = |hits: usize| hits as f64 / REQUESTS as f64;
    (share(hits), share(plain_hits(&requests)))
}

#[tokio::test]
async fn the_memo_hits_as_often_as_a_plain_lru() {
    for (s, at_least) in [(1.3, 0.85), (1.0, 0.0)] {
        let (ours, plain) = replay(s).await;
        println!(
            "Zipf s = {s}, {NAMES} names, capacity {CAPACITY}: {ours:.4} hits, plain LRU {plain:.4}"
        );
        assert!(ours >= at_least, "s = {s}: {ours}");
        assert!((ours - plain).abs() < 0.02, "s = {s}: {ours} against {plain}");
    }
}
