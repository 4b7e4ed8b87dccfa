//! The content of layouts by extension, read again if an `index.json` changed.

use std::sync::Arc;

use jiff::Timestamp;
use parking_lot::Mutex;
use registry_core::caching::bounded_lru::{BoundedLru, LruBounds};
use registry_core::error::Result;
use registry_core::models::naming::ExtensionId;
use tokio::time::{Duration, Instant};

use crate::local::content_map::ContentMap;
use crate::local::layout::{IndexStamp, Layout};

/// Bounds of the cached maps.
const MAPS: LruBounds = LruBounds::new(16 * 1024, 16 * 1024 * 1024);

/// Time for which a map with a gap is used: the gap may heal without a new index.
const GAP_TTL: Duration = Duration::from_secs(10);

pub(super) struct ContentMaps(Mutex<BoundedLru<ExtensionId, CachedMap>>);

struct CachedMap {
    stamp: IndexStamp,
    read: Instant,
    map: Arc<ContentMap>,
}

impl Default for ContentMaps {
    fn default() -> Self {
        Self(Mutex::new(BoundedLru::new(MAPS)))
    }
}

impl ContentMaps {
    /// Returns the content of a layout. Fails if its index cannot be read.
    pub(super) fn of(&self, id: &ExtensionId, layout: &Layout) -> Result<Arc<ContentMap>> {
        // Taken before the index is read: a later change then differs from it.
        let stamp = layout.stamp()?;
        if let Some(known) = self.0.lock().get(id)
            && known.stamp == stamp
            && (known.map.is_whole() || known.read.elapsed() < GAP_TTL)
        {
            return Ok(Arc::clone(&known.map));
        }
        let read = Instant::now();
        let map = Arc::new(ContentMap::read(layout, &layout.index()?));
        // An index modified just now may change again unnoticed.
        if stamp.is_settled(Timestamp::now()) {
            let cached = CachedMap { stamp, read, map: Arc::clone(&map) };
            self.0.lock().put(id.clone(), map.weight() as u64, cached);
        }
        Ok(map)
    }
}
