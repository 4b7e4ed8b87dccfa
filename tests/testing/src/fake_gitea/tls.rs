//! Certificates made for a test: of a private authority, of nobody, too old, for another name.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use tempfile::NamedTempFile;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

/// What is wrong with a certificate, if anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    Nothing,
    /// Signed by itself, and the operator trusts just that certificate.
    SelfSignedButTrusted,
    SelfSigned,
    Expired,
    /// In a week.
    ExpiresSoon,
    WrongName,
}

/// An acceptor with such a certificate, and the file of the authority that signed it.
pub fn acceptor(flaw: Flaw) -> (TlsAcceptor, NamedTempFile) {
    let authority_key = KeyPair::generate().unwrap();
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.distinguished_name.push(DnType::CommonName, "authority of a test");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root = authority.self_signed(&authority_key).unwrap();
    let issuer = Issuer::new(authority, authority_key);

    let key = KeyPair::generate().unwrap();
    let name = if flaw == Flaw::WrongName { "git.example" } else { "127.0.0.1" };
    let mut leaf = CertificateParams::new(vec![name.to_owned()]).unwrap();
    leaf.not_after = date_time_ymd(2100, 1, 1);
    if flaw == Flaw::Expired {
        leaf.not_before = date_time_ymd(2020, 1, 1);
        leaf.not_after = date_time_ymd(2021, 1, 1);
    }
    if flaw == Flaw::ExpiresSoon {
        let end = Timestamp::now() + SignedDuration::from_hours(7 * 24);
        let since_the_epoch = Duration::from_secs(end.as_second().unsigned_abs());
        leaf.not_after = date_time_ymd(1970, 1, 1) + since_the_epoch;
    }
    let certificate = match flaw {
        Flaw::SelfSigned | Flaw::SelfSignedButTrusted => leaf.self_signed(&key).unwrap(),
        _ => leaf.signed_by(&key, &issuer).unwrap(),
    };
    let file = NamedTempFile::new().unwrap();
    let trusted = if flaw == Flaw::SelfSignedButTrusted { &certificate } else { &root };
    std::fs::write(file.path(), trusted.pem()).unwrap();
    (acceptor_of(certificate.der().clone(), key), file)
}

fn acceptor_of(certificate: CertificateDer<'static>, key: KeyPair) -> TlsAcceptor {
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}
