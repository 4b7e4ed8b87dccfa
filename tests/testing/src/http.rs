//! The HTTP client of tests.

use reqwest::ClientBuilder;

/// A client that asks without proxies. The product builds the library with TLS, and then it wants to
/// know by whom, even for plain HTTP.
pub fn client_builder() -> ClientBuilder {
    // Only the first call installs it.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy()
}
