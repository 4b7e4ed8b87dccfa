//! The certificate of the listener: read at the start, watched, and renewed without a restart.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use registry_core::files;
use registry_core::files::lane::Lane;
use registry_server::api::state::CertificateState;
use registry_server::metrics::certificate::CertificateMetrics;
use registry_server::server::certificate::{Certificate, PairFile, UnusablePair};
use registry_server::server::tls::ServerTls;
use tokio::time::sleep;
use tracing::{info, warn};

use crate::app::backends::Finding;
use crate::app::{LOG_TARGET, secrets};
use crate::config::TlsConfig;

const SECTION: &str = "server.tls";
const CERT_PATH: &str = "server.tls.cert_path";
const KEY_PATH: &str = "server.tls.key_path";
/// Largest file of a chain or a key, in bytes.
const FILE_MAX: u64 = 1024 * 1024;
// Contents are compared: an orchestrator swaps directories behind a link, without file events.
const LOOK_EVERY: Duration = Duration::from_secs(10);
// A look that takes longer is repeated after the next pause.
const PATIENCE: Duration = Duration::from_secs(10);
const READS_MAX: usize = 3;

/// Contents of both files, read while neither changed.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Pair {
    chain: Vec<u8>,
    key: Vec<u8>,
}

impl Pair {
    pub(super) fn read(tls: &TlsConfig) -> Result<Self, Finding> {
        let mut pair = Self::read_once(tls)?;
        for _ in 0..READS_MAX {
            let again = Self::read_once(tls)?;
            if pair == again {
                return Ok(pair);
            }
            pair = again;
        }
        Err(finding(CERT_PATH, "changes faster than it can be read", &tls.cert_path))
    }

    fn read_once(tls: &TlsConfig) -> Result<Self, Finding> {
        Ok(Self { chain: read(CERT_PATH, &tls.cert_path)?, key: read(KEY_PATH, &tls.key_path)? })
    }

    /// Fails if the files cannot be used together. An expired certificate can.
    pub(super) fn certificate(&self, tls: &TlsConfig) -> Result<Certificate, Finding> {
        Certificate::parse(&self.chain, &self.key).map_err(|UnusablePair { file, what }| match file
        {
            PairFile::Chain => finding(CERT_PATH, &what, &tls.cert_path),
            PairFile::Key => finding(KEY_PATH, &what, &tls.key_path),
        })
    }
}

fn read(key: &str, path: &Path) -> Result<Vec<u8>, Finding> {
    secrets::readable(path)
        .map_err(|error| Finding { key: key.to_owned(), what: error.to_string() })?;
    files::read_named(path, FILE_MAX)
        .map_err(|error| finding(key, &format!("cannot be read: {error}"), path))
}

fn finding(key: &str, what: &str, path: &Path) -> Finding {
    Finding { key: key.to_owned(), what: format!("{} {what}", path.display()) }
}

/// Reads and parses the pair. Warns if other users can read the key.
pub(super) fn load(tls: &TlsConfig) -> Result<(Pair, Certificate), Finding> {
    // A key that cannot be read is found again below.
    let _ = secrets::check(KEY_PATH, &tls.key_path);
    let pair = Pair::read(tls)?;
    let certificate = pair.certificate(tls)?;
    Ok((pair, certificate))
}

/// A warning for a certificate that clients refuse by its dates. It is served: health and metrics
/// stay reachable, and a restart does not turn a warning into an outage.
pub(super) fn lapse(tls: &TlsConfig, certificate: &Certificate) -> Option<String> {
    let lapse = certificate.lapse(Timestamp::now())?;
    let path = tls.cert_path.display();
    Some(format!(
        "{CERT_PATH}: {path} {lapse}: clients will refuse it; renew it, and check the clock of this machine"
    ))
}

/// The certificate in use and its files.
pub(super) struct Renewal {
    tls: TlsConfig,
    served: Pair,
    server: Arc<ServerTls>,
    state: CertificateState,
    metrics: CertificateMetrics,
    /// Contents at the last look, or why they could not be read.
    last: Option<LoadedPair>,
    /// Contents that were reported as unusable.
    reported: Option<LoadedPair>,
}

type LoadedPair = Result<Pair, String>;

impl Renewal {
    /// Begins to serve a certificate. Fails if its key cannot be used for TLS.
    pub(super) fn begin(
        tls: &TlsConfig,
        (served, certificate): (Pair, Certificate),
        state: CertificateState,
        metrics: CertificateMetrics,
    ) -> Result<Self, rustls::Error> {
        let server = Arc::new(ServerTls::new(&certificate)?);
        let (tls, last, reported) = (tls.clone(), None, None);
        let renewal = Self { tls, served, server, state, metrics, last, reported };
        renewal.tell_served(&certificate);
        Ok(renewal)
    }

