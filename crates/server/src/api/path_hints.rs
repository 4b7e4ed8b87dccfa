//! The 404 response of an unknown path, which suggests the path that was probably meant.

use axum::http::StatusCode;
use registry_core::models::naming::ExtensionType;

use crate::edge::problem::Problem;
use crate::edge::templates::Templates;
use crate::metrics::UNMATCHED;
use crate::urls::BASE;

const ENTRANCES: [&str; 8] =
    ["", "/api", BASE, "/docs", "/index.html", "/swagger", "/swagger-ui", "/v1"];
const SYNONYMS: [(&str, &str); 13] = [
    ("/healthz", "/health"),
    ("/status", "/health"),
    ("/live", "/health/live"),
    ("/livez", "/health/live"),
    ("/ping", "/health/live"),
    ("/ready", "/health/ready"),
    ("/readyz", "/health/ready"),
    ("/search", "/extensions/search"),
    ("/stats", "/cache/stats"),
    ("/openapi", "/openapi.json"),
    ("/openapi.yaml", "/openapi.json"),
    ("/swagger.json", "/openapi.json"),
    ("/v3/api-docs", "/openapi.json"),
];
// Prefixes that clients use instead of `BASE`, the longest first.
const PREFIXES: [&str; 4] = [BASE, "/api", "/v1", ""];
const SHOWN_MAX: usize = 200;

/// Creates the 404 response of a path without a route, with a suggestion if one is clear.
#[must_use]
pub fn nothing_at(path: &str, templates: &Templates) -> Problem {
    // A trailing slash is a common mistake and has no separate route.
    let way = way_from(path.strip_suffix('/').unwrap_or(path), templates);
    Problem::new(StatusCode::NOT_FOUND, format!("No resource at this path; {way}"))
}

fn way_from(path: &str, templates: &Templates) -> String {
    if ENTRANCES.contains(&path) {
        return format!(
            "start with {BASE}/extensions, {BASE}/openapi.json, which describes every path, or \
             {BASE}/health"
        );
    }
    let rests = PREFIXES.iter().filter_map(|prefix| path.strip_prefix(prefix));
    let mut meant = rests.filter(|rest| rest.starts_with('/')).filter_map(|rest| {
        let synonym = SYNONYMS.iter().find(|(word, _)| *word == rest);
        match synonym {
            Some((_, path)) => Some(format!("{BASE}{path}")),
            None => routed(format!("{BASE}{rest}"), templates).or_else(|| list_of(rest)),
        }
    });
    match meant.next() {
        Some(meant) => format!("ask for {meant}"),
        None => format!("{BASE}/openapi.json describes every path"),
    }
}

fn list_of(rest: &str) -> Option<String> {
    let kind: ExtensionType = rest.strip_prefix("/extensions/")?.parse().ok()?;
    Some(format!("{BASE}/extensions?type={kind}"))
}

fn routed(path: String, templates: &Templates) -> Option<String> {
    // Special characters of a path are not repeated in the response.
    let template = templates.of(&path);
    let is_plain = path.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/._-".contains(&byte));
    match template {
        UNMATCHED => None,
        _ if is_plain && path.len() <= SHOWN_MAX => Some(path),
        template => Some(template.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::routes;

    #[test]
    fn a_wrong_place_leads_to_the_right_one() {
        let templates = Templates::new(routes::templates());
        let long = format!("/extensions/provider/{}", "a".repeat(300));
        for (path, expected) in [
            ("/extensions", "/api/v1/extensions"),
            ("/extensions/provider/aws/1.2.0", "/api/v1/extensions/provider/aws/1.2.0"),
            ("/api/extensions/search", "/api/v1/extensions/search"),
            ("/v1/metrics", "/api/v1/metrics"),
            ("/health", "/api/v1/health"),
            ("/health/ready", "/api/v1/health/ready"),
            ("/healthz", "/api/v1/health"),
            ("/api/v1/readyz", "/api/v1/health/ready"),
            ("/live", "/api/v1/health/live"),
            ("/openapi.json", "/api/v1/openapi.json"),
            ("/search", "/api/v1/extensions/search"),
            ("/webhooks/gitea", "/api/v1/webhooks/gitea"),
            ("/api/v1/extensions/provider", "/api/v1/extensions?type=provider"),
            ("/extensions/cluster", "/api/v1/extensions?type=cluster"),
            ("/extensions/provider/a%0d%0ab", "/api/v1/extensions/{type}/{name}"),
            ("/extensions/<script>/x", "/api/v1/extensions/{type}/{name}"),
            (&long, "/api/v1/extensions/{type}/{name}"),
        ] {
            assert_eq!(way_from(path, &templates), format!("ask for {expected}"), "{path}");
        }
        for path in ["", "/docs", "/api", "/api/v1"] {
            let way = way_from(path, &templates);
            for part in ["extensions", "openapi.json", "health"] {
                assert!(way.contains(&format!("/api/v1/{part}")), "{path}: {way}");
            }
        }
        for path in ["/nope", "/api/v1/extensions/providers", "/extensionsx", "/apihealth", "//"] {
            let way = way_from(path, &templates);
            assert_eq!(way, "/api/v1/openapi.json describes every path", "{path}");
        }
    }

    #[test]
    fn every_synonym_leads_to_a_route() {
        let templates = Templates::new(routes::templates());
        for (word, path) in SYNONYMS {
            assert_ne!(templates.of(&format!("{BASE}{path}")), UNMATCHED, "{word}");
            assert_eq!(templates.of(&format!("{BASE}{word}")), UNMATCHED, "{word} is a path");
        }
    }

    #[test]
    fn every_route_is_called_by_its_template() {
        let templates = Templates::new(routes::templates());
        for template in routes::templates() {
            assert_eq!(templates.of(&template), template);
        }
    }
}
