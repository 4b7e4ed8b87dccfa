//! TLS trust: the system's authorities, those of a `ca_file`, or any certificate.

use std::path::Path;
use std::sync::Arc;

use registry_core::error::{Error, ErrorKind, Result};
use registry_core::files;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio_rustls::TlsConnector;

/// Maximum size of a certificate bundle, in bytes; a system's bundle has about 250 KiB.
const BUNDLE_MAX: u64 = 16 * 1024 * 1024;

/// Allows TLS 1.2 and 1.3. Fails if the `ca_file` is unreadable or holds no certificate.
pub(super) fn client_config(verify: bool, ca_file: Option<&Path>) -> Result<ClientConfig> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::new(ErrorKind::Internal, "TLS cannot be set up").because(error))?;
    if !verify {
        let verifier = Arc::new(AnyCertificate(provider));
        return Ok(builder
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_no_client_auth());
    }
    Ok(builder.with_root_certificates(roots(ca_file)?).with_no_client_auth())
}

/// Creates a connector for requests that are no upstream calls. Fails if the system has no usable
/// cryptography.
pub fn connector(verify: bool) -> Result<TlsConnector> {
    Ok(TlsConnector::from(Arc::new(client_config(verify, None)?)))
}

/// Returns the system's authorities and those of the `ca_file`. Fails like [`client_config`].
pub(super) fn roots(ca_file: Option<&Path>) -> Result<RootCertStore> {
    let mut roots = system_roots();
    if let Some(path) = ca_file {
        add_file(&mut roots, path)?;
    }
    Ok(roots)
}

/// Returns the system's authorities, or Mozilla's compiled-in list if the system has no bundle.
fn system_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    // Minimal container images have no bundle, and every HTTPS backend would fail there.
    if roots.is_empty() {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    roots
}

pub(super) fn add_file(roots: &mut RootCertStore, path: &Path) -> Result<()> {
    let pem = files::read_named(path, BUNDLE_MAX)
        .map_err(|error| invalid(path, "cannot be read").because(error))?;
    let certificates: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<_, _>>()
        .map_err(|error| invalid(path, "cannot be read").because(error))?;
    // Unparsable certificates are skipped: large bundles often contain a few.
    match roots.add_parsable_certificates(certificates) {
        (0, _) => Err(invalid(path, "holds no certificate")),
        _ => Ok(()),
    }
}

fn invalid(path: &Path, problem: &str) -> Error {
    Error::new(ErrorKind::Invalid, format!("ca_file {} {problem}", path.display()))
}

/// Accepts any certificate (`verify_ssl = false`, probes), but checks that the peer holds its key.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unusable_ca_file_is_named() {
        let empty = tempfile::NamedTempFile::new().unwrap();
        for path in [empty.path(), Path::new("/nonexistent/ca.pem")] {
            let error = client_config(true, Some(path)).unwrap_err();
            assert!(error.message().contains(&path.display().to_string()), "{error}");
        }
        assert!(client_config(true, None).is_ok());
    }
}
