//! Endpoints by topic: parameters, responses, documentation and function in one file each.

pub mod downloads;
pub mod explanations;
pub mod extensions;
pub mod files;
pub mod health;
pub mod readmes;
pub mod releases;
pub mod system;
pub mod webhooks;
