//! One file for each group of endpoints: parameters, answer, documentation, function.

pub mod downloads;
pub mod extensions;
pub mod health;
pub mod readmes;
pub mod releases;
pub mod system;
pub mod webhooks;
