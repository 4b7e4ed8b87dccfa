//! The HTTP client: TLS with the certificates of the system, proxies of the environment, and limits on
//! silence instead of a total time.

use std::error::Error as _;
use std::io::Write as _;

use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, ClientBuilder, Method};

use crate::failure::{ClientFailure, Result};
use crate::settings::ConnectionSettings;

const USER_AGENT: &str = concat!("extreg/", env!("CARGO_PKG_VERSION"));

/// Creates the HTTP client. Fails if the file of certificates cannot be used.
pub(super) fn client(connection: &ConnectionSettings) -> Result<Client> {
    build(connection, Client::builder().read_timeout(connection.silence))
}

/// Creates an HTTP client for uploads. It has no time limit: that of the other client begins
/// with the request, and ends long uploads. See [`super::upload::send`].
pub(super) fn uploading_client(connection: &ConnectionSettings) -> Result<Client> {
    build(connection, Client::builder())
}

fn build(connection: &ConnectionSettings, builder: ClientBuilder) -> Result<Client> {
    // Fails if the program has chosen a provider already, which is then used.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = builder
        .user_agent(USER_AGENT)
        .connect_timeout(connection.connect)
        // Redirects are followed by the caller, which knows who may see the token.
        .redirect(Policy::none());
    let builder = match &connection.ca_file {
        None => builder,
        Some(path) => {
            let name = path.display();
            let wrong =
                |reason: String| ClientFailure::usage(format!("--ca-file {name}: {reason}"));
            let pem = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
            let certificates = Certificate::from_pem_bundle(&pem);
            let certificates = certificates.map_err(|error| wrong(error.to_string()))?;
            if certificates.is_empty() {
                return Err(wrong("it has no certificate in PEM".to_owned()));
            }
            builder.tls_certs_merge(certificates)
        }
    };
    builder
        .build()
        .map_err(|error| ClientFailure::usage(format!("the connection cannot be set up: {error}")))
}

/// Prints a request on standard error.
pub(super) fn report(method: &Method, url: &str) {
    // Without standard error there is no place for reports.
    let _ = writeln!(std::io::stderr(), "{method} {url}");
}

/// Describes the first cause of a connection that failed or broke.
pub(super) fn cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    if error.is_timeout() && error.source().is_none() {
        "no answer in time".to_owned()
    } else {
        cause.to_string()
    }
}
