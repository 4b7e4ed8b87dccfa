//! Metrics of the certificate of the listener. Without TLS there are none.

use jiff::Timestamp;
use prometheus::{IntGaugeVec, Opts, Registry};

/// The metrics of the certificate.
#[derive(Clone)]
pub struct CertificateMetrics {
    expiry: IntGaugeVec,
    failed: IntGaugeVec,
}

impl CertificateMetrics {
    pub(super) fn new(registry: &Registry) -> prometheus::Result<Self> {
        // Without labels, but still families: they have no series until TLS is on, and the alert on
        // the time of expiry does not see a zero.
        let metrics = Self {
            expiry: IntGaugeVec::new(
                Opts::new(
                    "extension_registry_tls_certificate_expiry_timestamp_seconds",
                    "Time at which the served certificate expires, in Unix seconds",
                ),
                &[],
            )?,
            failed: IntGaugeVec::new(
                Opts::new(
                    "extension_registry_tls_renewal_failed",
                    "1 while the files of the certificate hold something that cannot be used",
                ),
                &[],
            )?,
        };
        registry.register(Box::new(metrics.expiry.clone()))?;
        registry.register(Box::new(metrics.failed.clone()))?;
        Ok(metrics)
    }

    /// Sets the expiry of the certificate in use. The first call creates the series.
    pub fn serves(&self, not_after: Timestamp) {
        self.expiry.with_label_values::<&str>(&[]).set(not_after.as_second());
        self.failed.with_label_values::<&str>(&[]).set(0);
    }

    /// Sets whether the files hold something that cannot be used.
    pub fn renewal_failed(&self, failed: bool) {
        self.failed.with_label_values::<&str>(&[]).set(failed.into());
    }
}
