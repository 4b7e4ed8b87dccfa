//! One backend accepts connections and never answers: what callers of the other notice of it. Two
//! services with the same two backends run side by side, one of them with the registry hanging, and
//! are asked in turn at a fixed rate for what Gitea has: kept answers, and an archive that is read
//! from Gitea each time.
//!
//! Fails where the p99 beside the hanging registry is beyond the noise: half as much again as in the
//! round before it, in the median of all rounds.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a measurement may fail loudly, and its output is its result"
)]

mod load;
#[path = "../tests/support"]
mod support {
    #[allow(dead_code, reason = "the tests use all of it")]
    pub(crate) mod served;
}

use std::sync::Arc;
use std::time::Duration;

use load::{Load, percentile};
use registry_backends::gitea::backend::GiteaBackend;
use registry_backends::gitea::settings::GiteaSettings;
use registry_backends::oci::backend::OciBackend;
use registry_backends::oci::settings::OciSettings;
use registry_core::backend::Backend;
use registry_core::models::scope::Scope;
use registry_testing::chaos::{Chaos, Way};
use registry_testing::fake_gitea::state::ORGANIZATION;
use registry_testing::fake_gitea::{FakeGitea, State};
use registry_testing::played_registry::{Dialect, PlayedRegistry};
use registry_testing::registry_store::Store;
use registry_testing::scripted_registry::ScriptedRegistry;
use support::served::{Served, Setup};

const ROUNDS: usize = 7;
const LOAD: Load = Load {
    paths: &[
        "/extensions/provider/x",
        "/extensions/provider/x/versions",
        "/extensions/search?q=x&source=gitea",
        "/extensions/provider/x/1.0.0",
    ],
    per_second: 300,
    seconds: 3,
    connections: 32,
};
/// Short, so that the hanging backend is asked all the time.
const TTL: Duration = Duration::from_secs(1);
/// What the p99 of two rounds that do the same may differ by.
const NOISE: f64 = 1.5;

/// A service over a Gitea and a registry.
struct Side {
    served: Served,
    registry: Chaos,
    _gitea: FakeGitea,
    _played: ScriptedRegistry,
}

impl Side {
    async fn new() -> Self {
        let mut state = State::empty();
        state.create_released("x_prov", "1.0.0", b"an archive");
        let fake = FakeGitea::start(state).await;
        let mut store = Store::default();
        store.push("provisioning/redis-taskserv", "1.0.0", b"redis");
        let played = PlayedRegistry::new(Dialect::Distribution, store);
        let played = ScriptedRegistry::start(move |seen| played.answer(seen)).await;
        let registry = Chaos::to(played.url().strip_prefix("http://").unwrap(), false).await;
        let gitea = GiteaSettings::new(fake.url(), ORGANIZATION.parse().unwrap());
        let address = registry.url().parse().unwrap();
        let oci = OciSettings::new(address, "provisioning".parse().unwrap());
        let backends: Vec<Arc<dyn Backend>> = vec![
            Arc::new(GiteaBackend::new(gitea, Arc::new(())).unwrap()),
            Arc::new(OciBackend::new(oci, Arc::new(())).unwrap()),
        ];
        let served = Served::with(backends, Setup { ttl: TTL, ..Setup::default() }).await;
        served.catalog.reader.ready(Scope::All).await.unwrap();
        Self { served, registry, _gitea: fake, _played: played }
    }

    /// The p99 of one round.
    async fn round(&self) -> Duration {
        percentile(&LOAD.play(&self.served.base).await, 0.99)
    }
}

#[tokio::main]
async fn main() {
    let [healthy, hanging] = [Side::new().await, Side::new().await];
    hanging.registry.set(Way::Hangs).await;
    let mut ratios = Vec::new();
    for round in 1..=ROUNDS {
        let (well, ill) = (healthy.round().await, hanging.round().await);
        ratios.push(ill.as_secs_f64() / well.as_secs_f64());
        println!("round {round}: p99 {well:.2?}, beside a hanging backend {ill:.2?}");
    }
    assert!(hanging.registry.take_arrived() > 0, "it was never asked");
    let down = hanging.served.get("/health").await.json();
    assert_eq!(down["backends"]["oci"]["healthy"], false, "{down}");
    ratios.sort_by(f64::total_cmp);
    let median = ratios[ROUNDS / 2];
    println!(
        "{} requests a second: median ratio of the p99 {median:.2} (promised: within the noise, {NOISE})",
        LOAD.per_second
    );
    assert!(median <= NOISE, "a promise is broken");
}
