//! Extractor of the query of a route with cached answers.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use crate::answers::query::Query;
use crate::api::state::ApiState;
use crate::api::targets::Target;
use crate::edge::problem::Problem;

/// The parsed query. Fails with 400 if a parameter is invalid.
pub struct ParsedQuery(pub Query);

impl FromRequestParts<Arc<ApiState>> for ParsedQuery {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Arc<ApiState>) -> Result<Self, Problem> {
        // The middleware parsed a valid target before it looked into the caches.
        if let Some(target) = parts.extensions.get::<Arc<Target>>() {
            return Ok(Self(target.query().clone()));
        }
        api.targets.parse(&parts.uri, api.answers.catalog()).map(|target| Self(target.into_query()))
    }
}
