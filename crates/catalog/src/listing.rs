//! Lists of a view for readers: selection and order, counts by facet, and the newest releases.

pub mod facets;
pub mod filter;
pub mod keyword;
pub mod newest;
