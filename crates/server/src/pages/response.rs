//! Headers of pages.

use axum::http::header::{CONTENT_SECURITY_POLICY, REFERRER_POLICY};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use registry_web::policy::PAGE_POLICY;

/// Media type of pages.
pub const HTML: &str = "text/html; charset=utf-8";
/// Media type of pages for command-line clients.
pub const PLAIN: &str = "text/plain; charset=utf-8";

const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
const PERMISSIONS_POLICY: HeaderName = HeaderName::from_static("permissions-policy");
const PERMISSIONS: &str =
    "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()";

/// Sets the headers by which browsers restrict a page.
pub fn restrict(headers: &mut HeaderMap, remote_images: bool) {
    let policy = if remote_images {
        let with_images = PAGE_POLICY.replace("img-src 'self'", "img-src 'self' https:");
        HeaderValue::try_from(with_images).unwrap_or(HeaderValue::from_static(PAGE_POLICY))
    } else {
        HeaderValue::from_static(PAGE_POLICY)
    };
    headers.insert(CONTENT_SECURITY_POLICY, policy);
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    headers.insert(OPENER_POLICY, HeaderValue::from_static("same-origin"));
    headers.insert(PERMISSIONS_POLICY, HeaderValue::from_static(PERMISSIONS));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_of_other_hosts_are_allowed_only_where_configured() {
        let mut headers = HeaderMap::new();
        restrict(&mut headers, false);
        assert_eq!(headers[CONTENT_SECURITY_POLICY], PAGE_POLICY);
        restrict(&mut headers, true);
        let policy = headers[CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(policy.contains("img-src 'self' https:;") && !policy.contains("unsafe"));
    }
}
