//! Fetching archives: planned, in parallel, verified while bytes pass, and put in place at once.

pub(crate) mod cache;
pub(crate) mod existing;
pub(crate) mod extract;
pub(crate) mod fetch;
pub(crate) mod item;
pub(crate) mod mark;
pub(crate) mod name;
pub(crate) mod part;
pub(crate) mod progress;
pub(crate) mod puller;
mod writer;
