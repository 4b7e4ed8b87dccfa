//! Checks of the bucket: the way to it, the clock, and every right that the service needs.

use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use registry_backends::http::peer::Peer;
use registry_backends::http::settings::UpstreamSettings;
use registry_core::backend::download::Download;
use registry_core::bucket::{Bucket, ObjectKey};
use registry_core::error::{Error, ErrorKind};
use registry_s3::bucket::S3Bucket;
use tokio::time::timeout;

use crate::commands::doctor::report::ReportLine;
use crate::commands::doctor::upstream::{clock, way};
use crate::config::ArtifactsConfig;

const ABOUT: &str = "artifacts";
/// Folder of the object that is stored for the check.
const FOLDER: &str = "doctor";
/// Maximum number of objects in it that are listed.
const LISTED_MAX: usize = 100;
// Maximum time of each step, beyond the deadlines of the bucket itself.
const PATIENCE: Duration = Duration::from_secs(35);

pub(super) async fn examine(config: &ArtifactsConfig, bucket: &S3Bucket) -> Vec<ReportLine> {
    let address = match config.s3.address() {
        Ok(address) => address,
        Err(error) => return vec![failure("address", &error)],
    };
    let upstream =
        UpstreamSettings { ca_file: config.s3.ca_file.clone(), ..UpstreamSettings::default() };
    let mut entries = way(ABOUT, &address, &upstream).await;
    if entries.iter().any(ReportLine::is_problem) {
        return entries;
    }
    // Before the rest, because signatures are refused if clocks differ.
    entries.push(clock(ABOUT, Peer::new("bucket"), &address, &upstream).await);
    if entries.iter().any(ReportLine::is_problem) {
        return entries;
    }
    let key = format!("{FOLDER}/{}", Timestamp::now().as_nanosecond()).parse::<ObjectKey>();
    let Ok(key) = key else { return entries };
    let steps = [
        ("put", within(put(bucket, &key)).await, "an object can be stored"),
        ("get", within(get(bucket, &key)).await, "it has the bytes that were stored"),
        ("list", within(list(bucket, &key)).await, "it is listed"),
        ("delete", within(bucket.delete(&key)).await, "it can be deleted"),
        ("missing", within(missing(bucket, &key)).await, "a missing object is told as missing"),
    ];
    for (step, end, good) in steps {
        let place = &config.s3.location;
        match end {
            Ok(()) => entries.push(ReportLine::ok(ABOUT, step, format!("{place}: {good}"))),
            Err(error) => {
                entries.push(failure(step, &error));
                break;
            }
        }
    }
    entries
}

async fn within(step: impl Future<Output = Result<(), Error>>) -> Result<(), Error> {
    let late = |_| Error::new(ErrorKind::BackendTimeout, "The bucket did not answer in time");
    timeout(PATIENCE, step).await.map_err(late)?
}

/// The bytes of the object: its own key, so that no other object has them.
fn content(key: &ObjectKey) -> Bytes {
    Bytes::from(key.to_string())
}

async fn put(bucket: &S3Bucket, key: &ObjectKey) -> Result<(), Error> {
    bucket.put(key, Download::from_bytes(content(key))).await
}

async fn get(bucket: &S3Bucket, key: &ObjectKey) -> Result<(), Error> {
    let found = bucket.get(key).await?.collect().await?;
    if found == content(key) {
        return Ok(());
    }
    Err(Error::faulty("The bucket has other bytes than were stored"))
}

/// With `[shared]`, parts of the catalog are listed before old ones are deleted.
async fn list(bucket: &S3Bucket, key: &ObjectKey) -> Result<(), Error> {
    let folder = FOLDER.parse::<ObjectKey>();
    let folder =
        folder.map_err(|error| Error::faulty("The folder has a wrong name").because(error))?;
    let listed = bucket.list(&folder, LISTED_MAX).await?;
    // Objects of checks that were cut short come first.
    if listed.contains(key) || listed.len() == LISTED_MAX {
        return Ok(());
    }
    Err(Error::faulty("The bucket does not list an object that it has"))
}

async fn missing(bucket: &S3Bucket, key: &ObjectKey) -> Result<(), Error> {
    match bucket.size(key).await {
        Err(error) if error.is_not_found() => Ok(()),
        Err(error) => Err(error),
        Ok(_) => Err(Error::faulty("A deleted object is still there")),
    }
}

fn failure(step: &'static str, error: &Error) -> ReportLine {
    let fix = match (step, error.kind()) {
        ("list" | "missing", ErrorKind::BackendRefused) => {
            "grant s3:ListBucket on the bucket: without it servers do not tell what is there and what is missing"
        }
        ("put", ErrorKind::BackendRefused) => {
            "renew the credentials of artifacts.credentials_path, and grant s3:PutObject on the prefix"
        }
        (_, ErrorKind::BackendRefused) => {
            "grant s3:GetObject, s3:PutObject, s3:DeleteObject and s3:AbortMultipartUpload on the prefix"
        }
        (_, ErrorKind::BackendTimeout | ErrorKind::BackendUnavailable { .. }) => {
            "check the server's log, load and free space, and any proxy in front"
        }
        _ => {
            "check that artifacts.endpoint is an S3 server, and artifacts.store, region and path_style"
        }
    };
    ReportLine::problem(ABOUT, step, error.report(), fix)
}
