//! The HTTP API as callers see it.

pub(crate) mod admission;
mod bad_input;
mod codings;
mod dates;
mod downloads;
mod explain;
mod files;
mod headers;
mod leaks;
mod listing;
mod lists;
mod memos;
mod metadata;
mod named;
mod ownership;
mod places;
mod public;
mod public_url;
mod readmes;
mod resolve;
pub mod short_way;
mod storms;
mod system;
mod versions;
mod visibility;
pub mod webhooks;
mod zipf;
