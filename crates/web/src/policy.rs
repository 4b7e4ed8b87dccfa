//! Content security policy of the pages.

/// `Content-Security-Policy` of every page. Nothing is inline and nothing comes from other hosts.
pub const PAGE_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; \
    frame-ancestors 'none'";
