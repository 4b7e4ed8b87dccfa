//! The manifest `extensions.toml` and the lock `extensions.lock`.

pub(crate) mod answer;
pub(crate) mod changes;
pub(crate) mod entry;
pub(crate) mod file;
pub(crate) mod freshness;
pub(crate) mod manifest;
pub(crate) mod relock;
mod replace;
mod source;
