//! The bucket in an S3 store: against a real server, and against one that does what servers do wrong.

mod conformance;
mod doctor;
mod failures;
mod instances;
mod snapshots;

use std::fs;
use std::sync::Arc;

use parking_lot::Mutex;
use registry_backends::http::metrics::{UpstreamCall, UpstreamMetrics};
use registry_core::config_reader::{ConfigReader, Presence, Typed};
use registry_s3::bucket::S3Bucket;
use registry_s3::credentials::S3Credentials;
use registry_s3::settings::S3Settings;
use registry_testing::versity::{ACCESS, BUCKET};

/// Calls as they were counted.
#[derive(Default)]
pub struct Calls(Mutex<Vec<(&'static str, &'static str)>>);

impl UpstreamMetrics for Calls {
    fn record(&self, call: &UpstreamCall) {
        self.0.lock().push((call.operation, call.outcome.label()));
    }
}

/// Settings of a bucket at this address, as a configuration has them.
fn settings(endpoint: &str, store: &str, more: &str) -> S3Settings {
    let mut typed = Typed::default();
    let text = format!(
        "[artifacts]\nstore = \"{store}\"\nendpoint = \"{endpoint}\"\npath_style = true\n{more}"
    );
    typed.text(std::path::Path::new("config.toml"), &text);
    let mut reader = ConfigReader::new(typed);
    let read = reader.read("artifacts", Presence::Optional, "", S3Settings::read);
    reader.finish(read.into_iter().next(), &[]).unwrap()
}

fn credentials([id, secret]: [&str; 2]) -> S3Credentials {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), format!("{id}\n{secret}\n")).unwrap();
    S3Credentials::read(file.path()).unwrap()
}

/// The bucket of a server at this address, and the calls that it makes.
fn bucket_at(endpoint: &str) -> (Arc<S3Bucket>, Arc<Calls>) {
    let calls = Arc::new(Calls::default());
    let metrics: Arc<dyn UpstreamMetrics> = Arc::clone(&calls) as _;
    let settings = settings(endpoint, &format!("s3://{BUCKET}/some/prefix"), "");
    let bucket = S3Bucket::new(settings, &credentials(ACCESS), &metrics).unwrap();
    (Arc::new(bucket), calls)
}
