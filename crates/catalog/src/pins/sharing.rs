//! Pins that several replicas share through a ledger, so that the first archive of a version is the
//! same for all of them. While the ledger is away each replica pins for itself and proposes its pins
//! later.

use std::sync::Arc;
use std::time::Duration;

use registry_core::models::artifact::Artifact;
use registry_core::models::digest::Digest;
use registry_core::models::extension::Release;
use registry_core::models::naming::ExtensionId;
use registry_fleet::failure::Away;
use registry_fleet::pins::{PinKey, PinLedger, SharedPin};
use tokio::time::{Instant, sleep};
use tracing::warn;

use crate::LOG_TARGET;
use crate::pins::Pins;

/// Pause between two passes over pins that the ledger has not confirmed.
const PAUSE: Duration = Duration::from_secs(5);
/// Time after which all pins are proposed again, since a ledger can lose them without an outage.
const ALL_EVERY: Duration = Duration::from_mins(10);

/// What the ledger says about the bytes of a download.
pub(super) enum Agreement {
    /// They are not compared, or the ledger has named them before.
    Unopposed,
    /// They are the first ones.
    Confirmed(PinKey),
    /// Others are.
    Opposed(PinKey, SharedPin),
    /// The ledger is away.
    Undecided(Away),
}

/// Asks the ledger which bytes of an archive are the first ones. `mine` is the own pin.
pub(super) async fn agree(
    ledger: &dyn PinLedger,
    key: PinKey,
    mine: Option<SharedPin>,
    digest: &Digest,
    size: u64,
) -> Agreement {
    if mine.as_ref().is_some_and(|pin| pin.confirmed) {
        return Agreement::Unopposed;
    }
    let offer =
        mine.unwrap_or_else(|| SharedPin { digest: digest.clone(), size, confirmed: false });
    match ledger.pin(&key, &offer).await {
        Ok(standing) if standing.digest == *digest => Agreement::Confirmed(key),
        Ok(standing) => Agreement::Opposed(key, standing),
        Err(away) => Agreement::Undecided(away),
    }
}

/// Returns the key of a file's pin in the ledger.
pub(super) fn key_of(id: &ExtensionId, release: &Release, name: &str, file: &Artifact) -> PinKey {
    PinKey {
        backend: release.backend,
        extension: id.clone(),
        version: name.to_owned(),
        file_name: file.file_name.to_string(),
    }
}

/// Proposes pins to the ledger: all of them after the start, after an outage and every ten minutes,
/// and else those that it has not confirmed.
pub(crate) async fn keep_shared(pins: Arc<Pins>, ledger: Arc<dyn PinLedger>) {
    let mut all_at = Instant::now();
    loop {
        let now = Instant::now();
        let all = now >= all_at;
        match propose(&pins, &*ledger, all).await {
            Ok(()) if all => all_at = now + ALL_EVERY,
            Ok(()) => {}
            // The ledger may be empty when it is back.
            Err(_) => all_at = now,
        }
        sleep(PAUSE).await;
    }
}

