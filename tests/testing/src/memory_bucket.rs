//! A bucket in memory that counts its calls and fails on demand.

use std::collections::HashMap;
use std::future;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use parking_lot::Mutex;
use registry_core::backend::download::Download;
use registry_core::bucket::{Bucket, ObjectKey};
use registry_core::error::{Error, ErrorKind, Result};
use tokio::time::sleep;

/// How the bucket fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BucketFault {
    /// Every call is refused, as for wrong credentials.
    Refuses,
    /// Every call fails as for a server that is down.
    Down,
    /// Objects cannot be stored.
    Full,
    /// Every object is reported as missing.
    Forgets,
    /// Half of an object comes, and then the connection breaks.
    Cuts,
    /// Half of an object comes, and nothing more.
    Hangs,
    /// Each piece of an object takes three seconds.
    Dribbles,
    /// Objects are missing, and calls that store are never answered.
    Silent,
    /// An object comes with one wrong byte in its middle.
    WrongByte,
    /// An object comes with a wrong last byte.
    WrongEnd,
    /// An object is announced and comes with one byte more.
    Longer,
    /// An object is announced and comes with one byte less.
    Shorter,
    /// An object is announced in full and ends one byte early.
    EndsEarly,
    /// A page of HTML comes instead of an object.
    Html,
}

/// Number of calls that the bucket got.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BucketCalls {
    pub gets: usize,
    pub sizes: usize,
    pub puts: usize,
    pub deletes: usize,
    pub lists: usize,
}

/// The bucket.
#[derive(Default)]
pub struct MemoryBucket {
    objects: Mutex<HashMap<String, Bytes>>,
    calls: Mutex<BucketCalls>,
    fault: Mutex<Option<BucketFault>>,
}

impl MemoryBucket {
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Fails in this way from now on.
    pub fn fail(&self, fault: Option<BucketFault>) {
        *self.fault.lock() = fault;
    }

    pub fn calls(&self) -> BucketCalls {
        *self.calls.lock()
    }

    pub fn object(&self, key: &ObjectKey) -> Option<Bytes> {
        self.objects.lock().get(key.as_str()).cloned()
    }

    /// Replaces an object.
    pub fn set(&self, key: &ObjectKey, bytes: impl Into<Bytes>) {
        self.objects.lock().insert(key.to_string(), bytes.into());
    }

    pub fn count(&self) -> usize {
        self.objects.lock().len()
    }

    fn called(&self, count: impl Fn(&mut BucketCalls)) -> Result<Option<BucketFault>> {
        count(&mut self.calls.lock());
        let fault = *self.fault.lock();
        match fault {
            Some(BucketFault::Refuses) => {
                Err(Error::new(ErrorKind::BackendRefused, "The bucket denies access"))
            }
            Some(BucketFault::Down) => {
                Err(Error::unavailable("The bucket cannot be reached", Duration::from_secs(1)))
            }
            Some(BucketFault::Forgets) => Err(Error::not_found("There is no such object")),
            fault => Ok(fault),
        }
    }
}

fn changed(bytes: &Bytes, at: usize) -> Bytes {
    let mut changed = bytes.to_vec();
    if let Some(byte) = changed.get_mut(at) {
        *byte ^= 1;
    }
    changed.into()
}

fn in_pieces(length: usize, bytes: &Bytes) -> Download {
    let step = (bytes.len() / 4).max(1);
    let pieces: Vec<_> = (0..bytes.len())
        .step_by(step)
        .map(|at| Ok(bytes.slice(at..(at + step).min(bytes.len()))))
        .collect();
    Download { length: length as u64, bytes: stream::iter(pieces).boxed() }
}

#[async_trait]
impl Bucket for MemoryBucket {
    async fn get(&self, key: &ObjectKey) -> Result<Download> {
        let fault = self.called(|calls| calls.gets += 1)?;
        let found = self.object(key).ok_or_else(|| Error::not_found("There is no such object"))?;
        let (length, half) = (found.len(), found.slice(..found.len() / 2));
        Ok(match fault {
            Some(BucketFault::Cuts) => {
                let broken = Error::unavailable("The bucket broke off", Duration::from_secs(1));
                let bytes = stream::iter([Ok(half), Err(broken)]).boxed();
                Download { length: length as u64, bytes }
            }
            Some(BucketFault::Hangs) => {
                let bytes = stream::iter([Ok(half)]).chain(stream::once(future::pending())).boxed();
                Download { length: length as u64, bytes }
            }
            Some(BucketFault::Dribbles) => {
                let whole = in_pieces(length, &found);
                let bytes = whole.bytes.then(async |piece| {
                    sleep(Duration::from_secs(3)).await;
                    piece
                });
                Download { length: whole.length, bytes: bytes.boxed() }
            }
            Some(BucketFault::Silent) => return Err(Error::not_found("There is no such object")),
            Some(BucketFault::WrongByte) => in_pieces(length, &changed(&found, length / 2)),
            Some(BucketFault::WrongEnd) => in_pieces(length, &changed(&found, length - 1)),
            Some(BucketFault::Longer) => in_pieces(length + 1, &[&found[..], b"x"].concat().into()),
            Some(BucketFault::Shorter) => in_pieces(length - 1, &found.slice(..length - 1)),
            Some(BucketFault::EndsEarly) => in_pieces(length, &found.slice(..length - 1)),
            Some(BucketFault::Html) => Download::from_bytes(Bytes::from_static(b"<html></html>")),
            _ => in_pieces(length, &found),
        })
    }

    async fn size(&self, key: &ObjectKey) -> Result<u64> {
        if self.called(|calls| calls.sizes += 1)? == Some(BucketFault::Silent) {
            future::pending::<()>().await;
        }
        let found = self.object(key).ok_or_else(|| Error::not_found("There is no such object"))?;
        Ok(found.len() as u64)
    }

    async fn put(&self, key: &ObjectKey, content: Download) -> Result<()> {
        let fault = self.called(|calls| calls.puts += 1)?;
        let length = content.length;
        let bytes = content.collect().await?;
        assert_eq!(bytes.len() as u64, length, "what is stored is complete");
        if fault == Some(BucketFault::Full) {
            return Err(Error::unavailable("The bucket is full", Duration::from_secs(1)));
        }
        self.set(key, bytes);
        Ok(())
    }

    async fn delete(&self, key: &ObjectKey) -> Result<()> {
        self.called(|calls| calls.deletes += 1)?;
        self.objects.lock().remove(key.as_str());
        Ok(())
    }

    async fn list(&self, below: &ObjectKey, most: usize) -> Result<Vec<ObjectKey>> {
        self.called(|calls| calls.lists += 1)?;
        let objects = self.objects.lock();
        let below = format!("{below}/");
        let keys = objects.keys().filter(|key| key.starts_with(&below)).take(most);
        Ok(keys.filter_map(|key| key.parse().ok()).collect())
    }
}
