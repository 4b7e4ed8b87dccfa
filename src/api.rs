//! The HTTP API: converts requests to catalog calls, and results to public JSON.

pub mod artifact_headers;
pub mod download;
pub mod extract;
pub mod fast_path;
pub mod handlers;
pub mod layers;
pub mod openapi;
pub mod params;
pub mod path_hints;
pub mod routes;
pub mod state;
pub mod webhook_limit;
