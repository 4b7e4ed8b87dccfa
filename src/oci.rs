//! Backend for extensions in an OCI registry, and the conversions that image layouts share.

pub mod address;
pub mod artifact;
pub mod auth;
pub mod backend;
pub mod challenge;
pub mod change_tracker;
pub mod client;
mod contents;
pub mod credentials;
mod descent;
pub mod documents;
mod failures;
pub mod labels;
mod layers;
mod lenient;
pub mod link;
pub mod models;
pub mod newest;
pub mod object;
pub mod reading;
pub mod realm;
pub mod repository;
pub mod settings;
pub mod sweep;
pub mod token;
pub mod unlisted;
pub mod webhook;
