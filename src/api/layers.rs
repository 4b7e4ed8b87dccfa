//! Middleware around the routes that depends on what handlers attach to a response.

use std::future::ready;
use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::header::CONTENT_TYPE;
use axum::http::{Extensions, HeaderMap, StatusCode, Uri, Version};
use tower::ServiceBuilder;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{Predicate as _, SizeAbove};

use crate::api::path_hints::nothing_at;
use crate::edge::templates::Templates;
use crate::edge::uncoded::Coded;

const BODY_MAX: usize = 1024 * 1024;

/// Adds the body limit, compression if configured, and a fallback that suggests paths.
pub fn layered(router: Router, compresses: bool, templates: Arc<Templates>) -> Router {
    let wanted = move |_: StatusCode, _: Version, headers: &HeaderMap, said: &Extensions| {
        // Catalog responses are encoded and cached elsewhere; this layer compresses the others.
        compresses && said.get::<Coded>().is_none() && is_text(headers)
    };
    let compression = CompressionLayer::new().compress_when(SizeAbove::default().and(wanted));
    let layers = ServiceBuilder::new().layer(DefaultBodyLimit::max(BODY_MAX)).layer(compression);
    router
        .fallback(move |uri: Uri| ready(nothing_at(uri.path(), &templates)))
        .method_not_allowed_fallback(|| async { StatusCode::METHOD_NOT_ALLOWED })
        .layer(layers)
}

fn is_text(headers: &HeaderMap) -> bool {
    // Archives are compressed already; metrics are not worth it.
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let texts = ["application/json", "text/html", "text/markdown"];
    content_type.is_some_and(|kind| texts.iter().any(|text| kind.starts_with(text)))
}
