//! Backend for the releases of one organization on a Gitea or Forgejo server.

mod assets;
pub mod backend;
mod changes;
mod checksum_file;
mod checksums;
mod client;
mod download;
mod feed;
#[cfg(any(test, fuzzing))]
pub mod fuzzed;
mod identity;
pub mod labels;
mod models;
mod named;
mod organization;
mod paging;
mod published;
mod published_reader;
mod published_readme;
mod readme;
mod releases;
mod repositories;
mod repository;
mod repository_cache;
mod rows;
pub mod settings;
mod texts;
mod urls;
pub mod webhook;