    pub(super) fn server(&self) -> Arc<ServerTls> {
        Arc::clone(&self.server)
    }

    /// Looks at the files every ten seconds, without end.
    pub(super) async fn watch(mut self) {
        let lane = Lane::new(1, PATIENCE);
        loop {
            sleep(LOOK_EVERY).await;
            let tls = self.tls.clone();
            let found = lane.run(move || Pair::read(&tls)).await;
            let found = match found {
                Ok(found) => found.map_err(|finding| finding.to_string()),
                Err(error) => Err(format!("{SECTION}: {error}")),
            };
            self.look(found, Timestamp::now());
        }
    }

    /// Serves what was found if it can be used. A failure is reported once the next look finds the
    /// same: tools write the two files one after the other.
    fn look(&mut self, found: LoadedPair, now: Timestamp) {
        if found.as_ref().is_ok_and(|pair| *pair == self.served) {
            if self.reported.take().is_some() {
                self.state.renewal(None);
                self.metrics.renewal_failed(false);
                info!(target: LOG_TARGET, "{SECTION}: the files hold the certificate in use again");
            }
        } else if let Some(problem) = self.renew(&found, now) {
            let settled = self.last.as_ref() == Some(&found);
            if settled && self.reported.as_ref() != Some(&found) {
                warn!(target: LOG_TARGET,
                    "{SECTION}: the changed files cannot be used; the previous certificate stays in use: {problem}"
                );
                self.state.renewal(Some(problem));
                self.metrics.renewal_failed(true);
                self.reported = Some(found.clone());
            }
        }
        self.last = Some(found);
    }

    fn renew(&mut self, found: &LoadedPair, now: Timestamp) -> Option<String> {
        let pair = match found {
            Ok(pair) => pair,
            Err(problem) => return Some(problem.clone()),
        };
        let certificate = match pair.certificate(&self.tls) {
            Ok(certificate) => certificate,
            Err(finding) => return Some(finding.to_string()),
        };
        if let Some(lapse) = certificate.lapse(now) {
            return Some(format!("{CERT_PATH}: {} {lapse}", self.tls.cert_path.display()));
        }
        self.server.replace(&certificate);
        self.served = pair.clone();
        self.reported = None;
        self.tell_served(&certificate);
        info!(target: LOG_TARGET,
            not_after = %certificate.not_after(),
            "{SECTION}: the renewed certificate is in use"
        );
        None
    }

    fn tell_served(&self, certificate: &Certificate) {
        self.state.serves(certificate.not_after());
        self.metrics.serves(certificate.not_after());
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use rcgen::{CertificateParams, KeyPair, date_time_ymd};
    use registry_server::metrics::Metrics;

    use super::*;

    /// A directory as Kubernetes mounts it: files are links through a link that is swapped whole.
    struct Mounted {
        dir: tempfile::TempDir,
        swaps: usize,
    }

    impl Mounted {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            for name in ["tls.crt", "tls.key"] {
                symlink(format!("data/{name}"), dir.path().join(name)).unwrap();
            }
            Self { dir, swaps: 0 }
        }

        fn swap(&mut self, pair: &Pair) {
            self.swaps += 1;
            let version = self.dir.path().join(self.swaps.to_string());
            fs::create_dir(&version).unwrap();
            fs::write(version.join("tls.crt"), &pair.chain).unwrap();
            fs::write(version.join("tls.key"), &pair.key).unwrap();
            let link = self.dir.path().join("new");
            symlink(&version, &link).unwrap();
            fs::rename(link, self.dir.path().join("data")).unwrap();
        }

        fn tls(&self) -> TlsConfig {
            let [cert_path, key_path] =
                ["tls.crt", "tls.key"].map(|name| self.dir.path().join(name));
            TlsConfig { cert_path, key_path }
        }
    }

    fn until(year: i32) -> Pair {
        let mut params = CertificateParams::new(vec!["registry.example".to_owned()]).unwrap();
        params.not_before = date_time_ymd(year - 1, 1, 1);
        params.not_after = date_time_ymd(year, 1, 1);
        let key = KeyPair::generate().unwrap();
        let chain = params.self_signed(&key).unwrap().pem().into_bytes();
        Pair { chain, key: key.serialize_pem().into_bytes() }
    }

    fn now() -> Timestamp {
        "2040-06-01T00:00:00Z".parse().unwrap()
    }

    fn begun(tls: &TlsConfig) -> (Renewal, CertificateState, Metrics) {
        let (state, metrics) = (CertificateState::default(), Metrics::new(&[], &[]).unwrap());
        let loaded = load(tls).unwrap();
        let renewal = Renewal::begin(tls, loaded, state.clone(), metrics.certificate.clone());
        (renewal.unwrap(), state, metrics)
    }

