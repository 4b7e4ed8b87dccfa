//! Building blocks of caches: a bounded LRU map and single flight.

pub mod bounded_lru;
pub mod single_flight;
