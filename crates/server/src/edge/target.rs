//! Normalization of request targets for routes, limits, caches and metrics.

use axum::http::Uri;
use axum::http::uri::PathAndQuery;

use crate::urls::BASE;

/// Removes one trailing slash from an API path. Two slashes are left in place and match no route.
pub fn without_slash(target: &mut Uri) {
    if let Some(uri) = bare(target) {
        *target = uri;
    }
}

fn bare(uri: &Uri) -> Option<Uri> {
    let path = uri.path().strip_suffix('/')?;
    // Paths outside the API keep their slash, which the fallback mentions.
    if !path.starts_with(BASE) || path.ends_with('/') {
        return None;
    }
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(format!("{path}{query}")).ok()?);
    Uri::from_parts(parts).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_slash_at_the_end_of_a_path_of_the_api_counts_for_nothing() {
        for (target, expected) in [
            ("/api/v1/extensions/", Some("/api/v1/extensions")),
            ("/api/v1/extensions/?limit=1&q=a/", Some("/api/v1/extensions?limit=1&q=a/")),
            ("/api/v1/extensions/provider/a%2F/", Some("/api/v1/extensions/provider/a%2F")),
            ("http://x:80/api/v1/health/", Some("http://x:80/api/v1/health")),
            ("/api/v1/", Some("/api/v1")),
            ("/api/v1/extensions", None),
            ("/api/v1/extensions?q=a/", None),
            ("/api/v1/extensions//", None),
            ("/", None),
            ("/docs/", None),
            ("*", None),
        ] {
            let told = bare(&target.parse().unwrap()).map(|uri| uri.to_string());
            assert_eq!(told.as_deref(), expected, "{target}");
        }
    }
}
