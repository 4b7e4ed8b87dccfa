//! Backend for the releases of one organization on a Gitea or Forgejo server.

mod assets;
pub mod backend;
mod changes;
mod checksum_file;
mod checksums;
mod client;
mod convert;
mod download;
mod feed;
#[cfg(any(test, fuzzing))]
pub mod fuzzed;
mod identity;
mod known;
mod lists;
mod models;
mod named;
pub mod operations;
mod organization;
mod page;
mod paging;
mod readme;
mod rows;
pub mod settings;
mod urls;
pub mod webhook;
