//! Cached answers: what the catalog says, rendered once and valid while the catalog is unchanged.

pub mod catalog_response;
pub mod list_cache;
pub mod lru_cache;
pub mod markdown;
pub mod paging;
pub mod provenance;
pub mod readmes;
pub mod response_caches;
