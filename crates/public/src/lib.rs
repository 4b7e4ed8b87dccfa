//! Public JSON and paths of the API, shared by the service and its clients.

pub mod caches;
pub mod errors;
pub mod explanation;
pub mod extension;
pub mod files;
pub mod health;
pub mod metadata;
pub mod paths;
