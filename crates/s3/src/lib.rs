//! The shared bucket in an S3 store: the adapter over `object_store`, which sends its requests through
//! the one HTTP client of the service.

pub mod bucket;
mod connector;
pub mod credentials;
mod failure;
mod response_body;
pub mod settings;
