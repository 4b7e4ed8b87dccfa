//! Step-by-step check of a connection: name resolution, TCP, TLS, and the certificate's expiry.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use registry_core::error::Result;
use rustls::CertificateError;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier as _;
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use url::Url;

use crate::http::tls;

/// Time limit of each step.
const PATIENCE: Duration = Duration::from_secs(5);
/// Offset into the future after which every certificate has expired.
const FAR_AHEAD: Duration = Duration::from_hours(876_000);

/// Result of each step; `None` after a failed one. Errors are messages for operators.
#[derive(Debug)]
pub struct Inspection {
    /// Addresses that the name resolves to.
    pub name: Result<Vec<SocketAddr>, String>,
    /// Address that accepted a connection.
    pub tcp: Option<Result<SocketAddr, String>>,
    /// Expiry of the server's certificate, if known. The outer `None` stands for plain HTTP.
    pub tls: Option<Result<Option<Timestamp>, String>>,
}

/// Inspects a URL with the trust settings of a client for it. Fails if the `ca_file` is not usable.
pub async fn inspect(url: &Url, verify: bool, ca_file: Option<&Path>) -> Result<Inspection> {
    let name = resolve(url).await;
    let Ok(addresses) = &name else { return Ok(Inspection { name, tcp: None, tls: None }) };
    let tcp = within(TcpStream::connect(addresses.as_slice())).await;
    let (tcp, stream) = match tcp.map(|stream| (stream.peer_addr(), stream)) {
        Ok((address, stream)) => (address.map_err(|error| error.to_string()), Some(stream)),
        Err(error) => (Err(error), None),
    };
    let tls = match stream.filter(|_| url.scheme() == "https") {
        Some(stream) => Some(shake_hands(url, stream, verify, ca_file).await?),
        None => None,
    };
    Ok(Inspection { name, tcp: Some(tcp), tls })
}

async fn resolve(url: &Url) -> Result<Vec<SocketAddr>, String> {
    // `Url` keeps the brackets of an IPv6 literal, which the resolver does not accept.
    let host = url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    let port = url.port_or_known_default().unwrap_or(443);
    let found: Vec<SocketAddr> = within(lookup_host((host, port))).await?.collect();
    if found.is_empty() { Err("the name has no address".to_owned()) } else { Ok(found) }
}

async fn shake_hands(
    url: &Url,
    stream: TcpStream,
    verify: bool,
    ca_file: Option<&Path>,
) -> Result<Result<Option<Timestamp>, String>> {
    let connector = TlsConnector::from(Arc::new(tls::client_config(verify, ca_file)?));
    let host = url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    let Ok(server) = ServerName::try_from(host.to_owned()) else {
        return Ok(Err(format!("{host} is not a valid name for a certificate")));
    };
    let stream = match within(connector.connect(server.clone(), stream)).await {
        Ok(stream) => stream,
        Err(problem) => return Ok(Err(problem)),
    };
    let chain = stream.get_ref().1.peer_certificates().unwrap_or_default();
    Ok(Ok(expiry(chain, &server, ca_file)?))
}

/// Verifies the chain at a time far ahead and reads the expiry from the error: no parser needed.
fn expiry(
    chain: &[CertificateDer<'_>],
    server: &ServerName<'_>,
    ca_file: Option<&Path>,
) -> Result<Option<Timestamp>> {
    let roots = Arc::new(tls::roots(ca_file)?);
    let provider = Arc::new(ring::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(roots, provider).build();
    let (Ok(verifier), Some((leaf, rest))) = (verifier, chain.split_first()) else {
        return Ok(None);
    };
    let ahead = Duration::from_secs(UnixTime::now().as_secs()).saturating_add(FAR_AHEAD);
    let ahead = UnixTime::since_unix_epoch(ahead);
    Ok(match verifier.verify_server_cert(leaf, rest, server, &[], ahead) {
        Err(rustls::Error::InvalidCertificate(CertificateError::ExpiredContext {
            not_after,
            ..
        })) => i64::try_from(not_after.as_secs())
            .ok()
            .and_then(|seconds| Timestamp::from_second(seconds).ok()),
        _ => None,
    })
}

async fn within<T, E: std::fmt::Display>(
    step: impl Future<Output = Result<T, E>>,
) -> Result<T, String> {
    match timeout(PATIENCE, step).await {
        Ok(outcome) => outcome.map_err(|error| error.to_string()),
        Err(_) => Err(format!("no answer within {} s", PATIENCE.as_secs())),
    }
}
