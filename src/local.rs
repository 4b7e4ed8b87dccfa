//! Extensions in a directory of this machine: one OCI image layout for each repository.

pub mod backend;
pub mod layout;
mod overlooked;
pub mod pack;
pub mod readme;
pub mod release;
pub mod root;
pub mod samples;
pub mod settings;
