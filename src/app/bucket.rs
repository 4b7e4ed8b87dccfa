//! Builds the configured bucket.

use std::sync::Arc;

use registry_backends::http::check_ca_file;
use registry_backends::http::metrics::{UpstreamCall, UpstreamMetrics};
use registry_backends::http::outcome::CallOutcome;
use registry_core::error::Error;
use registry_s3::bucket::{OPERATIONS, S3Bucket};
use registry_s3::credentials::S3Credentials;
use registry_server::metrics::Metrics;
use registry_server::metrics::bucket::BucketMetrics;

use crate::app::backends::Finding;
use crate::app::rotation::Rotated;
use crate::app::secrets;
use crate::config::{ArtifactsConfig, Config};

const CREDENTIALS: &str = "artifacts.credentials_path";

/// Counts calls to the bucket.
struct BucketCalls(BucketMetrics);

impl UpstreamMetrics for BucketCalls {
    fn record(&self, call: &UpstreamCall) {
        self.0.call(call.operation, call.outcome.label(), call.duration.as_secs_f64());
    }
}

/// The bucket; `None` if it is missing. Fails for files and addresses that cannot be used.
pub(super) fn of(config: &Config, metrics: &Metrics) -> Result<Option<Arc<S3Bucket>>, Finding> {
    let Some(artifacts) = &config.artifacts else { return Ok(None) };
    if let Some(file) = &artifacts.s3.ca_file {
        check_ca_file(file).map_err(found("artifacts.ca_file"))?;
    }
    metrics.bucket.prepare(&OPERATIONS, &CallOutcome::LABELS);
    let calls: Arc<dyn UpstreamMetrics> = Arc::new(BucketCalls(metrics.bucket.clone()));
    let credentials = credentials(artifacts)?;
    let built = S3Bucket::new(artifacts.s3.clone(), &credentials, &calls);
    built.map(|bucket| Some(Arc::new(bucket))).map_err(found("artifacts.endpoint"))
}

/// The file of credentials, which may change while the service runs.
pub(super) fn rotated(config: &Config, bucket: &Arc<S3Bucket>) -> Option<Rotated> {
    let path = config.artifacts.as_ref()?.credentials_path.clone()?;
    let (file, bucket) = (path.clone(), Arc::clone(bucket));
    let renew = move || {
        bucket.renew(&S3Credentials::read(&file).map_err(|error| error.report())?);
        Ok(())
    };
    Some(Rotated { key: CREDENTIALS.to_owned(), path, renew: Box::new(renew) })
}

fn credentials(artifacts: &ArtifactsConfig) -> Result<S3Credentials, Finding> {
    let read = match (&artifacts.credentials_path, &artifacts.environment) {
        (Some(path), _) => {
            secrets::check(CREDENTIALS, path).map_err(|error| Finding {
                key: CREDENTIALS.to_owned(),
                what: error.to_string(),
            })?;
            S3Credentials::read(path)
        }
        (None, Some(credentials)) => Ok(credentials.clone()),
        // Reported by the configuration, which has no value then.
        (None, None) => S3Credentials::from_environment(|_| None),
    };
    read.map_err(found(CREDENTIALS))
}

fn found(key: &str) -> impl Fn(Error) -> Finding {
    move |error| Finding { key: key.to_owned(), what: error.report() }
}
