//! Mirrors: copies of extensions as image layouts, made and verified by their digests.

pub(crate) mod copier;
pub(crate) mod distribution_api;
mod made;
pub(crate) mod plan;
pub mod selection;
pub(crate) mod source;
pub(crate) mod stored;
pub(crate) mod verification;
