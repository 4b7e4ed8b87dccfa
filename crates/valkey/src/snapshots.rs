//! Snapshots of a fleet: a manifest for each topic in the engine, and segments under their digests in the
//! bucket of the fleet or in the engine.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use parking_lot::Mutex;
use redis::cmd;
use registry_core::bucket::Bucket;
use registry_core::models::digest::Digest;
use registry_fleet::epoch::LogPosition;
use registry_fleet::failure::Away;
use registry_fleet::log::WriteFailure;
use registry_fleet::metrics::EngineOperation;
use registry_fleet::replica::ReplicaId;
use registry_fleet::snapshots::{SegmentPlace, SegmentSink, Snapshots, TopicSnapshot};
use registry_fleet::topic::Topic;
use tokio::time::Instant;
use tracing::warn;

use crate::LOG_TARGET;
use crate::bucket_segments::BucketSegments;
use crate::fleet_name::FleetName;
use crate::link::EngineLink;
use crate::log_keys::{LogKeys, holder};
use crate::named_segments::NamedSegments;
use crate::own_connection::{OpenConnection, OwnConnection};
use crate::script::WRITE_SNAPSHOT;
use crate::snapshot_manifest::SnapshotManifest;

/// Maximum time for one segment or manifest.
const STEP_MAX: Duration = Duration::from_secs(5);
/// Concurrent reads of segments: more would only wait for each other.
const READS_MAX: usize = 8;
/// Time after which a segment is deleted that no manifest named again.
const SEGMENT_TTL: Duration = Duration::from_hours(2);

/// The snapshots of a fleet. Manifests are signed, and name their segments by digests.
pub struct EngineSnapshots {
    link: EngineLink,
    keys: LogKeys,
    connection: OwnConnection,
    bucket: Option<Arc<BucketSegments>>,
    named: Mutex<HashMap<Topic, NamedSegments>>,
}

impl EngineSnapshots {
    /// Connects to the server of a link, when there is a snapshot to write or to read.
    #[must_use]
    pub fn new(link: EngineLink) -> Self {
        Self::with(LogKeys::of(&link), link)
    }

    /// Uses keys that no replica uses.
    pub(crate) fn trial(link: EngineLink) -> Self {
        Self::with(LogKeys::trial(&link), link)
    }

    fn with(keys: LogKeys, link: EngineLink) -> Self {
        let connection = OwnConnection::new(link.clone(), EngineOperation::Snapshot);
        Self { link, keys, connection, bucket: None, named: Mutex::default() }
    }

    /// Stores segments in a bucket, under the name of the fleet.
    #[must_use]
    pub fn with_bucket(self, bucket: Arc<dyn Bucket>, fleet: FleetName) -> Self {
        let segments = BucketSegments::new(bucket, fleet);
        Self { bucket: Some(Arc::new(segments)), ..self }
    }

    /// Returns false if another replica writes about the topic.
    async fn written(
        &self,
        replica: &ReplicaId,
        topic: &Topic,
        snapshot: &TopicSnapshot,
        place: SegmentPlace,
    ) -> Result<bool, Away> {
        let mut connection = self.connection.open().await?;
        let segments = snapshot.segments.iter().cloned();
        let segments: Vec<(Digest, Bytes)> =
            segments.map(|segment| (Digest::sha256(&segment), segment)).collect();
        let in_bucket = match &self.bucket {
            Some(bucket) if place == SegmentPlace::Bucket => {
                bucket.store(topic, segments.clone()).await
            }
            _ => HashSet::new(),
        };
        for (digest, segment) in segments.iter().filter(|(digest, _)| !in_bucket.contains(digest)) {
            self.store(&mut connection, digest, segment).await?;
        }
        let segments = segments.into_iter().map(|(digest, _)| digest).collect();
        let manifest = SnapshotManifest { position: snapshot.position, segments };
        let key = self.keys.snapshot(topic);
        let mut script = WRITE_SNAPSHOT.prepare_invoke();
        script.key(self.keys.lease(topic)).key(&self.keys.tails).key(&key);
        script.key(&self.keys.marks).key(&self.keys.log);
        script.arg(holder(replica, manifest.position.epoch)).arg(topic.as_str());
        script.arg(manifest.position.to_string()).arg(manifest.sealed(&self.link, &key));
        let is_written = connection.invoke(&script, STEP_MAX).await?;
        self.connection.keep(connection);
        if is_written && let Some(bucket) = &self.bucket {
            self.delete_unnamed(bucket, topic, &manifest);
        }
        Ok(is_written)
    }

