//! One backend, step by step: its name, its address, its certificate, its clock, whether it knows
//! us, and what it has. A step that fails ends the look at this backend.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use url::Url;

use crate::backend::{Backend, Fault, Listing};
use crate::config::{BackendConfig, BackendSettings, Config};
use crate::error::{Error, ErrorKind};
use crate::http::inspect::{Inspection, inspect};
use crate::http::request::Request;
use crate::http::room::Room;
use crate::http::settings::UpstreamSettings;
use crate::http::{HttpClient, HttpSettings};
use crate::models::backend_kind::BackendKind;
use crate::models::fault::FaultSubject;
use crate::operations::doctor::report::Entry;

/// Nobody waits longer for a doctor.
const PATIENCE: Duration = Duration::from_secs(10);
/// A certificate that ends sooner is to be renewed.
const SOON: Duration = Duration::from_secs(14 * 86_400);
/// Tokens and signatures are commonly refused beyond a few minutes.
const SKEW_MAX: Duration = Duration::from_secs(60);
/// Extensions asked for before none is said to be readable.
const TRIED_MAX: usize = 3;
/// Of the answer only the head is wanted.
const BODY_MAX: usize = 1024 * 1024;

/// The same configuration with shorter deadlines.
pub(super) fn impatient(config: &Config) -> Config {
    let mut config = config.clone();
    for backend in &mut config.backends {
        let upstream = match &mut backend.settings {
            BackendSettings::Gitea(gitea) => &mut gitea.upstream,
            BackendSettings::Oci(oci) => &mut oci.upstream,
            BackendSettings::Local(_) => continue,
        };
        upstream.timeout = upstream.timeout.min(PATIENCE);
        upstream.retries = 0;
    }
    config
}

/// Everything about one backend.
pub(super) async fn examine(config: &BackendConfig, backend: &dyn Backend) -> Vec<Entry> {
    let about = config.path.as_str();
    let mut entries = Vec::new();
    if let Some((url, upstream)) = config.upstream() {
        entries.extend(way(about, &url, upstream).await);
        if entries.iter().any(Entry::is_problem) {
            return entries;
        }
        entries.push(clock(config.kind(), about, &url, upstream).await);
        if entries.iter().any(Entry::is_problem) {
            return entries;
        }
        if let Err(error) = backend.probe().await {
            entries.push(failure(config, "credentials", &error));
            return entries;
        }
        entries.push(Entry::ok(about, "credentials", "it answers us"));
    }
    let listing = match backend.listing().await {
        Ok(listing) => listing,
        Err(error) => {
            entries.push(failure(config, "listing", &error));
            return entries;
        }
    };
    entries.push(listed(config, &listing));
    entries.extend(misnamed(about, &listing));
    entries.extend(read_one(config, backend, &listing).await);
    entries
}

/// Whether what is listed can be read: rights to the one are no rights to the other. The first
/// extensions are asked for, since one that fails may be ill by itself.
async fn read_one(
    config: &BackendConfig,
    backend: &dyn Backend,
    listing: &Listing,
) -> Option<Entry> {
    let mut first = None;
    for id in listing.ids.iter().take(TRIED_MAX) {
        match backend.extension(id).await {
            Ok(read) => {
                let what = format!("{id} has {} version(s)", read.releases().len());
                return Some(Entry::ok(&config.path, "releases", what));
            }
            Err(error) => first = first.or(Some(error)),
        }
    }
    first.map(|error| failure(config, "releases", &error))
}

/// Name, connection and TLS.
async fn way(about: &str, url: &Url, upstream: &UpstreamSettings) -> Vec<Entry> {
    let seen = match inspect(url, upstream.verify_ssl, upstream.ca_file.as_deref()).await {
        Ok(seen) => seen,
        Err(error) => {
            let fix = format!("name a PEM file of certificates in {about}.ca_file");
            return vec![Entry::problem(about, "tls", error.report(), fix)];
        }
    };
    let Inspection { name, tcp, tls } = seen;
    let host = url.host_str().unwrap_or_default();
    let mut entries = vec![match name {
        Ok(addresses) => {
            Entry::ok(about, "name", format!("{host} has {} address(es)", addresses.len()))
        }
        Err(why) => Entry::problem(
            about,
            "name",
            format!("{host} cannot be resolved: {why}"),
            "correct the address in the configuration, or the name server of this machine",
        ),
    }];
    entries.extend(tcp.map(|tcp| match tcp {
        Ok(address) => Entry::ok(about, "connection", format!("{address} accepts connections")),
        Err(why) => Entry::problem(
            about,
            "connection",
            format!("no connection to {}: {why}", url.authority()),
            "check host and port, that the server runs, and firewalls on the way",
        ),
    }));
    entries.extend(tls.map(|tls| certificate(about, tls)));
    entries
}

