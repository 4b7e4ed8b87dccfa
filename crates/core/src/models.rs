//! Domain types: extensions, releases, versions, digests. No I/O and no JSON.

pub mod addresses;
pub mod archive_name;
pub mod artifact;
pub mod backend_id;
pub mod backend_kind;
pub mod byte_size;
pub mod constraint;
pub mod coverage;
pub mod digest;
pub mod extension;
pub mod fault;
pub mod naming;
pub mod notes;
pub mod oci_manifest;
pub mod public_url;
pub mod readme;
mod release;
mod schema;
pub mod scope;
pub mod tag;
pub mod truncate;
pub mod version;
mod weight;
