//! Conditional requests (RFC 9110, §13).

use axum::http::HeaderMap;
use axum::http::header::IF_NONE_MATCH;

/// Returns true if `If-None-Match` has this entity tag, by weak comparison (RFC 9110 §13.1.2).
#[must_use]
pub fn client_has(headers: &HeaderMap, etag: &str) -> bool {
    if !headers.contains_key(IF_NONE_MATCH) {
        return false;
    }
    let ours = opaque(etag);
    headers
        .get_all(IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        // `*` matches any representation that exists (RFC 9110 §13.1.2).
        .any(|theirs| theirs == "*" || opaque(theirs) == ours)
}

fn opaque(etag: &str) -> &str {
    etag.strip_prefix("W/").unwrap_or(etag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_compared_weakly_in_lists() {
        for (sent, expected) in [
            (r#""a""#, true),
            (r#"W/"a""#, true),
            (r#""b", W/"a""#, true),
            ("*", true),
            (r#""b""#, false),
            ("a", false),
            ("", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(IF_NONE_MATCH, sent.parse().unwrap());
            assert_eq!(client_has(&headers, r#"W/"a""#), expected, "{sent}");
        }
        assert!(!client_has(&HeaderMap::new(), r#""a""#));
    }
}