fn certificate(about: &str, tls: Result<Option<Timestamp>, String>) -> Entry {
    match tls {
        Ok(Some(end)) if end.duration_since(Timestamp::now()) < soon() => Entry::problem(
            about,
            "tls",
            format!("the certificate expires at {end}"),
            "have the server's certificate renewed",
        ),
        Ok(Some(end)) => Entry::ok(about, "tls", format!("the certificate is good until {end}")),
        Ok(None) => Entry::ok(about, "tls", "a connection comes about"),
        Err(why) => Entry::problem(
            about,
            "tls",
            why,
            format!(
                "for an authority of your own name its PEM file in {about}.ca_file; an expired or \
                 wrong certificate must be renewed at the server; a server without TLS is http://"
            ),
        ),
    }
}

fn soon() -> jiff::SignedDuration {
    jiff::SignedDuration::try_from(SOON).unwrap_or_default()
}

/// Whether the backend's clock and ours agree.
async fn clock(backend: BackendKind, about: &str, url: &Url, upstream: &UpstreamSettings) -> Entry {
    let upstream =
        UpstreamSettings { max_concurrency: 1, allow_private_redirects: false, ..upstream.clone() };
    let settings = HttpSettings { backend, base: url.clone(), upstream };
    let asked = match HttpClient::new(settings, Arc::new(())) {
        Ok(client) => client.fetch(Request::get("doctor", url.clone()), BODY_MAX, Room::Much).await,
        Err(error) => Err(error),
    };
    let answer = match asked {
        Ok(answer) => answer,
        Err(error) => {
            let fix = "the server accepts connections and does not answer HTTP: look at its log, \
                       and at a proxy before it";
            return Entry::problem(about, "answer", error.report(), fix);
        }
    };
    let date = answer.headers.get("date").and_then(|date| date.to_str().ok());
    let Some(date) = date.and_then(|date| jiff::fmt::rfc2822::parse(date).ok()) else {
        return Entry::ok(about, "clock", "the server does not tell its time");
    };
    let skew = date.timestamp().duration_since(Timestamp::now());
    if skew.unsigned_abs() <= SKEW_MAX {
        return Entry::ok(about, "clock", "its clock and ours agree");
    }
    let (seconds, side) =
        (skew.unsigned_abs().as_secs(), if skew.is_negative() { "ahead of" } else { "behind" });
    Entry::problem(
        about,
        "clock",
        format!("our clock is {seconds} s {side} the server's"),
        "synchronize both clocks (timedatectl set-ntp true)",
    )
}

fn listed(config: &BackendConfig, listing: &Listing) -> Entry {
    let about = config.path.as_str();
    let count = listing.ids.len();
    if count == 0 {
        let fix = match config.kind() {
            BackendKind::Gitea => {
                "publish a repository whose name ends in _prov, _taskserv or _cluster, or let the \
                 credentials see it"
            }
            BackendKind::Oci => {
                "publish a repository whose name ends in -provider, -taskserv or -cluster, or let \
                 the credentials see it"
            }
            BackendKind::Local => {
                "put an image layout into it, whose name ends in -provider, -taskserv or -cluster"
            }
        };
        return Entry::problem(about, "listing", "it has no extension that we may see", fix);
    }
    match listing.faults.iter().find(|fault| fault.subject != FaultSubject::Naming) {
        Some(fault) => Entry::note(
            about,
            "listing",
            format!("{count} extensions; {}: {}", fault.repository, fault.reason),
            "mend this repository, or take it away",
        ),
        None => Entry::ok(about, "listing", format!("{count} extensions")),
    }
}

/// What nearly fits the naming.
fn misnamed(about: &str, listing: &Listing) -> impl Iterator<Item = Entry> {
    let advice = listing.faults.iter().filter(|fault| fault.subject == FaultSubject::Naming);
    advice.map(move |Fault { repository, reason, .. }| {
        let fix = "rename it, or ignore this line if it is not an extension";
        Entry::note(about, "naming", format!("{repository} {reason}"), fix)
    })
}

/// What a question failed with, and what to do about it.
fn failure(config: &BackendConfig, step: &'static str, error: &Error) -> Entry {
    let (about, key) = (config.path.as_str(), config.token_key());
    let fix = match error.kind() {
        _ if error.is_of_missing_place() => {
            format!("create the directory (mkdir -p), mount it, or correct {about}.path")
        }
        _ if config.kind() == BackendKind::Local => match step {
            "listing" => format!("set {about}.path to a directory that the service may read"),
            _ => "mend this layout, or remove it".to_owned(),
        },
        ErrorKind::BackendRefused if config.token_path.is_some() => format!(
            "renew the credentials in the file of {key}, with the right to read \
             (Gitea: read:organization and read:repository)"
        ),
        ErrorKind::BackendRefused => format!("name a file with credentials in {key}"),
        ErrorKind::NotFound => "check that the organization or namespace that is configured \
                                exists, and that the credentials may see it"
            .to_owned(),
        ErrorKind::BackendTimeout | ErrorKind::BackendUnavailable { .. } => {
            "look at the server's log and load, and at a proxy before it".to_owned()
        }
        _ => format!("check that the address of [{about}] is that of such a server"),
    };
    Entry::problem(about, step, error.report(), fix)
}
