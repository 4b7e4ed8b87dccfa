//! The configuration: a file, the environment and flags become one typed value, or every problem.

pub mod artifacts;
pub mod backends;
pub mod facade;
pub mod sections;
pub mod server;
pub mod shared;

use std::path::Path;

pub use crate::config::artifacts::ArtifactsConfig;
pub use crate::config::backends::{BackendConfig, BackendSettings};
pub use crate::config::facade::FacadeConfig;
pub use crate::config::sections::{CacheConfig, CatalogConfig, DownloadsConfig};
pub use crate::config::server::{AuthConfig, RateLimitConfig, ServerConfig, TlsConfig, WebConfig};
pub use crate::config::shared::SharedConfig;
use registry_core::config_reader::problems::{Problems, ValueOrigin};
use registry_core::config_reader::{ConfigReader, Presence, Typed};
use registry_core::models::backend_kind::BackendKind;

/// Default places of a configuration.
pub const SEARCHED: [&str; 2] = ["config.toml", "/etc/extension-registry/config.toml"];

// Set by systemd for `StateDirectory=`; separated by colons.
const STATE_DIRECTORY: &str = "STATE_DIRECTORY";

// The keys that say where the service listens.
const LISTENING: [&str; 6] = [
    "server.host",
    "server.port",
    "server.health_port",
    "server.base_path",
    "server.tls.cert_path",
    "server.tls.key_path",
];

const EXAMPLE_HEAD: &str = "\
# Every key of the Extension Registry's configuration, with its default or an example.
# A line that begins with `#` and a key shows what the key may be; the service runs without it.
# At least one of [gitea], [oci] and [local] must be there. Several backends of a kind are entries
# instead, each with a name of its own and with the keys of the section:
#[[gitea]]
#name = \"internal\"
#url = \"https://gitea.internal.example.com\"
#organization = \"platform\"
";

/// A valid configuration.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "each field is the section of its name")]
pub struct Config {
    pub server: ServerConfig,
    /// `[server.tls]`; `None` for plain HTTP.
    pub tls: Option<TlsConfig>,
    /// In the order in which they own names.
    pub backends: Vec<BackendConfig>,
    pub catalog: CatalogConfig,
    pub cache: CacheConfig,
    pub downloads: DownloadsConfig,
    /// `[artifacts]`; `None` without a shared bucket.
    pub artifacts: Option<ArtifactsConfig>,
    pub web: WebConfig,
    pub facade: FacadeConfig,
    pub rate_limit: Option<RateLimitConfig>,
    pub auth: Option<AuthConfig>,
    pub shared: Option<SharedConfig>,
    /// Probable mistakes that do not stop the start.
    pub warnings: Vec<String>,
}

/// From where a configuration is put together; later ones win.
#[derive(Debug, Default)]
pub struct Sources<'a> {
    /// `--config`.
    pub file: Option<&'a Path>,
    /// The environment, as names and values.
    pub environment: Vec<(String, String)>,
    /// Flags that stand for keys.
    pub flags: Flags,
    /// `--demo`: no file is read, and `[local]` stands for the sample catalog.
    pub demo: bool,
}

/// Flags that stand for keys.
#[derive(Debug, Default)]
pub struct Flags {
    /// `--host`.
    pub host: Option<String>,
    /// `--port`.
    pub port: Option<u16>,
}

/// Reads and checks a configuration. Fails with every problem, in the order of files and lines.
pub fn load(sources: &Sources<'_>) -> Result<Config, Problems> {
    let (reader, config) = read(sources);
    reader.finish(config, &[])
}

/// Reads a configuration; an example stands in for what the reader found to be wrong.
#[must_use]
pub fn read(sources: &Sources<'_>) -> (ConfigReader, Option<Config>) {
    let mut typed = Typed::default();
    let searched = SEARCHED.iter().map(Path::new).find(|path| path.exists());
    if let Some(path) = sources.file.or(searched).filter(|_| !sources.demo) {
        typed.file(path);
    }
    typed.environment(&sources.environment);
    let made = sources.environment.iter().find(|(name, _)| name == STATE_DIRECTORY);
    let first = made.and_then(|(_, dirs)| dirs.split(':').next()).filter(|dir| !dir.is_empty());
    if let Some(dir) = first.filter(|_| !typed.has("cache", "state_dir")) {
        typed.put("cache", "state_dir", dir, ValueOrigin::Environment(STATE_DIRECTORY.to_owned()));
    }
    let demo_host = sources.demo.then_some("127.0.0.1");
    if let Some(host) = sources.flags.host.as_deref().or(demo_host) {
        typed.put("server", "host", host, ValueOrigin::Flag("--host"));
    }
    if let Some(port) = sources.flags.port {
        typed.put("server", "port", port, ValueOrigin::Flag("--port"));
    }
    if sources.demo {
        typed.put("local", "path", "the sample catalog", ValueOrigin::Flag("--demo"));
    }
    let mut reader = ConfigReader::new(typed);
    let mut config = compose(&mut reader);
    if let Some(Config { artifacts: Some(artifacts), cache, .. }) = &mut config {
        artifacts.complete(&mut reader, cache, &sources.environment);
    }
    if let Some(config) = &config {
        config.downloads.check(&mut reader);
    }
    reader.report_unknown();
    if reader.finish(config.as_ref(), &[]).is_ok_and(|config| config.backends.is_empty()) {
        let file = sources.file.map(|file| file.display().to_string());
        reader.report_whole(no_backend(&file.unwrap_or_else(|| SEARCHED.join(", "))));
    }
    (reader, config)
}

