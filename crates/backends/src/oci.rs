//! Backend for extensions in an OCI registry, and the conversions that image layouts share.

use registry_oci::lenient;
pub use registry_oci::{address, challenge, credentials, object, realm, repository};

pub mod artifact;
pub mod auth;
mod auth_state;
pub mod backend;
pub mod change_tracker;
pub mod claims;
pub mod client;
mod contents;
mod descent;
pub mod documents;
mod failures;
pub mod labels;
pub(crate) mod layers;
pub mod link;
pub mod manifest_type;
pub mod models;
pub mod newest;
pub mod reading;
mod referrers_cache;
pub mod referrers_index;
mod registry_content;
pub mod settings;
pub mod sweep;
pub mod token;
pub mod unlisted;
pub mod webhook;
