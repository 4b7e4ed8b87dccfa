//! Extensions from the releases of one organisation of a Gitea or Forgejo server.

mod assets;
pub mod backend;
mod checksum_file;
mod checksums;
mod client;
mod convert;
mod download;
mod feed;
#[cfg(any(test, fuzzing))]
pub mod fuzzed;
mod known;
mod lists;
mod models;
pub mod operations;
mod page;
mod paging;
mod readme;
mod rows;
pub mod settings;
mod urls;
pub mod webhook;
