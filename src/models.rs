//! The domain: what an extension is, in types that cannot hold nonsense. No I/O, no JSON.

pub mod addresses;
pub mod archive_name;
pub mod artifact;
pub mod backend_id;
pub mod backend_kind;
pub mod brief;
pub mod byte_size;
pub mod constraint;
pub mod coverage;
pub mod digest;
pub mod extension;
pub mod fault;
pub mod naming;
pub mod notes;
pub mod public_url;
pub mod readme;
pub mod tag;
pub mod version;
mod weight;