async fn propose(pins: &Pins, ledger: &dyn PinLedger, all: bool) -> Result<(), Away> {
    for (key, offer) in pins.proposals(all) {
        let standing = ledger.pin(&key, &offer).await?;
        if standing.digest == offer.digest && offer.confirmed {
            continue;
        }
        if standing.digest != offer.digest {
            let PinKey { backend, extension, version, file_name } = &key;
            warn!(target: LOG_TARGET,
                %backend, %extension, version, file_name, first = %standing.digest, now = %offer.digest,
                "two replicas served different archives of a version"
            );
        }
        pins.adopt(&key, &standing);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use registry_core::models::artifact::{ArtifactChoice, ArtifactKey};
    use registry_core::models::backend_id::BackendId;
    use registry_core::models::extension::{Change, Extension};
    use registry_testing::fleet::fault::Fault;
    use registry_testing::fleet::pins::{MemoryPins, PinConnection};

    use super::*;
    use crate::index::delta::{BackendDelta, Delta};
    use crate::pins::policy::{PinPolicy, PinSharing};
    use crate::rules::Rules;
    use crate::store::CatalogStore;

    const OF: BackendId = BackendId::GITEA;

    fn id() -> ExtensionId {
        ExtensionId::from_oci_repository("aws-provider").unwrap()
    }

    fn release(key: &str, file_name: &str, digest: Option<&[u8]>) -> Release {
        let file = Artifact {
            key: ArtifactKey::new(key),
            file_name: file_name.into(),
            size: 1,
            digest: digest.map(Digest::sha256),
            url: None,
        };
        let artifact = ArtifactChoice::Chosen(Arc::new(file));
        Release { artifact, ..Release::of_tag(OF, "1.0.0".parse().unwrap()) }
    }

    /// The pins of one replica, and its connection to the ledger.
    struct Replica {
        store: Arc<CatalogStore>,
        pins: Arc<Pins>,
        connection: Arc<PinConnection>,
    }

    impl Replica {
        fn of(shared: &Arc<MemoryPins>, accept_changes: bool) -> Self {
            let connection = shared.connect();
            let rules = Rules { accept_changes, ..Rules::for_tests() };
            let store = CatalogStore::new(&[OF], &rules);
            let ledger: Arc<dyn PinLedger> = Arc::clone(&connection) as _;
            let sharing = PinSharing { ledger, policy: PinPolicy::Soon };
            let pins = Arc::new(Pins::new(Arc::clone(&store), Some(sharing), Vec::new()));
            Self { store, pins, connection }
        }

        fn read(&self, release: &Release) {
            let extension = Arc::new(Extension::new(id(), vec![release.clone()]));
            let put = BackendDelta::Put(vec![(extension, Instant::now().into())]);
            self.store.apply(Delta::Backend(OF, put));
        }

        async fn gives_out(&self, release: &Release, bytes: &[u8]) -> bool {
            let file = release.artifact.chosen().unwrap();
            let digest = Digest::sha256(bytes);
            self.pins.decide(&id(), release, file, true, &digest).await.is_ok()
        }

        /// Digest and change of the release as it is shown.
        fn shown(&self, release: &Release) -> (Option<Digest>, Option<Change>) {
            let shown = self.pins.completed(&id(), release.clone());
            (shown.artifact.chosen().unwrap().digest.clone(), shown.change.map(|change| *change))
        }

        fn confirmed(&self) -> Vec<bool> {
            self.pins.proposals(true).into_iter().map(|(_, pin)| pin.confirmed).collect()
        }

        /// Runs the task until the end of the test.
        fn keep_shared(&self) {
            tokio::spawn(keep_shared(Arc::clone(&self.pins), Arc::clone(&self.connection) as _));
        }
    }

    fn two(accept: bool) -> (Arc<MemoryPins>, Replica, Replica) {
        let shared = MemoryPins::new();
        let [one, other] = [(); 2].map(|()| Replica::of(&shared, accept));
        (shared, one, other)
    }

    #[tokio::test(start_paused = true)]
    async fn of_two_replicas_the_first_pins_a_version_for_both() {
        for (key, file_name, digest) in [
            ("l", "a.tar.gz", None),
            ("l", "a.tar.gz", Some(b"b".as_slice())),
            ("k", "a.tar.gz", None),
        ] {
            let (_, one, other) = two(false);
            let first = release("k", "a.tar.gz", None);
            assert!(one.gives_out(&first, b"a").await);
            assert_eq!(one.confirmed(), [true]);
            let replaced = release(key, file_name, digest);
            other.read(&replaced);
            for _ in 0..2 {
                assert!(!other.gives_out(&replaced, b"b").await, "{key}");
            }
            assert_eq!(other.confirmed(), [true]);
            let (shown, change) = other.shown(&replaced);
            assert_eq!(shown, Some(Digest::sha256(b"a")));
            let change = change.unwrap();
            assert!(change.in_place);
            assert_eq!(change.now, Some(Digest::sha256(b"b")));
            assert!(other.gives_out(&replaced, b"a").await, "the first bytes are given out");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn where_changes_are_accepted_the_pin_is_shared_and_refuses_nothing() {
        let (_, one, other) = two(true);
        let release = release("k", "a.tar.gz", None);
        assert!(one.gives_out(&release, b"a").await && other.gives_out(&release, b"b").await);
        let (_, change) = other.shown(&release);
        assert_eq!(change.unwrap().first, Digest::sha256(b"a"));
    }

    #[tokio::test(start_paused = true)]
    async fn files_and_tags_without_a_version_are_not_shared() {
        let (shared, one, other) = two(false);
        let artifact = release("k", "a.tar.gz", None).artifact;
        let nightly = Release { artifact, ..Release::of_tag(OF, "nightly".parse().unwrap()) };
        assert!(one.gives_out(&nightly, b"a").await && other.gives_out(&nightly, b"b").await);
        let docs = release("k", "a.tar.gz", None);
        let file = docs.artifact.chosen().unwrap();
        let digest = Digest::sha256(b"a");
        one.pins.decide(&id(), &docs, file, false, &digest).await.unwrap();
        let third = Replica::of(&shared, false);
        assert!(third.gives_out(&docs, b"c").await, "an asset by its name pins nothing");
    }

    #[tokio::test(start_paused = true)]
    async fn while_the_ledger_is_away_pins_are_provisional_and_one_stands_later() {
        for fault in [Fault::Refused, Fault::Hanging] {
            let (_, one, other) = two(false);
            let release = release("k", "a.tar.gz", None);
            one.connection.set_fault(fault);
            assert!(one.gives_out(&release, b"a").await);
            assert!(other.gives_out(&release, b"b").await);
            assert_eq!((one.confirmed(), other.confirmed()), (vec![false], vec![true]));
            one.read(&release);
            one.keep_shared();
            sleep(PAUSE * 2).await;
            assert_eq!(one.confirmed(), [false]);
            one.connection.set_fault(Fault::None);
            sleep(PAUSE * 2).await;
            assert_eq!(one.confirmed(), [true]);
            let (first, change) = one.shown(&release);
            assert_eq!(first, Some(Digest::sha256(b"b")));
            assert_eq!(change.unwrap().now, Some(Digest::sha256(b"a")));
            assert_eq!(one.pins.changed(), 1);
            assert!(!one.gives_out(&release, b"a").await);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_confirmed_pin_comes_back_after_the_ledger_lost_everything() {
        let (shared, one, other) = two(false);
        let release = release("k", "a.tar.gz", None);
        assert!(one.gives_out(&release, b"a").await);
        shared.flush();
        assert!(other.gives_out(&release, b"b").await, "the ledger knows nothing");
        let restarted = Replica::of(&shared, false);
        let all = one.pins.all();
        for (of, pins) in all {
            restarted.pins.restore(of, pins);
        }
        restarted.keep_shared();
        other.keep_shared();
        sleep(PAUSE * 3).await;
        let first = restarted.shown(&release).0;
        assert_eq!(first, Some(Digest::sha256(b"a")));
        let third = Replica::of(&shared, false);
        assert!(!third.gives_out(&release, b"b").await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_ledger_that_lost_everything_unnoticed_gets_the_pins_back() {
        let (shared, one, other) = two(false);
        let release = release("k", "a.tar.gz", None);
        assert!(one.gives_out(&release, b"a").await);
        one.keep_shared();
        sleep(PAUSE).await;
        shared.flush();
        sleep(ALL_EVERY).await;
        assert!(!other.gives_out(&release, b"b").await);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_is_lost_leaves_the_pin_in_the_ledger() {
        let (_, one, other) = two(false);
        let release = release("k", "a.tar.gz", None);
        one.connection.set_fault(Fault::AnswersLost);
        assert!(one.gives_out(&release, b"a").await);
        assert_eq!(one.confirmed(), [false]);
        assert!(!other.gives_out(&release, b"b").await);
        one.connection.set_fault(Fault::None);
        assert!(one.gives_out(&release, b"a").await);
        assert_eq!(one.confirmed(), [true]);
    }

    #[tokio::test(start_paused = true)]
    async fn the_ledger_is_asked_once_for_each_file_and_replica() {
        let (_, one, other) = two(false);
        let release = release("k", "a.tar.gz", None);
        one.keep_shared();
        other.keep_shared();
        sleep(PAUSE).await;
        for replica in [&one, &other] {
            for _ in 0..3 {
                assert!(replica.gives_out(&release, b"a").await);
            }
            sleep(PAUSE * 10).await;
            assert_eq!(replica.connection.calls(), 1);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_pin_of_version_0_1_gives_way_to_the_first_of_all_replicas() {
        let (_, one, other) = two(false);
        let release = release("k", "a.tar.gz", None);
        assert!(one.gives_out(&release, b"a").await);
        let mut book = one.pins.all();
        for pins in book.values_mut() {
            let versions = pins.versions.values_mut().flat_map(|of| of.values_mut());
            for pin in versions.flat_map(|pins| &mut pins.0) {
                (pin.file_name, pin.key, pin.confirmed) = (None, None, false);
                pin.digest = Digest::sha256(b"b");
            }
        }
        for (of, pins) in book {
            other.pins.restore(of, pins);
        }
        for _ in 0..2 {
            assert!(!other.gives_out(&release, b"b").await);
            assert!(other.gives_out(&release, b"a").await);
            assert_eq!(other.connection.calls(), 1);
            assert_eq!(other.confirmed(), [true]);
        }
    }
}
