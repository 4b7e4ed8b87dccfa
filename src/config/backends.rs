//! The backends that are configured, their names and their order.

use std::path::PathBuf;

use registry_backends::gitea::settings::GiteaSettings;
use registry_backends::http::settings::UpstreamSettings;
use registry_backends::local::settings::LocalSettings;
use registry_backends::oci::settings::OciSettings;
use registry_core::config_reader::form::Form;
use registry_core::config_reader::problems::hint;
use registry_core::config_reader::{Section, parsed};
use registry_core::models::backend_id::BackendId;
use registry_core::models::backend_kind::BackendKind;
use registry_core::via::Via;
use url::Url;

/// One backend.
#[derive(Clone, Debug)]
pub struct BackendConfig {
    /// Name, unique over all kinds.
    pub id: BackendId,
    /// `gitea`, or `gitea.internal` for an entry. Keys in messages begin with it.
    pub path: String,
    /// Settings without secrets.
    pub settings: BackendSettings,
    /// File with the credentials.
    pub token_path: Option<PathBuf>,
    /// File with the webhook secret.
    pub webhook_secret_path: Option<PathBuf>,
    /// Identifies the upstream in the state on disk, by the texts of keys.
    pub fingerprint: String,
    /// True if every value is as configured: an example stands in for one that is wrong.
    pub is_sound: bool,
}

/// The settings of a backend, by its kind.
#[derive(Clone, Debug)]
pub enum BackendSettings {
    /// An organization of Gitea or Forgejo.
    Gitea(GiteaSettings),
    /// A namespace of an OCI registry.
    Oci(OciSettings),
    /// A directory.
    Local(LocalSettings),
}

impl BackendConfig {
    /// The kind of backend.
    #[must_use]
    pub const fn kind(&self) -> BackendKind {
        self.id.kind()
    }

    /// Address and settings of the server; `None` for a directory.
    #[must_use]
    pub fn upstream(&self) -> Option<(Url, &UpstreamSettings)> {
        match &self.settings {
            BackendSettings::Gitea(gitea) => Some((gitea.url.clone(), &gitea.upstream)),
            BackendSettings::Oci(oci) => Some((oci.registry.endpoint(""), &oci.upstream)),
            BackendSettings::Local(_) => None,
        }
    }

    /// Names this service in the requests to the backend.
    pub fn name_requests(&mut self, via: &Via) {
        let upstream = match &mut self.settings {
            BackendSettings::Gitea(gitea) => &mut gitea.upstream,
            BackendSettings::Oci(oci) => &mut oci.upstream,
            BackendSettings::Local(_) => return,
        };
        upstream.via = via.clone();
    }

    /// The key of [`Self::token_path`], with its section.
    #[must_use]
    pub fn token_key(&self) -> String {
        format!("{}.{}", self.path, token_key(self.kind()).0)
    }

    pub(super) fn read(kind: BackendKind, keys: &mut Section<'_>) -> Option<Self> {
        let id = keys.id(kind);
        let settings = match kind {
            BackendKind::Gitea => BackendSettings::Gitea(GiteaSettings::read(keys)?),
            BackendKind::Oci => BackendSettings::Oci(OciSettings::read(keys)?),
            BackendKind::Local => BackendSettings::Local(LocalSettings::read(keys)?),
        };
        let (mut token_path, mut webhook_secret_path) = (None, None);
        if kind != BackendKind::Local {
            let (key, doc) = token_key(kind);
            token_path = keys.text(key).optional("/path/to/token.txt", doc);
            webhook_secret_path = keys.text("webhook_secret_path").optional(
                "/path/to/webhook-secret.txt",
                "File with the webhook secret; without it webhooks are refused.",
            );
        }
        let fingerprint = match &settings {
            BackendSettings::Gitea(_) => joined(keys, ["url", "organization"]),
            BackendSettings::Oci(_) => joined(keys, ["registry", "namespace"]),
            BackendSettings::Local(local) => {
                let path = std::path::absolute(&local.path).unwrap_or_else(|_| local.path.clone());
                path.display().to_string()
            }
        };
        let (path, is_sound) = (keys.path().to_owned(), keys.is_sound());
        Some(Self { id, path, settings, token_path, webhook_secret_path, fingerprint, is_sound })
    }

    /// One fingerprint for all spellings that a server takes for one upstream.
    fn upstream_name(&self) -> (BackendKind, String) {
        let text = match self.kind() {
            BackendKind::Local => self.fingerprint.clone(),
            _ => self.fingerprint.to_lowercase().trim_start_matches("https://").to_owned(),
        };
        (self.kind(), text)
    }
}

fn token_key(kind: BackendKind) -> (&'static str, &'static str) {
    match kind {
        BackendKind::Oci => {
            ("auth_token_path", "File with a token, user:password, or a Docker config.json.")
        }
        _ => ("token_path", "File with an access token; not needed for public organizations."),
    }
}

fn joined(keys: &Section<'_>, [address, inside]: [&str; 2]) -> String {
    let [address, inside] = [address, inside].map(|key| keys.typed(key).unwrap_or_default());
    format!("{}/{inside}", address.trim_end_matches('/'))
}

pub(super) fn same_upstreams(backends: &[BackendConfig]) -> Vec<String> {
    let pairs = backends.iter().enumerate();
    let pairs = pairs.flat_map(|(at, two)| backends.iter().take(at).map(move |one| (one, two)));
    let same = pairs.filter(|(one, two)| one.upstream_name() == two.upstream_name());
    let told = same.map(|(one, two)| {
        format!("{} and {} are one and the same: {}", one.path, two.path, one.fingerprint)
    });
    told.collect()
}

/// `order` must name each backend. Without it the order of kinds and of the file stays.
pub(super) fn put_in_order(backends: &mut [BackendConfig], keys: &mut Section<'_>) -> Option<()> {
    let order: Vec<String> = keys.key("order", Form::List, parsed).items(
        BackendKind::ALL.map(BackendKind::as_str),
        "Backends by name, in order; the first that has a name owns it.",
    )?;
    if !keys.has("order") {
        return Some(());
    }
    let mut names: Vec<&str> = backends.iter().map(|backend| backend.id.as_str()).collect();
    for kind in BackendKind::ALL.map(BackendKind::as_str) {
        // Files may name kinds that are not configured.
        if !names.contains(&kind) {
            names.push(kind);
        }
    }
    let mut problems = Vec::new();
    for (at, name) in order.iter().enumerate() {
        if order.iter().take(at).any(|before| before == name) {
            problems.push(format!("names {name} twice"));
        } else if !names.contains(&name.as_str()) {
            let hint = hint(name, names.iter().copied(), |near| format!("{near:?}"));
            problems.push(format!("{name:?} is no backend: {}{hint}", names.join(", ")));
        }
    }
    for BackendConfig { id, .. } in backends.iter() {
        if !order.iter().any(|name| name == id.as_str()) {
            problems.push(format!("lacks {id}: name every backend that is configured"));
        }
    }
    for what in &problems {
        keys.report("order", what);
    }
    backends.sort_by_key(|backend| order.iter().position(|name| name == backend.id.as_str()));
    Some(())
}
