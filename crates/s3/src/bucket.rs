//! The bucket: objects of an S3 server, behind circuit breakers of their own for reads and writes.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt as _, TryStreamExt as _};
use object_store::aws::{AmazonS3, AmazonS3Builder, Checksum};
use object_store::path::Path;
use object_store::{
    MultipartUpload, ObjectStore as _, ObjectStoreExt as _, PutPayload, RetryConfig,
};
use registry_backends::http::metrics::UpstreamMetrics;
use registry_backends::http::peer::Peer;
use registry_backends::http::settings::UpstreamSettings;
use registry_backends::http::upstream::{HttpSettings, UpstreamClient};
use registry_core::backend::contact::BreakerState;
use registry_core::backend::download::Download;
use registry_core::bucket::{Bucket, ObjectKey};
use registry_core::error::{Error, ErrorKind, Result};
use registry_core::models::digest::Digest;
use tokio::time::sleep_until;

pub use crate::connector::OPERATIONS;
use crate::connector::S3Connector;
use crate::credentials::{CurrentCredentials, S3Credentials};
use crate::failure::of_store;
use crate::settings::S3Settings;

/// Name of the server in messages and metrics.
const PEER: Peer = Peer::new("bucket");
/// Time to the first byte of an object, and longest pause after it. Then the backend is asked.
const READ_TIMEOUT: Duration = Duration::from_secs(1);
/// Time for each piece of an upload, and for its response.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
/// Concurrent reads; more wait as long as a read may take.
const READS_MAX: usize = 64;
/// Concurrent requests of uploads.
const WRITES_MAX: usize = 4;
/// Maximum number of concurrent requests.
pub const REQUESTS_MAX: usize = READS_MAX + WRITES_MAX;
/// Size of a part of an upload in bytes, and of the largest object that is stored in one request.
pub const PART: usize = 8 * 1024 * 1024;
/// Maximum number of parts of an object (limit of S3).
const PARTS_MAX: u64 = 10_000;

/// The bucket of an S3 server.
pub struct S3Bucket {
    store: AmazonS3,
    settings: S3Settings,
    reads: UpstreamClient,
    credentials: Arc<CurrentCredentials>,
}

impl S3Bucket {
    /// Creates a bucket without a connection. Fails if the address or the certificate file is not
    /// usable.
    pub fn new(
        settings: S3Settings,
        credentials: &S3Credentials,
        metrics: &Arc<dyn UpstreamMetrics>,
    ) -> Result<Self> {
        let client = |timeout, max_concurrency| {
            let upstream = UpstreamSettings {
                timeout,
                max_concurrency,
                ca_file: settings.ca_file.clone(),
                // Reads have the backend instead, and uploads are tried again as a whole.
                retries: 0,
                ..UpstreamSettings::default()
            };
            let http = HttpSettings { peer: PEER, base: settings.address()?, upstream };
            UpstreamClient::new(http, Arc::clone(metrics))
        };
        let reads = client(READ_TIMEOUT, READS_MAX)?;
        let writes = client(WRITE_TIMEOUT, WRITES_MAX)?;
        let credentials = CurrentCredentials::new(credentials);
        let mut builder = AmazonS3Builder::new()
            .with_bucket_name(settings.location.name())
            .with_region(settings.region.as_str())
            .with_endpoint(settings.address()?.as_str().trim_end_matches('/'))
            .with_virtual_hosted_style_request(!settings.path_style)
            .with_credentials(Arc::clone(&credentials) as _)
            // Our client is bounded in time and load; a second loop of retries would not be.
            .with_retry(RetryConfig { max_retries: 0, ..RetryConfig::default() })
            .with_disable_bulk_delete(true)
            .with_http_connector(S3Connector { reads: reads.clone(), writes });
        if settings.checksums {
            builder = builder.with_checksum_algorithm(Checksum::SHA256);
        }
        let store = builder.build().map_err(|error| {
            Error::new(ErrorKind::Invalid, "The settings of the bucket are not usable")
                .because(error)
        })?;
        Ok(Self { store, settings, reads, credentials })
    }

    /// Uses other credentials from now on.
    pub fn renew(&self, credentials: &S3Credentials) {
        self.credentials.replace(credentials);
    }

    /// Asks the server again while it is not asked because of its failures, so that no caller has to
    /// find out. Never returns.
    pub async fn watch(self: Arc<Self>) {
        let mut contact = self.reads.contact();
        // Below the prefix like everything else. It need not exist: a 404 is an answer.
        let Ok(probe) = self.path(&ObjectKey::of_archive(&Digest::sha256(&[]))) else { return };
        loop {
            let failing = contact.wait_for(|contact| contact.breaker != BreakerState::Closed);
            let state = match failing.await {
                Ok(contact) => contact.breaker,
                // Never: `self` holds the sender.
                Err(_) => return,
            };
            match state {
                BreakerState::Open { until } => {
                    sleep_until(until).await;
                    // The circuit breaker has the result.
                    let _ = self.store.head(&probe).await;
                }
                _ => drop(contact.changed().await),
            }
        }
    }

