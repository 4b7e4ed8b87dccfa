//! A certificate chain with its private key, parsed from PEM and checked.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::pem::{PemObject as _, SectionKind};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::sign::{CertifiedKey, SigningKey};
use webpki::{EndEntityCert, KeyUsage};

/// The file that a flaw is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PairFile {
    /// The file of the chain.
    Chain,
    /// The file of the private key.
    Key,
}

/// Flaw of a pair: the end of a sentence that begins with the path of the file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct UnusablePair {
    /// The file to correct.
    pub file: PairFile,
    /// The problem, and what to do.
    pub what: String,
}

/// A chain and the private key for the first certificate.
#[derive(Clone, Debug)]
pub struct Certificate {
    key: Arc<CertifiedKey>,
    not_before: Timestamp,
    not_after: Timestamp,
}

type Sections = Vec<(SectionKind, Vec<u8>)>;

impl Certificate {
    /// Parses a chain in its order, the certificate of the service first, and a key in PKCS#8,
    /// PKCS#1 or SEC1. Fails unless they belong together; dates are left to [`Certificate::lapse`].
    pub fn parse(chain: &[u8], key: &[u8]) -> Result<Self, UnusablePair> {
        let (chain_sections, key_sections) = (sections(chain), sections(key));
        if is_swapped(&chain_sections, &key_sections) {
            let what =
                "holds a private key, and key_path a certificate: swap cert_path and key_path";
            return Err(in_chain(what));
        }
        let chain = certificates(chain, chain_sections)?;
        let key = signing_key(key, key_sections)?;
        let (not_before, not_after) = matched(&chain, key.as_ref())?;
        Ok(Self { key: Arc::new(CertifiedKey::new(chain, key)), not_before, not_after })
    }

    pub(super) fn key(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.key)
    }

    /// Returns the time at which the certificate expires.
    #[must_use]
    pub const fn not_after(&self) -> Timestamp {
        self.not_after
    }

    /// Returns why clients refuse the certificate at this time: `expired at …`.
    #[must_use]
    pub fn lapse(&self, now: Timestamp) -> Option<String> {
        if now > self.not_after {
            Some(format!("expired at {}", self.not_after))
        } else if now < self.not_before {
            Some(format!("is not valid before {}", self.not_before))
        } else {
            None
        }
    }
}

fn in_chain(what: impl Into<String>) -> UnusablePair {
    UnusablePair { file: PairFile::Chain, what: what.into() }
}

fn in_key(what: impl Into<String>) -> UnusablePair {
    UnusablePair { file: PairFile::Key, what: what.into() }
}

fn sections(pem: &[u8]) -> Result<Sections, String> {
    // Editors on Windows write a byte order mark.
    let pem = pem.strip_prefix("\u{feff}".as_bytes()).unwrap_or(pem);
    let sections = <(SectionKind, Vec<u8>)>::pem_slice_iter(pem);
    sections.collect::<Result<_, _>>().map_err(|error| {
        format!("is cut off or damaged ({error}): write the whole file again, in PEM")
    })
}

fn is_key(kind: SectionKind) -> bool {
    matches!(kind, SectionKind::PrivateKey | SectionKind::RsaPrivateKey | SectionKind::EcPrivateKey)
}

fn has_certificate(sections: &Sections) -> bool {
    sections.iter().any(|(kind, _)| *kind == SectionKind::Certificate)
}

fn is_swapped(chain: &Result<Sections, String>, key: &Result<Sections, String>) -> bool {
    let (Ok(chain), Ok(key)) = (chain, key) else { return false };
    let has_key = key.iter().any(|(kind, _)| is_key(*kind));
    !has_certificate(chain) && has_certificate(key) && !has_key
}

fn certificates(
    pem: &[u8],
    sections: Result<Sections, String>,
) -> Result<Vec<CertificateDer<'static>>, UnusablePair> {
    let sections = sections.map_err(in_chain)?;
    let found = sections.into_iter().filter(|(kind, _)| *kind == SectionKind::Certificate);
    let found: Vec<_> = found.map(|(_, der)| CertificateDer::from(der)).collect();
    if found.is_empty() {
        Err(in_chain(without("certificate", "-----BEGIN CERTIFICATE-----", "x509", pem)))
    } else {
        Ok(found)
    }
}

