//! Memos of answers, and artifacts on disk. Freshness is the catalog's; what is here only saves
//! work.

pub mod artifacts;
pub mod lru_cache;
