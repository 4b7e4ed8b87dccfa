//! Configuration: what was typed, from four places, becomes what is true, or every problem at once.

pub mod addresses;
pub mod check;
pub mod example;
pub mod keys;
pub mod schema;
pub mod server;
pub mod settings;
pub mod show;
pub mod size;
pub mod typed;

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::config::addresses::host_of;
use crate::config::check::{Problem, Problems};
pub use crate::config::server::{AuthConfig, RateLimitConfig, ServerConfig};
use crate::config::server::{rate_limit, server};
use crate::config::settings::Settings;
use crate::config::size::bytes_of;
use crate::config::typed::{Layer, from_environment, from_file, from_flags, from_supervisor};
use crate::models::backend_kind::BackendKind;

/// Where a configuration is looked for when none is named.
pub const SEARCHED: [&str; 2] = ["config.toml", "/etc/extension-registry/config.toml"];

/// A valid configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// `[server]`
    pub server: ServerConfig,
    /// `[gitea]`, if it is there.
    pub gitea: Option<GiteaConfig>,
    /// `[oci]`, if it is there.
    pub oci: Option<OciConfig>,
    /// `[local]`, if it is there.
    pub local: Option<LocalConfig>,
    /// `[catalog]`
    pub catalog: CatalogConfig,
    /// `[cache]`
    pub cache: CacheConfig,
    /// `[downloads]`
    pub downloads: DownloadsConfig,
    /// `[rate_limit]`, if it is there.
    pub rate_limit: Option<RateLimitConfig>,
    /// `[auth]`, if it is there.
    pub auth: Option<AuthConfig>,
}

/// A Gitea or Forgejo organization.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GiteaConfig {
    /// Where it is; may carry a sub path.
    pub url: String,
    /// Whose repositories.
    pub organization: String,
    /// The number that the organization must have.
    pub organization_id: Option<i64>,
    /// File that holds the token.
    pub token_path: Option<PathBuf>,
    /// How it is talked to.
    pub upstream: UpstreamConfig,
    /// Hosts from which external assets may be taken.
    pub external_asset_hosts: Vec<String>,
}

/// How a backend is talked to over HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamConfig {
    /// Deadline of a question.
    pub timeout: Duration,
    /// Whether certificates are checked.
    pub verify_ssl: bool,
    /// Certificates to trust beside the system's.
    pub ca_file: Option<PathBuf>,
    /// Concurrent requests to the backend.
    pub max_concurrency: usize,
    /// How often a question is asked again.
    pub retries: u32,
    /// Whether redirects may lead to private addresses.
    pub allow_private_redirects: bool,
    /// File that holds the secret of change notices.
    pub webhook_secret_path: Option<PathBuf>,
}

/// A namespace of an OCI registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OciConfig {
    /// Host and port; `http://` before it for plain HTTP.
    pub registry: String,
    /// First segments of its repositories' names.
    pub namespace: String,
    /// File that holds the credentials.
    pub auth_token_path: Option<PathBuf>,
    /// Hosts of token servers that may be told who we are.
    pub token_hosts: Vec<String>,
    /// Repositories to serve in addition to those that the registry lists.
    pub repositories: Vec<String>,
    /// How it is talked to.
    pub upstream: UpstreamConfig,
}

/// A directory of OCI image layouts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalConfig {
    /// Its sub-directories are the layouts.
    pub path: PathBuf,
}

/// How backends share names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CatalogConfig {
    /// Who is asked first; those left out come last.
    pub order: Vec<BackendKind>,
    /// Whether versions of several backends are pooled.
    pub union: bool,
    /// Whether a name passes on when its owner loses it.
    pub allow_takeover: bool,
    /// How long rounds ask for changes only.
    pub full_sweep: Duration,
    /// About how many bytes the extensions of one backend may take up.
    pub max_bytes: usize,
}

/// The memos of answers, and what is kept over a restart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheConfig {
    /// Entries of each.
    pub capacity: NonZeroUsize,
    /// How long an answer is current.
    pub ttl: Duration,
    /// How much longer answers go unmarked.
    pub stale_while_revalidate: Duration,
    /// How old what is known may be and still answer.
    pub stale_if_error: Duration,
    /// How long a "no" is remembered.
    pub negative_ttl: Duration,
    /// Whether responses with metadata and versions are cached.
    pub enable_metadata_cache: bool,
    /// Whether lists are kept.
    pub enable_list_cache: bool,
    /// Directory that keeps what is known over a restart.
    pub state_dir: Option<PathBuf>,
    /// The most bytes of archives that are kept there; 0 keeps none.
    pub artifact_bytes: u64,
}

