//! Segments that the manifests of a writer named of late, so that it deletes no other one.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use registry_core::models::digest::Digest;
use registry_fleet::epoch::Epoch;
use tokio::time::Instant;

/// Time for which a segment stays after the last manifest that named it. A replica may still read it.
const KEPT: Duration = Duration::from_hours(1);

/// The segments of one topic.
pub(crate) struct NamedSegments {
    /// Epoch of the manifests. Another writer may have named others before it.
    epoch: Epoch,
    named: HashMap<Digest, Instant>,
    /// Time of the last look at the bucket; at first that of the first manifest.
    looked: Instant,
}

impl NamedSegments {
    pub(crate) fn new() -> Self {
        Self { epoch: Epoch::default(), named: HashMap::new(), looked: Instant::now() }
    }

    /// Notes the segments of a manifest. Returns those to keep if others are to be deleted: once an
    /// hour, and an hour after the first manifest of the epoch.
    pub(crate) fn note(&mut self, epoch: Epoch, segments: &[Digest]) -> Option<HashSet<Digest>> {
        if self.epoch != epoch {
            *self = Self { epoch, ..Self::new() };
        }
        let now = Instant::now();
        self.named.extend(segments.iter().map(|digest| (digest.clone(), now)));
        self.named.retain(|_, named| now.duration_since(*named) < KEPT);
        if now.duration_since(self.looked) < KEPT {
            return None;
        }
        self.looked = now;
        Some(self.named.keys().cloned().collect())
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn digests() -> [Digest; 2] {
        [b"old", b"new"].map(|segment| Digest::sha256(segment))
    }

    #[tokio::test(start_paused = true)]
    async fn segments_are_kept_for_an_hour_after_the_last_manifest_that_named_them() {
        let (both, mut named) = (digests(), NamedSegments::new());
        let epoch = Epoch { number: 1, nonce: 7 };
        assert_eq!(named.note(epoch, &both[..1]), None);
        advance(KEPT / 2).await;
        assert_eq!(named.note(epoch, &both), None);
        advance(KEPT / 2).await;
        let kept = named.note(epoch, &both[1..]);
        assert_eq!(kept, Some(both.clone().into()), "half an hour ago is not an hour");
        advance(KEPT.saturating_sub(SECOND)).await;
        assert_eq!(named.note(epoch, &both[1..]), None, "once an hour");
        advance(SECOND).await;
        let [_, new] = both.clone();
        assert_eq!(named.note(epoch, &both[1..]), Some([new].into()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_new_epoch_deletes_nothing_before_it_is_an_hour_old() {
        let (both, mut named) = (digests(), NamedSegments::new());
        let [first, second] = [1, 2].map(|number| Epoch { number, nonce: 7 });
        assert_eq!(named.note(first, &[]), None);
        advance(KEPT).await;
        assert_eq!(named.note(second, &both), None, "another writer may have named others");
        advance(KEPT.saturating_sub(SECOND)).await;
        assert_eq!(named.note(second, &both[1..]), None);
        advance(SECOND).await;
        let [_, new] = both;
        assert_eq!(named.note(second, &[]), Some([new].into()));
    }
}
