//! Extensions in a local directory, with one OCI image layout per repository.

pub mod backend;
pub mod layout;
mod overlooked;
pub mod pack;
pub mod readme;
pub mod release;
pub mod root;
pub mod samples;
pub mod settings;
