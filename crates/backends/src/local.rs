//! Extensions in a local directory, with one OCI image layout per repository.

pub mod backend;
mod content_map;
mod content_maps;
pub mod layout;
mod layout_content;
mod overlooked;
pub mod readme;
pub mod release;
pub mod root;
pub mod samples;
pub mod settings;
