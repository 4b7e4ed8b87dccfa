//! Pages: a model and a template each.

pub mod changes;
pub mod error_page;
pub mod file;
pub mod files;
pub mod home;
pub mod list;
pub mod overview;
pub mod provenance;
pub mod reference;
pub mod status;
pub mod versions;