    /// The year until which the served certificate is valid, and why the renewed one is refused.
    fn served(state: &CertificateState, metrics: &Metrics) -> (String, Option<String>) {
        let served = state.served().unwrap();
        let text = String::from_utf8(metrics.render().unwrap()).unwrap();
        let (seconds, failed) = (served.not_after.as_second(), served.renewal_error.is_some());
        for (name, value) in [
            ("certificate_expiry_timestamp_seconds", seconds),
            ("renewal_failed", i64::from(failed)),
        ] {
            assert!(text.contains(&format!("extension_registry_tls_{name} {value}\n")), "{text}");
        }
        (served.not_after.to_string()[..4].to_owned(), served.renewal_error)
    }

    #[test]
    fn what_cannot_be_used_is_refused_told_and_healed() {
        let (first, second) = (until(2041), until(2041));
        let mut mounted = Mounted::new();
        mounted.swap(&first);
        let tls = mounted.tls();
        let (mut renewal, state, metrics) = begun(&tls);
        let cut = Pair { chain: first.chain[..200].to_vec(), key: first.key.clone() };
        let mixed = Pair { chain: second.chain.clone(), key: first.key.clone() };
        let text = Pair { chain: b"text".to_vec(), key: first.key.clone() };
        for (pair, expected) in [
            (cut, "cut off or damaged"),
            (mixed, "is not the key of the certificate"),
            (text, "holds no certificate in PEM"),
            (until(2030), "expired at 2030-01-01T00:00:00Z"),
            (until(2060), "is not valid before 2059-01-01T00:00:00Z"),
        ] {
            mounted.swap(&pair);
            let found = Pair::read(&tls).map_err(|finding| finding.to_string());
            renewal.look(found.clone(), now());
            assert_eq!(served(&state, &metrics), ("2041".to_owned(), None), "may be unfinished");
            renewal.look(found, now());
            let (year, error) = served(&state, &metrics);
            assert_eq!(year, "2041");
            assert!(error.as_ref().is_some_and(|error| error.contains(expected)), "{error:?}");
            renewal.look(Ok(first.clone()), now());
            assert_eq!(served(&state, &metrics), ("2041".to_owned(), None), "healed");
        }
        fs::remove_file(mounted.dir.path().join("data")).unwrap();
        let missing = Pair::read(&tls).map_err(|finding| finding.to_string());
        renewal.look(missing.clone(), now());
        renewal.look(missing, now());
        assert!(served(&state, &metrics).1.unwrap().contains("No such file"));
        renewal.look(Ok(until(2042)), "2041-06-01T00:00:00Z".parse().unwrap());
        assert_eq!(served(&state, &metrics), ("2042".to_owned(), None));
    }

    #[test]
    fn a_certificate_is_taken_over_once_it_becomes_valid() {
        let mut mounted = Mounted::new();
        mounted.swap(&until(2041));
        let (mut renewal, state, metrics) = begun(&mounted.tls());
        let next = until(2042);
        for _ in 0..2 {
            renewal.look(Ok(next.clone()), now());
        }
        assert!(served(&state, &metrics).1.is_some());
        renewal.look(Ok(next), "2041-01-01T00:00:00Z".parse().unwrap());
        assert_eq!(served(&state, &metrics), ("2042".to_owned(), None));
    }

    #[test]
    fn a_failure_is_reported_once_for_each_content() {
        let mut mounted = Mounted::new();
        mounted.swap(&until(2041));
        let (mut renewal, ..) = begun(&mounted.tls());
        for (found, reports) in [("a", false), ("a", true), ("a", false), ("b", false), ("b", true)]
        {
            let before = renewal.reported.clone();
            let text = Pair { chain: found.as_bytes().to_vec(), key: Vec::new() };
            renewal.look(Ok(text), now());
            assert_eq!(renewal.reported != before, reports, "{found}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn swapped_files_are_found_within_ten_seconds() {
        let mut mounted = Mounted::new();
        mounted.swap(&until(2150));
        let (renewal, state, metrics) = begun(&mounted.tls());
        let watching = tokio::spawn(renewal.watch());
        mounted.swap(&until(2040));
        sleep(LOOK_EVERY * 3).await;
        assert_eq!(served(&state, &metrics).0, "2150", "it is not valid yet");
        let mut valid = CertificateParams::new(Vec::<String>::new()).unwrap();
        valid.not_after = date_time_ymd(2160, 1, 1);
        let key = KeyPair::generate().unwrap();
        let chain = valid.self_signed(&key).unwrap().pem().into_bytes();
        mounted.swap(&Pair { chain, key: key.serialize_pem().into_bytes() });
        sleep(LOOK_EVERY * 3).await;
        assert_eq!(served(&state, &metrics), ("2160".to_owned(), None));
        watching.abort();
    }
}