    /// Deletes what the manifests of the last hour did not name, beside the writer, who has to go on.
    fn delete_unnamed(
        &self,
        bucket: &Arc<BucketSegments>,
        topic: &Topic,
        manifest: &SnapshotManifest,
    ) {
        let mut named = self.named.lock();
        let named = named.entry(topic.clone()).or_insert_with(NamedSegments::new);
        let Some(kept) = named.note(manifest.position.epoch, &manifest.segments) else { return };
        let (bucket, topic) = (Arc::clone(bucket), topic.clone());
        tokio::spawn(async move {
            if let Err(error) = bucket.keep_only(&topic, kept).await {
                warn!(target: LOG_TARGET,
                    "shared: old segments of snapshots stay in the bucket of [artifacts] for another hour: {}",
                    error.report()
                );
            }
        });
    }

    /// Stores a segment, or lets the one that is there stay.
    async fn store(
        &self,
        connection: &mut OpenConnection,
        digest: &Digest,
        segment: &[u8],
    ) -> Result<(), Away> {
        let (key, ttl) = (self.keys.segment(digest), SEGMENT_TTL.as_millis().to_string());
        let stays: bool = connection.query(cmd("PEXPIRE").arg(&key).arg(&ttl), STEP_MAX).await?;
        if stays {
            return Ok(());
        }
        let mut command = cmd("SET");
        command.arg(&key).arg(segment).arg("PX").arg(&ttl);
        connection.query::<String>(&command, STEP_MAX).await.map(drop)
    }

    async fn found(
        &self,
        topic: &Topic,
        known: LogPosition,
        pass: &mut SegmentSink<'_>,
    ) -> Result<Option<LogPosition>, Away> {
        let mut connection = self.connection.open().await?;
        let key = self.keys.snapshot(topic);
        let value: Option<Vec<u8>> = connection.query(cmd("GET").arg(&key), STEP_MAX).await?;
        let manifest = value.and_then(|value| SnapshotManifest::opened(&self.link, &key, &value));
        let newer = manifest.filter(|manifest| manifest.position > known);
        if let Some(SnapshotManifest { segments, .. }) = &newer
            && !self.pass_segments(&connection, topic, segments.clone(), pass).await?
        {
            return Ok(None);
        }
        self.connection.keep(connection);
        Ok(newer.map(|manifest| manifest.position))
    }

    /// Passes on segments in order. Returns false if one is gone or wrong.
    async fn pass_segments(
        &self,
        connection: &OpenConnection,
        topic: &Topic,
        digests: Vec<Digest>,
        pass: &mut SegmentSink<'_>,
    ) -> Result<bool, Away> {
        let segments = digests.into_iter();
        let segments = segments.map(|digest| self.segment(connection.clone(), topic, digest));
        let mut segments = stream::iter(segments).buffered(READS_MAX);
        while let Some(segment) = segments.try_next().await? {
            let Some(segment) = segment else { return Ok(false) };
            pass(segment);
        }
        Ok(true)
    }

    /// Returns a segment; `None` if it is gone or wrong.
    async fn segment(
        &self,
        mut connection: OpenConnection,
        topic: &Topic,
        digest: Digest,
    ) -> Result<Option<Bytes>, Away> {
        let key = self.keys.segment(&digest);
        let segment: Option<Vec<u8>> = connection.query(cmd("GET").arg(&key), STEP_MAX).await?;
        let Some(segment) = segment else {
            let Some(bucket) = &self.bucket else { return Ok(None) };
            return Ok(bucket.get(topic, &digest).await);
        };
        if !digest.matches(&segment) {
            // Else the next snapshot would let it stay.
            connection.query::<u8>(cmd("DEL").arg(&key), STEP_MAX).await?;
            return Ok(None);
        }
        Ok(Some(segment.into()))
    }
}

#[async_trait]
impl Snapshots for EngineSnapshots {
    async fn write(
        &self,
        replica: &ReplicaId,
        topic: &Topic,
        snapshot: &TopicSnapshot,
        place: SegmentPlace,
    ) -> Result<(), WriteFailure> {
        let begun = Instant::now();
        let result = self.written(replica, topic, snapshot, place).await;
        self.connection.record(begun.elapsed(), result.as_ref().err());
        if result? { Ok(()) } else { Err(WriteFailure::Fenced) }
    }

    async fn read(
        &self,
        topic: &Topic,
        known: LogPosition,
        pass: &mut SegmentSink<'_>,
    ) -> Result<Option<LogPosition>, Away> {
        let begun = Instant::now();
        let result = self.found(topic, known, pass).await;
        self.connection.record(begun.elapsed(), result.as_ref().err());
        result
    }
}
