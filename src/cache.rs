//! Response cache and artifact store. Freshness is up to the catalog; the caches only save work.

pub mod artifacts;
pub mod lru_cache;
