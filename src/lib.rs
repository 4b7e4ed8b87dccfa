//! Extension Registry Service.

pub mod backend;
pub mod error;
pub mod http;
pub mod models;
pub mod oci;
