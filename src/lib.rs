//! Extension Registry Service.

pub mod backend;
pub mod catalog;
pub mod error;
pub mod local;
pub mod models;
pub mod oci;
