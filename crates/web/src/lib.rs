//! Web pages of the extension registry: view models, templates, style sheet and script.
//!
//! The crate knows neither HTTP nor the catalog. A caller fills the model of a page and renders it
//! for a [`site::Site`].

pub mod assets;
pub mod backend_state;
pub mod badge;
pub mod charts;
pub mod clean_html;
pub mod digest;
pub mod error;
pub mod extension_ref;
pub mod extension_type;
pub mod external_url;
pub mod feed;
pub mod format;
pub mod freshness;
pub mod head;
pub mod install;
pub mod links;
pub mod notice;
pub mod notices;
pub mod pages;
pub mod policy;
pub mod site;
pub mod version_name;
pub mod well_known;

mod filters;
mod layout;
