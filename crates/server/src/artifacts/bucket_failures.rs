//! The current failures of the shared bucket: each is logged once, shown in `/health`, and ended by a
//! success.

use std::collections::BTreeMap;

use parking_lot::Mutex;
use tracing::{info, warn};

use crate::artifacts::LOG_TARGET;
use crate::metrics::bucket::BucketMetrics;

/// What the bucket is used for. The first that fails is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum BucketUse {
    /// Reads of archives.
    Read,
    /// Bytes of one object.
    Content,
    /// Uploads of archives.
    Write,
}

impl BucketUse {
    const fn failing(self) -> &'static str {
        match self {
            Self::Read | Self::Content => "an archive cannot be read from the bucket",
            Self::Write => "archives cannot be stored in the bucket",
        }
    }

    const fn working(self) -> &'static str {
        match self {
            Self::Read => "archives are read from the bucket again",
            Self::Content => "objects of the bucket have the right bytes again",
            Self::Write => "archives are stored in the bucket again",
        }
    }
}

/// The failures of one bucket.
pub(super) struct BucketFailures {
    current: Mutex<BTreeMap<BucketUse, String>>,
    metrics: BucketMetrics,
}

impl BucketFailures {
    pub(super) fn new(metrics: BucketMetrics) -> Self {
        Self { current: Mutex::default(), metrics }
    }

    /// Records a failure. Only the first in a row is logged.
    pub(super) fn failed(&self, what: BucketUse, cause: &str) {
        let before = self.current.lock().insert(what, cause.to_owned());
        self.metrics.up(false);
        if before.is_none() {
            let failing = what.failing();
            warn!(target: LOG_TARGET, "{failing}; downloads go on without it: {cause}");
        }
    }

    /// Records a success.
    pub(super) fn worked(&self, what: BucketUse) {
        let mut current = self.current.lock();
        let before = current.remove(&what);
        self.metrics.up(current.is_empty());
        drop(current);
        if before.is_some() {
            info!(target: LOG_TARGET, "{}", what.working());
        }
    }

    /// Returns true if this fails.
    pub(super) fn has(&self, what: BucketUse) -> bool {
        self.current.lock().contains_key(&what)
    }

    /// Returns the cause of the failure to show.
    pub(super) fn shown(&self) -> Option<String> {
        self.current.lock().values().next().cloned()
    }
}
