//! Extension Registry Service.

pub mod backend;
pub mod error;
pub mod models;
pub mod oci;
