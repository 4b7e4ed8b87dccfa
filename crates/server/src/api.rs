//! The JSON API: routes, parameters, handlers and the OpenAPI contract. Answers come from `answers`.

pub mod artifact_headers;
pub mod errors;
pub mod extract;
pub mod face;
pub mod handlers;
pub mod list_params;
pub mod openapi;
pub mod params;
pub mod parsed_query;
pub mod path_hints;
pub mod raw_file;
pub mod routes;
pub mod state;
pub mod targets;
pub mod webhook_limit;
