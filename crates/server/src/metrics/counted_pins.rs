//! A ledger of pins whose conflicts are counted.

use std::sync::Arc;

use async_trait::async_trait;
use registry_fleet::failure::Away;
use registry_fleet::pins::{PinKey, PinLedger, SharedPin};

use crate::metrics::shared::SharedMetrics;

/// A ledger of pins. Counts each offer in whose place another digest stands.
pub struct CountedPins {
    ledger: Arc<dyn PinLedger>,
    metrics: SharedMetrics,
}

impl CountedPins {
    /// Counts the conflicts of a ledger.
    #[must_use]
    pub fn new(ledger: Arc<dyn PinLedger>, metrics: SharedMetrics) -> Self {
        Self { ledger, metrics }
    }
}

#[async_trait]
impl PinLedger for CountedPins {
    async fn pin(&self, key: &PinKey, offer: &SharedPin) -> Result<SharedPin, Away> {
        let standing = self.ledger.pin(key, offer).await?;
        if standing.digest != offer.digest {
            self.metrics.pin_conflict(key.backend.as_str());
        }
        Ok(standing)
    }
}

#[cfg(test)]
mod tests {
    use registry_core::models::backend_id::BackendId;
    use registry_core::models::digest::Digest;
    use registry_core::models::naming::ExtensionId;
    use registry_testing::fleet::fault::Fault;
    use registry_testing::fleet::pins::MemoryPins;

    use super::*;
    use crate::metrics::Metrics;

    fn conflicts(metrics: &Metrics) -> Vec<String> {
        let text = String::from_utf8(metrics.render().unwrap()).unwrap();
        let series = text.lines().filter_map(|line| {
            line.strip_prefix("extension_registry_pin_conflicts_total{backend=")
        });
        series.map(str::to_owned).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn an_offer_in_whose_place_another_digest_stands_is_counted_for_its_backend() {
        let metrics = Metrics::new(&[], &[]).unwrap();
        metrics.shared.prepare([BackendId::GITEA, BackendId::OCI]);
        let connection = MemoryPins::new().connect();
        let ledger = Arc::clone(&connection) as Arc<dyn PinLedger>;
        let pins = CountedPins::new(ledger, metrics.shared.clone());
        let key = PinKey {
            backend: BackendId::GITEA,
            extension: ExtensionId::from_oci_repository("aws-provider").unwrap(),
            version: "1.0.0".to_owned(),
            file_name: "a.tar.gz".to_owned(),
        };
        let offer = async |bytes: &[u8]| {
            let pin = SharedPin { digest: Digest::sha256(bytes), size: 1, confirmed: false };
            pins.pin(&key, &pin).await.map(|standing| standing.digest)
        };
        for _ in 0..2 {
            assert_eq!(offer(b"a").await, Ok(Digest::sha256(b"a")));
        }
        connection.set_fault(Fault::Refused);
        assert!(offer(b"b").await.is_err());
        assert_eq!(conflicts(&metrics), ["\"gitea\"} 0", "\"oci\"} 0"]);
        connection.set_fault(Fault::None);
        assert_eq!(offer(b"b").await, Ok(Digest::sha256(b"a")));
        assert_eq!(conflicts(&metrics), ["\"gitea\"} 1", "\"oci\"} 0"]);
    }
}