/// Downloads of archives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DownloadsConfig {
    /// Whether a version's archive may become another one.
    pub accept_changes: bool,
}

/// From where a configuration is put together; later ones win.
#[derive(Debug, Default)]
pub struct Sources<'a> {
    /// `--config`.
    pub file: Option<&'a Path>,
    /// The environment, as names and values.
    pub environment: Vec<(String, String)>,
    /// Flags that stand for a key: section, key, value, flag.
    pub flags: Vec<(&'static str, &'static str, String, &'static str)>,
    /// Whether the sample catalog is served: no file is read then, and no backend is missing.
    pub demo: bool,
}

/// Reads, checks and puts together a configuration.
///
/// # Errors
/// Every problem of every place, in the order of files and lines.
pub fn load(sources: &Sources<'_>) -> Result<Config, Problems> {
    read(sources).map(|(config, _)| config)
}

/// The same, with the values that it was built from and their places.
///
/// # Errors
/// As [`load`].
pub fn read(sources: &Sources<'_>) -> Result<(Config, Settings), Problems> {
    let (settings, config) = examined(sources);
    config.map(|config| (config, settings))
}

/// The values of all places, and what they make, or every problem with their form.
pub fn examined(sources: &Sources<'_>) -> (Settings, Result<Config, Problems>) {
    let (settings, mut problems) = gather(sources);
    let config = match build(&settings, sources, &mut problems) {
        Some(config) if problems.is_empty() => Ok(config),
        _ => Err(Problems::new(problems)),
    };
    (settings, config)
}

/// Host and port that a configuration listens on, whatever else is wrong with it.
///
/// # Errors
/// Every problem, if one is of the host or the port, or the file cannot be read.
pub fn listening(sources: &Sources<'_>) -> Result<(String, u16), Problems> {
    let (settings, problems) = gather(sources);
    match server(&settings, &mut Vec::new()) {
        Some(server) if !problems.iter().any(Problem::is_of_file) => {
            Ok((server.address().to_owned(), server.port))
        }
        _ => Err(Problems::new(problems)),
    }
}

/// The values of all places, and what is wrong with them one by one.
fn gather(sources: &Sources<'_>) -> (Settings, Vec<Problem>) {
    let mut layers = Vec::new();
    let mut problems = Vec::new();
    let mut take = |(layer, found): (Layer, Vec<Problem>)| {
        layers.push(layer);
        problems.extend(found);
    };
    take(from_supervisor(&sources.environment));
    if !sources.demo {
        take(from_file(sources.file));
    }
    take(from_environment(&sources.environment));
    take(from_flags(&sources.flags));
    (Settings::merged(layers), problems)
}

/// `None` only beside a problem that says why.
fn build(
    settings: &Settings,
    sources: &Sources<'_>,
    problems: &mut Vec<Problem>,
) -> Option<Config> {
    let (server, catalog, cache) =
        (server(settings, problems), catalog(settings, problems), cache(settings));
    let mut section = |name| settings.section(name).map(|section| section.required(problems));
    let [gitea, oci, local] = ["gitea", "oci", "local"].map(&mut section);
    let [limited, auth] = ["rate_limit", "auth"].map(&mut section);
    if !sources.demo && gitea.is_none() && oci.is_none() && local.is_none() && problems.is_empty() {
        problems.push(Problem::no_backend(sources.file));
    }
    let config = Config {
        server: server?,
        gitea: gitea.flatten().and_then(|_| gitea_section(settings, problems)),
        oci: oci.flatten().and_then(|_| oci_section(settings)),
        local: local
            .flatten()
            .and_then(|_| Some(LocalConfig { path: settings.text("local", "path")?.into() })),
        catalog: catalog?,
        cache: cache?,
        downloads: DownloadsConfig {
            accept_changes: settings.text("downloads", "on_change")? == "accept",
        },
        rate_limit: limited.flatten().and_then(|_| rate_limit(settings)),
        auth: auth.flatten().and_then(|_| {
            Some(AuthConfig { tokens_path: settings.text("auth", "tokens_path")?.into() })
        }),
    };
    Some(config)
}