    fn path(&self, key: &ObjectKey) -> Result<Path> {
        Path::parse(self.settings.location.path_of(key)).map_err(|error| {
            Error::new(ErrorKind::Internal, "A key is not usable in the bucket").because(error)
        })
    }

    /// Fails without a request unless the circuit breaker is closed: callers are no trials.
    fn check(&self) -> Result<()> {
        let contact = *self.reads.contact().borrow();
        if contact.breaker == BreakerState::Closed {
            return Ok(());
        }
        let message = "The bucket is unavailable: its circuit breaker is open";
        Err(Error::unavailable(message, contact.pause().max(READ_TIMEOUT)).not_asked())
    }

    async fn put_in_parts(&self, path: &Path, content: Download) -> Result<()> {
        if content.length > PART as u64 * PARTS_MAX {
            return Err(Error::new(ErrorKind::TooLarge, "The archive is too large for a bucket"));
        }
        let mut upload = self.store.put_multipart(path).await.map_err(|error| of_store(&error))?;
        let sent = async {
            send_parts(&mut *upload, content).await?;
            upload.complete().await.map_err(|error| of_store(&error))
        };
        if let Err(error) = sent.await {
            // Parts without an end take space, until a rule of the bucket deletes them.
            let _ = upload.abort().await;
            return Err(error);
        }
        Ok(())
    }
}

#[async_trait]
impl Bucket for S3Bucket {
    async fn get(&self, key: &ObjectKey) -> Result<Download> {
        self.check()?;
        let found = self.store.get(&self.path(key)?).await.map_err(|error| of_store(&error))?;
        let length = found.meta.size;
        let bytes = found.into_stream().map(|piece| piece.map_err(|error| of_store(&error)));
        Ok(Download { length, bytes: bytes.boxed() })
    }

    async fn size(&self, key: &ObjectKey) -> Result<u64> {
        self.check()?;
        Ok(self.store.head(&self.path(key)?).await.map_err(|error| of_store(&error))?.size)
    }

    async fn put(&self, key: &ObjectKey, content: Download) -> Result<()> {
        let path = self.path(key)?;
        if content.length > PART as u64 {
            return self.put_in_parts(&path, content).await;
        }
        let mut parts = Parts::new(content);
        let whole = parts.next().await?;
        self.store
            .put(&path, PutPayload::from_bytes(whole))
            .await
            .map_err(|error| of_store(&error))?;
        Ok(())
    }

    async fn delete(&self, key: &ObjectKey) -> Result<()> {
        match self.store.delete(&self.path(key)?).await.map_err(|error| of_store(&error)) {
            Err(error) if !error.is_not_found() => Err(error),
            _ => Ok(()),
        }
    }

    async fn list(&self, below: &ObjectKey, most: usize) -> Result<Vec<ObjectKey>> {
        self.check()?;
        let found = self.store.list(Some(&self.path(below)?)).take(most);
        let found = found.map_err(|error| of_store(&error));
        let keys = found.try_filter_map(async |object| {
            Ok(self.settings.location.key_of(object.location.as_ref()))
        });
        keys.try_collect().await
    }
}

async fn send_parts(upload: &mut dyn MultipartUpload, content: Download) -> Result<()> {
    let mut parts = Parts::new(content);
    while parts.left > 0 {
        let part = parts.next().await?;
        // One after the other, so that one part is in memory.
        upload.put_part(PutPayload::from_bytes(part)).await.map_err(|error| of_store(&error))?;
    }
    Ok(())
}

/// A content cut into parts.
struct Parts {
    content: Download,
    /// What did not fit into the last part.
    rest: Bytes,
    left: u64,
}

impl Parts {
    const fn new(content: Download) -> Self {
        let left = content.length;
        Self { content, rest: Bytes::new(), left }
    }

    /// Reads the next part; the last one is shorter. Fails if the content is shorter than announced.
    async fn next(&mut self) -> Result<Bytes> {
        let size = usize::try_from(self.left).unwrap_or(PART).min(PART);
        let mut part = BytesMut::with_capacity(size);
        while part.len() < size {
            if self.rest.is_empty() {
                let piece = self.content.bytes.next().await.transpose()?;
                self.rest =
                    piece.ok_or_else(|| Error::faulty("The content is shorter than announced"))?;
            }
            // Copied: a piece may hold the buffer that the next one needs.
            let fits = self.rest.split_to(self.rest.len().min(size - part.len()));
            part.extend_from_slice(&fits);
        }
        self.left -= size as u64;
        Ok(part.freeze())
    }
}
