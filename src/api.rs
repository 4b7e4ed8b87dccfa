//! The HTTP API: from requests to questions of the catalogue, from its answers to public JSON.

pub mod accept;
pub mod admission;
pub mod answers;
pub mod artifact_headers;
pub mod auth;
pub mod cache_policy;
pub mod client_address;
pub mod conditional;
pub mod contract;
pub mod extract;
pub mod handlers;
pub mod layers;
pub mod limits;
pub mod list_memo;
pub mod markdown;
pub mod memos;
pub mod metadata_view;
pub mod paging;
pub mod params;
pub mod problem;
pub mod ranges;
pub mod rate_limit;
pub mod readmes;
pub mod routes;
pub mod state;
pub mod views;
