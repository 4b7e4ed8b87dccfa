//! TLS of a listener: the certificate in use, and the handshake.

use std::io;
use std::sync::Arc;

use parking_lot::RwLock;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::server::certificate::Certificate;

/// Maximum number of encrypted bytes that wait for the socket of a connection.
const SEND_MAX: usize = 32 * 1024;
/// Memory use of TLS on a connection, in bytes: both buffers, a record of 18 KiB and its state.
pub const TLS_BYTES: usize = SEND_MAX + 64 * 1024;

/// The protocol in which a client begins.
pub(super) enum Protocol {
    Tls,
    PlainHttp,
}

/// Reads, but does not consume, the first byte. Fails if the client closes before.
pub(super) async fn protocol_of(stream: &TcpStream) -> io::Result<Protocol> {
    let mut first = [0];
    match (stream.peek(&mut first).await?, first) {
        (0, _) => Err(io::ErrorKind::UnexpectedEof.into()),
        // The handshake itself refuses other bytes, with an alert.
        (_, [byte]) if byte.is_ascii_alphabetic() => Ok(Protocol::PlainHttp),
        _ => Ok(Protocol::Tls),
    }
}

/// TLS 1.2 and 1.3 with one certificate for all names, which can be replaced at any time.
pub struct ServerTls {
    all: TlsAcceptor,
    /// For connections that get one HTTP/1 response.
    http1: TlsAcceptor,
    certificate: Arc<CurrentCertificate>,
}

#[derive(Debug)]
struct CurrentCertificate(RwLock<Arc<CertifiedKey>>);

impl ResolvesServerCert for CurrentCertificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.read()))
    }
}

impl ServerTls {
    /// Serves this certificate. Fails only if the provider lacks a version, which a test excludes.
    pub fn new(certificate: &Certificate) -> Result<Self, rustls::Error> {
        let certificate = Arc::new(CurrentCertificate(RwLock::new(certificate.key())));
        let all = acceptor(&certificate, &["h2", "http/1.1"])?;
        let http1 = acceptor(&certificate, &["http/1.1"])?;
        Ok(Self { all, http1, certificate })
    }

    /// Replaces the certificate for new connections. Open ones keep theirs.
    pub fn replace(&self, certificate: &Certificate) {
        *self.certificate.0.write() = certificate.key();
    }

    pub(super) async fn accept<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: S,
        overflow: bool,
    ) -> io::Result<TlsStream<S>> {
        let acceptor = if overflow { &self.http1 } else { &self.all };
        acceptor.accept_with(stream, |tls| tls.set_buffer_limit(Some(SEND_MAX))).await
    }
}

fn acceptor(
    certificate: &Arc<CurrentCertificate>,
    protocols: &[&str],
) -> Result<TlsAcceptor, rustls::Error> {
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(Arc::clone(certificate) as Arc<dyn ResolvesServerCert>);
    config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    Ok(TlsAcceptor::from(Arc::new(config)))
}