fn signing_key(
    pem: &[u8],
    sections: Result<Sections, String>,
) -> Result<Arc<dyn SigningKey>, UnusablePair> {
    if is_encrypted(pem) {
        return Err(in_key(
            "holds an encrypted key, whose password the service cannot ask for: decrypt it with \
             openssl pkey -in FILE -out NEW_FILE",
        ));
    }
    let sections = sections.map_err(in_key)?;
    let key = sections.into_iter().find_map(|(kind, der)| PrivateKeyDer::from_pem(kind, der));
    let Some(key) = key else {
        return Err(in_key(without("private key", "-----BEGIN PRIVATE KEY-----", "pkey", pem)));
    };
    any_supported_type(&key).map_err(|_| {
        in_key(
            "holds a key that is damaged or of an unsupported kind: use RSA of 2048 to 8192 bits, \
             ECDSA P-256 or P-384, or Ed25519",
        )
    })
}

fn is_encrypted(pem: &[u8]) -> bool {
    let text = String::from_utf8_lossy(pem);
    text.contains("-----BEGIN ENCRYPTED PRIVATE KEY-----") || text.contains("4,ENCRYPTED")
}

fn without(what: &str, begin: &str, tool: &str, content: &[u8]) -> String {
    if content.trim_ascii().is_empty() {
        return format!("is empty: write the {what} there, in PEM ({begin})");
    }
    // Every certificate and key in DER is a sequence.
    if content.first() == Some(&0x30) {
        return format!(
            "is in DER: convert it to PEM with openssl {tool} -inform der -in FILE -out NEW_FILE"
        );
    }
    format!("holds no {what} in PEM ({begin})")
}

