//! The first archive of each version: the same on every replica, whatever happens to the ledger.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use registry_catalog::Catalog;
use registry_catalog::pins::policy::{PinPolicy, PinSharing};
use registry_core::models::artifact::{Artifact, ArtifactChoice, ArtifactKey};
use registry_core::models::backend_id::BackendId;
use registry_core::models::digest::Digest;
use registry_core::models::extension::Release;
use registry_testing::fleet::fault::Fault;
use registry_testing::fleet::pins::{MemoryPins, PinConnection};
use registry_testing::ids::{id, tag};
use registry_testing::memory::MemoryBackend;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::catalog_replica::RULES;

const SEEDS: u64 = 20;
const REPLICAS: usize = 3;
const VERSIONS: usize = 20;
/// Downloads and faults of each seed.
const EVENTS: usize = 400;
/// More than the time after which every pin is proposed again, twice.
const SETTLING: Duration = Duration::from_mins(21);

struct Replica {
    catalog: Arc<Catalog>,
    ledger: Arc<PinConnection>,
    _tasks: JoinSet<()>,
}

impl Replica {
    /// Starts a replica without any pin.
    fn start(pins: &Arc<MemoryPins>) -> Self {
        let ledger = pins.connect();
        let sharing = PinSharing { ledger: Arc::clone(&ledger) as _, policy: PinPolicy::Soon };
        let backend = Arc::new(MemoryBackend::new(BackendId::GITEA));
        let catalog = Catalog::replicated(vec![backend], RULES, Some(sharing), None);
        let tasks = catalog.start();
        Self { catalog, ledger, _tasks: tasks }
    }

    /// Downloads a version whose archive the backend replaces again and again.
    async fn download(&self, version: usize, archive: u8) {
        let release = release(version);
        let file = release.artifact.chosen().unwrap();
        let digest = Digest::sha256(&[archive]);
        // Another archive than the first one is refused.
        let _ = self.catalog.pins.decide(&id("taskserv/one"), &release, file, true, &digest).await;
    }

    fn pinned(&self, version: usize) -> Option<String> {
        let pin = self.catalog.pins.of_archive(&id("taskserv/one"), &release(version))?;
        Some(pin.digest.to_string())
    }
}

fn release(version: usize) -> Release {
    let file = Artifact {
        key: ArtifactKey::new(version.to_string()),
        file_name: "one.tar.gz".into(),
        size: 1,
        digest: None,
        url: None,
    };
    let artifact = ArtifactChoice::Chosen(Arc::new(file));
    Release { artifact, ..Release::of_tag(BackendId::GITEA, tag(&format!("1.0.{version}"))) }
}

async fn play(seed: u64) {
    let (mut rng, pins) = (Rng::with_seed(seed), MemoryPins::new());
    let mut replicas: Vec<Replica> = (0..REPLICAS).map(|_| Replica::start(&pins)).collect();
    for _ in 0..EVENTS {
        let at = rng.usize(0..REPLICAS);
        let late = Fault::Late(Duration::from_millis(rng.u64(1..2000)));
        let faults = [Fault::Refused, Fault::Hanging, Fault::AnswersLost, late, Fault::None];
        match rng.u8(0..20) {
            0 => pins.flush(),
            1 => replicas[at] = Replica::start(&pins),
            2..=5 => replicas[at].ledger.set_fault(rng.choice(faults).unwrap()),
            _ => replicas[at].download(rng.usize(0..VERSIONS), rng.u8(0..4)).await,
        }
        sleep(Duration::from_millis(rng.u64(0..5000))).await;
    }
    for replica in &replicas {
        replica.ledger.set_fault(Fault::None);
    }
    sleep(SETTLING).await;
    for version in 0..VERSIONS {
        let pinned: BTreeSet<String> =
            replicas.iter().filter_map(|replica| replica.pinned(version)).collect();
        assert!(pinned.len() <= 1, "seed {seed}: 1.0.{version} is {pinned:?}");
    }
    let has_pins = |replica: &Replica| (0..VERSIONS).any(|at| replica.pinned(at).is_some());
    assert!(replicas.iter().any(has_pins), "seed {seed} pins nothing");
}

#[tokio::test(start_paused = true)]
async fn the_first_archive_of_a_version_is_the_same_on_every_replica() {
    for seed in 0..SEEDS {
        play(seed).await;
    }
}