/// The address of a listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenerAddress {
    /// Host without brackets.
    pub host: String,
    /// `server.port` or `server.health_port`.
    pub port: u16,
    /// True for HTTPS.
    pub has_tls: bool,
    /// Path below which everything lies; empty for the root.
    pub base_path: String,
}

impl Config {
    /// The listener of the API.
    #[must_use]
    pub fn listener(&self) -> ListenerAddress {
        let (host, port) = (self.server.address().to_owned(), self.server.port);
        let base_path = self.server.base_path.clone();
        ListenerAddress { host, port, has_tls: self.tls.is_some(), base_path }
    }

    /// The listener of health and metrics alone.
    #[must_use]
    pub fn health_listener(&self) -> Option<ListenerAddress> {
        let port = self.server.health_port?;
        Some(ListenerAddress { port, has_tls: false, ..self.listener() })
    }
}

/// The listener for probes, whatever else is wrong with a configuration. Fails with every problem
/// if one is of the listeners, or the file cannot be read.
pub fn probed(sources: &Sources<'_>) -> Result<ListenerAddress, Problems> {
    let (reader, config) = read(sources);
    let config = reader.finish(config, &LISTENING)?;
    Ok(config.health_listener().unwrap_or_else(|| config.listener()))
}

/// `config.example.toml`: every section and key.
#[must_use]
pub fn example() -> String {
    EXAMPLE_HEAD.to_owned() + described().example()
}

/// The file as JSON Schema, for editors and for checks without the program.
#[must_use]
pub fn schema() -> String {
    described().schema()
}

fn described() -> ConfigReader {
    let mut reader = ConfigReader::new(Typed::default());
    compose(&mut reader);
    reader
}

pub(crate) fn compose(reader: &mut ConfigReader) -> Option<Config> {
    let doc = "How the service listens and answers.";
    let server = reader.read("server", Presence::Always, doc, ServerConfig::read).pop();
    let doc = "TLS on the port of the server; without this section it speaks plain HTTP.";
    let tls = reader.read("server.tls", Presence::Optional, doc, TlsConfig::read).pop();
    let mut backends = Vec::new();
    for kind in BackendKind::ALL {
        let doc = match kind {
            BackendKind::Gitea => "Releases of a Gitea or Forgejo organization.",
            BackendKind::Oci => "Artifacts in a namespace of an OCI registry.",
            BackendKind::Local => {
                "A directory whose sub-directories are OCI image layouts, one for each repository."
            }
        };
        backends.extend(reader.read(kind.as_str(), Presence::Entries, doc, |section| {
            BackendConfig::read(kind, section)
        }));
    }
    let doc = "How backends share names.";
    let catalog = reader.read("catalog", Presence::Always, doc, |section| {
        CatalogConfig::read(section, &mut backends)
    });
    let doc = "Response caches, refresh intervals and state on disk.";
    let cache = reader.read("cache", Presence::Always, doc, CacheConfig::read).pop();
    let doc = "Downloads of archives.";
    let downloads = reader.read("downloads", Presence::Always, doc, DownloadsConfig::read).pop();
    let doc = "Bucket of an S3 store that instances of the service share; without this section each fetches every archive itself.";
    let artifacts = reader.read("artifacts", Presence::Optional, doc, ArtifactsConfig::read);
    let doc = "Pages for browsers.";
    let web = reader.read("web", Presence::Always, doc, WebConfig::read).pop();
    let doc = "Pulls by OCI clients: every extension is a repository of artifacts.";
    let facade = reader.read("facade", Presence::Always, doc, FacadeConfig::read).pop();
    let doc = "Request rate of each client; without this section there is no limit.";
    let rate_limit = reader.read("rate_limit", Presence::Optional, doc, RateLimitConfig::read);
    let doc = "Client authentication; without this section every client may read.";
    let auth = reader.read("auth", Presence::Optional, doc, AuthConfig::read);
    let doc = "Redis or Valkey, through which several replicas are one registry; without this section each replica stands alone.";
    let shared = reader.read("shared", Presence::Optional, doc, SharedConfig::read);
    Some(Config {
        server: server?,
        tls,
        warnings: warnings(&backends, facade.as_ref()),
        backends,
        catalog: catalog.into_iter().next()?,
        cache: cache?,
        downloads: downloads?,
        artifacts: artifacts.into_iter().next(),
        web: web?,
        facade: facade?,
        rate_limit: rate_limit.into_iter().next(),
        auth: auth.into_iter().next(),
        shared: shared.into_iter().next(),
    })
}

fn warnings(backends: &[BackendConfig], facade: Option<&FacadeConfig>) -> Vec<String> {
    let mut warnings = backends::same_upstreams(backends);
    warnings.extend(facade.and_then(|facade| facade.unclear_namespace(backends)));
    warnings
}

fn no_backend(looked: &str) -> String {
    format!(
        "no backend is configured (looked in {looked} and the environment): add a section [gitea], \
         [oci] or [local], for example\n\n    [local]\n    path = \"extensions\"\n\n  or try the sample \
         catalog with --demo"
    )
}