/// Returns the first and the last moment at which the certificate is valid.
fn matched(
    chain: &[CertificateDer<'static>],
    key: &dyn SigningKey,
) -> Result<(Timestamp, Timestamp), UnusablePair> {
    let mut parsed = Vec::new();
    for (at, der) in chain.iter().enumerate() {
        parsed.push(EndEntityCert::try_from(der).map_err(|error| {
            in_chain(format!(
                "holds a damaged or unsupported certificate, number {}: {error}",
                at + 1
            ))
        })?);
    }
    let public = key.public_key();
    let own = parsed
        .iter()
        .position(|one| Some(one.subject_public_key_info().as_ref()) == public.as_deref());
    match own {
        Some(0) => {}
        Some(at) => {
            return Err(in_chain(format!(
                "holds the certificate of the key as number {}: put it first, and after it each \
                 certificate that signed the one before",
                at + 1
            )));
        }
        None => {
            return Err(in_key(
                "is not the key of the certificate in cert_path: name the two files of one \
                 certificate",
            ));
        }
    }
    let pairs = parsed.iter().zip(parsed.iter().skip(1));
    if let Some(at) = pairs.clone().position(|(one, next)| one.issuer() != next.subject()) {
        return Err(in_chain(format!(
            "is out of order: certificate {} did not sign certificate {}; put the certificate of the \
             service first, and after it each certificate that signed the one before",
            at + 2,
            at + 1
        )));
    }
    parsed.first().and_then(validity).ok_or_else(|| in_chain("holds a certificate without dates"))
}

/// Verifies at the earliest and the latest time, and reads the dates from the errors: no parser
/// needed. Dates are checked before anything else.
fn validity(certificate: &EndEntityCert<'_>) -> Option<(Timestamp, Timestamp)> {
    let not_before = match refusal(certificate, 0)? {
        webpki::Error::CertNotValidYet { not_before, .. } => not_before.as_secs(),
        _ => 0,
    };
    let webpki::Error::CertExpired { not_after, .. } = refusal(certificate, u64::MAX)? else {
        return None;
    };
    Some((timestamp(not_before)?, timestamp(not_after.as_secs())?))
}

fn refusal(certificate: &EndEntityCert<'_>, seconds: u64) -> Option<webpki::Error> {
    let at = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
    let usage = KeyUsage::server_auth();
    certificate.verify_for_usage(&[], &[], &[], at, usage, None, None).err()
}

fn timestamp(seconds: u64) -> Option<Timestamp> {
    Timestamp::from_second(i64::try_from(seconds).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use rcgen::{
        BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, PKCS_ECDSA_P256_SHA256,
        PKCS_ED25519, date_time_ymd,
    };

    use super::*;

    fn named(name: &str) -> CertificateParams {
        let mut params = CertificateParams::new(vec!["registry.example".to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2030, 1, 1);
        params
    }

    /// A certificate, the one that signed it, and the key of the first.
    fn chain() -> (String, String, KeyPair) {
        let (root_key, key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
        let mut root = named("root");
        root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let root_pem = root.self_signed(&root_key).unwrap().pem();
        let leaf = named("leaf").signed_by(&key, &Issuer::new(root, root_key)).unwrap();
        (leaf.pem(), root_pem, key)
    }

    fn flaw(chain: &str, key: &str) -> (PairFile, String) {
        let flaw = Certificate::parse(chain.as_bytes(), key.as_bytes()).unwrap_err();
        (flaw.file, flaw.what)
    }

    #[test]
    fn a_chain_and_its_key_are_taken_in_every_usual_form() {
        let (leaf, root, key) = chain();
        let key = key.serialize_pem();
        let both = format!("{leaf}{root}");
        for (chain, key) in [
            (leaf.clone(), key.clone()),
            (both.clone(), key.clone()),
            (both.replace('\n', "\r\n"), key.replace('\n', "\r\n")),
            (format!("\u{feff}{both}"), format!("\u{feff}{key}")),
            // One file for both, and text before each section.
            (format!("{key}subject=registry\n{both}"), format!("Bag Attributes\n{both}{key}")),
        ] {
            let certificate = Certificate::parse(chain.as_bytes(), key.as_bytes()).unwrap();
            assert_eq!(certificate.not_after().to_string(), "2030-01-01T00:00:00Z");
        }
        for algorithm in [&PKCS_ED25519, &PKCS_ECDSA_P256_SHA256] {
            let key = KeyPair::generate_for(algorithm).unwrap();
            let leaf = named("leaf").self_signed(&key).unwrap().pem();
            assert!(Certificate::parse(leaf.as_bytes(), key.serialize_pem().as_bytes()).is_ok());
        }
    }

    #[test]
    fn each_flaw_names_its_file_and_what_to_do() {
        let (leaf, root, key) = chain();
        let (key, other) = (key.serialize_pem(), KeyPair::generate().unwrap().serialize_pem());
        let cut = &leaf[..leaf.len() / 2];
        let encrypted = key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
        let encrypted_old = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\n\
             AAAA\n-----END RSA PRIVATE KEY-----\n";
        let damaged = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
        let (chain, private) = (PairFile::Chain, PairFile::Key);
        for (certificates, key, file, expected) in [
            ("", &*key, chain, "is empty: write the certificate there"),
            ("text", &key, chain, "holds no certificate in PEM (-----BEGIN CERTIFICATE-----)"),
            ("0\u{3}", &key, chain, "is in DER: convert it to PEM with openssl x509"),
            (cut, &key, chain, "is cut off or damaged"),
            (&key, &leaf, chain, "swap cert_path and key_path"),
            (&key, &key, chain, "holds no certificate"),
            (&leaf, " \n", private, "is empty: write the private key there"),
            (&leaf, &leaf, private, "holds no private key in PEM"),
            (&leaf, &key[..key.len() / 2], private, "is cut off or damaged"),
            (&leaf, &encrypted, private, "openssl pkey -in FILE"),
            (&leaf, encrypted_old, private, "holds an encrypted key"),
            (&leaf, damaged, private, "is damaged or of an unsupported kind: use RSA of 2048"),
            (&leaf, &other, private, "is not the key of the certificate in cert_path"),
            (&format!("{root}{leaf}"), &key, chain, "certificate of the key as number 2: put it"),
            (
                &format!("{leaf}{leaf}{root}"),
                &key,
                chain,
                "certificate 2 did not sign certificate 1",
            ),
            (&damaged.replace("PRIVATE KEY", "CERTIFICATE"), &key, chain, "number 1: "),
        ] {
            let (found, what) = flaw(certificates, key);
            assert_eq!(found, file, "{what}");
            assert!(what.contains(expected), "{expected}: {what}");
        }
    }

    #[test]
    fn dates_are_told_and_refuse_nothing() {
        let key = KeyPair::generate().unwrap();
        let certificate = named("leaf").self_signed(&key).unwrap().pem();
        let certificate =
            Certificate::parse(certificate.as_bytes(), key.serialize_pem().as_bytes());
        let certificate = certificate.unwrap();
        for (now, expected) in [
            ("2019-12-31T23:59:59Z", Some("is not valid before 2020-01-01T00:00:00Z")),
            ("2020-01-01T00:00:00Z", None),
            ("2030-01-01T00:00:00Z", None),
            ("2030-01-01T00:00:01Z", Some("expired at 2030-01-01T00:00:00Z")),
        ] {
            assert_eq!(certificate.lapse(now.parse().unwrap()).as_deref(), expected, "{now}");
        }
    }
}
