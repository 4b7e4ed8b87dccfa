//! Pins of several replicas: their ledger, and what holds for first archives while it is away.

use std::sync::Arc;
use std::time::Duration;

use registry_core::error::Error;
use registry_core::models::naming::ExtensionId;
use registry_fleet::failure::Away;
use registry_fleet::pins::PinLedger;
use registry_fleet::state::EngineState;

/// A replica tries to reach the ledger more often than this.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// Pins that the replicas of a registry share.
#[derive(Clone)]
pub struct PinSharing {
    /// The ledger.
    pub ledger: Arc<dyn PinLedger>,
    /// What holds while the ledger is away.
    pub policy: PinPolicy,
}

/// What a replica does with the first archive of a version while the ledger is away.
#[derive(Clone, Debug)]
pub enum PinPolicy {
    /// It pins the archive by itself, and proposes its pin later.
    Soon,
    /// It refuses the archive. The state of the ledger's engine shows it before a backend is asked.
    Certain(EngineState),
}

impl PinSharing {
    pub(super) const fn is_certain(&self) -> bool {
        matches!(self.policy, PinPolicy::Certain(_))
    }

    /// Returns why no first archive can be served now; `None` if the ledger can be asked, or need not
    /// be.
    pub(super) fn obstacle(&self) -> Option<Away> {
        match &self.policy {
            PinPolicy::Soon => None,
            PinPolicy::Certain(engine) => engine.report().away,
        }
    }
}

/// Returns the error of a download whose archive the ledger has not confirmed. `why` is for the log.
pub(super) fn undecided(id: &ExtensionId, version: &str, why: Away) -> Error {
    let message = format!(
        "The archive of {id} {version} is not served now: another replica may have served another \
         one first, and the shared Redis or Valkey, which would say so, is away; retry later, or set \
         downloads.pin = \"soon\""
    );
    Error::unavailable(message, RETRY_AFTER).because(why).not_asked()
}

#[cfg(test)]
mod tests {
    use registry_core::error::{ErrorKind, Result};
    use registry_core::models::artifact::{Artifact, ArtifactChoice, ArtifactKey};
    use registry_core::models::backend_id::BackendId;
    use registry_core::models::digest::Digest;
    use registry_core::models::extension::Release;
    use registry_fleet::failure::AwayReason;
    use registry_testing::fleet::fault::Fault;
    use registry_testing::fleet::pins::{MemoryPins, PinConnection};

    use super::*;
    use crate::pins::Pins;
    use crate::rules::Rules;
    use crate::store::CatalogStore;

    fn id() -> ExtensionId {
        ExtensionId::from_oci_repository("aws-provider").unwrap()
    }

    fn release(tag: &str) -> Release {
        let file = Artifact {
            key: ArtifactKey::new("k"),
            file_name: "a.tar.gz".into(),
            size: 1,
            digest: None,
            url: None,
        };
        let artifact = ArtifactChoice::Chosen(Arc::new(file));
        Release { artifact, ..Release::of_tag(BackendId::GITEA, tag.parse().unwrap()) }
    }

    fn pins(ledger: &Arc<PinConnection>, policy: PinPolicy) -> Pins {
        let store = CatalogStore::new(&[BackendId::GITEA], &Rules::for_tests());
        let ledger: Arc<dyn PinLedger> = Arc::clone(ledger) as _;
        Pins::new(store, Some(PinSharing { ledger, policy }), Vec::new())
    }

    async fn decide(pins: &Pins, tag: &str) -> Result<()> {
        let release = release(tag);
        let file = release.artifact.chosen().unwrap();
        pins.decide(&id(), &release, file, true, &Digest::sha256(b"a")).await
    }

    fn is_unavailable(outcome: &Result<()>) -> bool {
        let kind = outcome.as_ref().map_err(Error::kind);
        matches!(kind, Err(ErrorKind::BackendUnavailable { retry_after: RETRY_AFTER }))
    }

    #[tokio::test(start_paused = true)]
    async fn without_the_ledger_a_certain_replica_gives_out_and_pins_no_first_archive() {
        for fault in [Fault::Refused, Fault::Hanging, Fault::AnswersLost] {
            let ledger = MemoryPins::new().connect();
            let pins = pins(&ledger, PinPolicy::Certain(EngineState::default()));
            ledger.set_fault(fault);
            let refused = decide(&pins, "1.0.0").await;
            assert!(is_unavailable(&refused), "{fault:?}: {refused:?}");
            let error = refused.unwrap_err();
            for part in ["provider/aws 1.0.0", "away", "retry later"] {
                assert!(error.message().contains(part), "{error}");
            }
            assert_eq!(pins.proposals(true), [], "{fault:?}");
            decide(&pins, "nightly").await.unwrap();
            ledger.set_fault(Fault::None);
            decide(&pins, "1.0.0").await.unwrap();
            ledger.set_fault(fault);
            decide(&pins, "1.0.0").await.unwrap();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_download_that_cannot_be_decided_is_refused_before_it_begins() {
        let (ledger, engine) = (MemoryPins::new().connect(), EngineState::default());
        let certain = pins(&ledger, PinPolicy::Certain(engine.clone()));
        let check = |pins: &Pins, tag: &str| pins.check_decidable(&id(), &release(tag));
        assert!(is_unavailable(&check(&certain, "1.0.0")));
        check(&certain, "nightly").unwrap();
        check(&pins(&ledger, PinPolicy::Soon), "1.0.0").unwrap();
        assert!(engine.connected("Redis 7.0.15".to_owned(), None));
        check(&certain, "1.0.0").unwrap();
        decide(&certain, "1.0.0").await.unwrap();
        let why = Away::new(AwayReason::Late, "no answer");
        assert!(engine.away(why));
        check(&certain, "1.0.0").unwrap();
        assert!(is_unavailable(&check(&certain, "2.0.0")));
    }
}
