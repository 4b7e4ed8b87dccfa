//! Extension Registry Service.

pub mod backend;
pub mod error;
pub mod gitea;
pub mod http;
pub mod models;
pub mod oci;
