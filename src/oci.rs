//! What an OCI registry or image layout holds, and how it reads as an extension.

pub mod artifact;
pub mod models;
