//! Memos of answers. Freshness is the catalogue's; what is here only saves work.

pub mod lru_cache;
pub mod weighted;
