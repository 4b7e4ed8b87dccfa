//! Public JSON, shared by the service that writes it and by clients that read it.

pub mod caches;
pub mod errors;
pub mod explanation;
pub mod extension;
pub mod files;
pub mod health;
pub mod metadata;
