//! What the service and the client both know of OCI registries: addresses, challenges, credentials
//! and the token servers that may receive them. No I/O.

pub mod address;
pub mod challenge;
pub mod credentials;
pub mod lenient;
pub mod object;
pub mod realm;
pub mod repository;
pub mod token;