fn gitea_section(settings: &Settings, problems: &mut Vec<Problem>) -> Option<GiteaConfig> {
    Some(GiteaConfig {
        url: settings.text("gitea", "url")?,
        organization: settings.text("gitea", "organization")?,
        organization_id: settings
            .whole("gitea", "organization_id")
            .and_then(|number| i64::try_from(number).ok()),
        token_path: settings.text("gitea", "token_path").map(PathBuf::from),
        upstream: upstream(settings, "gitea")?,
        external_asset_hosts: settings.each(
            ("gitea", "external_asset_hosts"),
            host_of,
            problems,
        )?,
    })
}

fn oci_section(settings: &Settings) -> Option<OciConfig> {
    Some(OciConfig {
        registry: settings.text("oci", "registry")?,
        namespace: settings.text("oci", "namespace")?,
        auth_token_path: settings.text("oci", "auth_token_path").map(PathBuf::from),
        token_hosts: settings.list("oci", "token_hosts")?,
        repositories: settings.list("oci", "repositories")?,
        upstream: upstream(settings, "oci")?,
    })
}

fn upstream(settings: &Settings, section: &str) -> Option<UpstreamConfig> {
    let path = |key| settings.text(section, key).map(PathBuf::from);
    Some(UpstreamConfig {
        timeout: Duration::from_secs(settings.whole(section, "timeout_seconds")?),
        verify_ssl: settings.flag(section, "verify_ssl")?,
        ca_file: path("ca_file"),
        max_concurrency: usize::try_from(settings.whole(section, "max_concurrency")?).ok()?,
        retries: u32::try_from(settings.whole(section, "retries")?).ok()?,
        allow_private_redirects: settings.flag(section, "allow_private_redirects")?,
        webhook_secret_path: path("webhook_secret_path"),
    })
}

fn catalog(settings: &Settings, problems: &mut Vec<Problem>) -> Option<CatalogConfig> {
    let mut order: Vec<BackendKind> = Vec::new();
    for name in settings.list("catalog", "order")? {
        match name.parse() {
            Ok(source) if order.contains(&source) => {
                problems.push(settings.problem("catalog", "order", format!("names {name} twice")));
            }
            Ok(source) => order.push(source),
            Err(_) => problems.push(settings.problem(
                "catalog",
                "order",
                format!("{name:?} is no backend: gitea, oci, local"),
            )),
        }
    }
    let left_out = BackendKind::ALL.into_iter().filter(|source| !order.contains(source));
    let order = order.iter().copied().chain(left_out).collect();
    Some(CatalogConfig {
        order,
        union: settings.text("catalog", "merge")? == "union",
        allow_takeover: settings.flag("catalog", "allow_takeover")?,
        full_sweep: Duration::from_secs(settings.whole("catalog", "full_sweep_seconds")?),
        // More than can be addressed is as good as no bound.
        max_bytes: usize::try_from(bytes_of(&settings.text("catalog", "max_bytes")?)?)
            .unwrap_or(usize::MAX),
    })
}

fn cache(settings: &Settings) -> Option<CacheConfig> {
    let whole = |key| settings.whole("cache", key);
    Some(CacheConfig {
        capacity: NonZeroUsize::new(usize::try_from(whole("capacity")?).ok()?)?,
        ttl: Duration::from_secs(whole("ttl_seconds")?),
        stale_while_revalidate: Duration::from_secs(
            whole("stale_while_revalidate_seconds").or_else(|| whole("ttl_seconds"))?,
        ),
        stale_if_error: Duration::from_secs(whole("stale_if_error_seconds")?),
        negative_ttl: Duration::from_secs(whole("negative_ttl_seconds")?),
        enable_metadata_cache: settings.flag("cache", "enable_metadata_cache")?,
        enable_list_cache: settings.flag("cache", "enable_list_cache")?,
        state_dir: settings.text("cache", "state_dir").map(PathBuf::from),
        artifact_bytes: bytes_of(&settings.text("cache", "artifact_cache_bytes")?)?,
    })
}
