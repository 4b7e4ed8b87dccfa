//! Checks of one backend, in order from DNS to content. The first failed check ends them.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use registry_backends::http::inspect::{Inspection, inspect};
use registry_backends::http::peer::Peer;
use registry_backends::http::request::Request;
use registry_backends::http::settings::UpstreamSettings;
use registry_backends::http::upstream::{HttpSettings, UpstreamClient};
use registry_core::backend::{Backend, Fault, Listing};
use registry_core::error::{Error, ErrorKind};
use registry_core::models::backend_kind::BackendKind;
use registry_core::models::fault::FaultSubject;
use url::Url;

use crate::commands::doctor::SOON;
use crate::commands::doctor::report::ReportLine;
use crate::config::{BackendConfig, BackendSettings, Config};

// Maximum timeout of a request: an operator waits for the result.
const PATIENCE: Duration = Duration::from_secs(10);
// Maximum clock difference. Tokens and signatures are commonly refused beyond a few minutes.
const SKEW_MAX: Duration = Duration::from_mins(1);
// Maximum number of extensions to try before the backend counts as unreadable.
const TRIED_MAX: usize = 3;
// Maximum size of a response body, in bytes; only the head is used.
const BODY_MAX: usize = 1024 * 1024;

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

pub(super) async fn examine(config: &BackendConfig, backend: &dyn Backend) -> Vec<ReportLine> {
    let about = config.path.as_str();
    let mut entries = Vec::new();
    if let Some((url, upstream)) = config.upstream() {
        entries.extend(way(about, &url, upstream).await);
        if entries.iter().any(ReportLine::is_problem) {
            return entries;
        }
        // Before the credentials, because tokens and signatures are refused if clocks differ.
        entries.push(clock(about, config.id.into(), &url, upstream).await);
        if entries.iter().any(ReportLine::is_problem) {
            return entries;
        }
        if let Err(error) = backend.probe().await {
            entries.push(failure(config, "credentials", &error));
            return entries;
        }
        entries.push(ReportLine::ok(about, "credentials", "the backend accepts the credentials"));
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

async fn read_one(
    config: &BackendConfig,
    backend: &dyn Backend,
    listing: &Listing,
) -> Option<ReportLine> {
    // Permission to list does not imply permission to read. One extension may be defective.
    let mut first = None;
    for id in listing.ids.iter().take(TRIED_MAX) {
        match backend.extension(id).await {
            Ok(read) => {
                let what = format!("{id} has {} version(s)", read.releases().len());
                return Some(ReportLine::ok(&config.path, "releases", what));
            }
            Err(error) => first = first.or(Some(error)),
        }
    }
    first.map(|error| failure(config, "releases", &error))
}

pub(super) async fn way(about: &str, url: &Url, upstream: &UpstreamSettings) -> Vec<ReportLine> {
    let seen = match inspect(url, upstream.verify_ssl, upstream.ca_file.as_deref()).await {
        Ok(seen) => seen,
        Err(error) => {
            let fix = format!("name a PEM file of certificates in {about}.ca_file");
            return vec![ReportLine::problem(about, "tls", error.report(), fix)];
        }
    };
    let Inspection { name, tcp, tls } = seen;
    let host = url.host_str().unwrap_or_default();
    let mut entries = vec![match name {
        Ok(addresses) => {
            ReportLine::ok(about, "name", format!("{host} has {} address(es)", addresses.len()))
        }
        Err(why) => ReportLine::problem(
            about,
            "name",
            format!("{host} cannot be resolved: {why}"),
            "correct the address in the configuration, or the name server of this machine",
        ),
    }];
    entries.extend(tcp.map(|tcp| match tcp {
        Ok(address) => {
            ReportLine::ok(about, "connection", format!("{address} accepts connections"))
        }
        Err(why) => ReportLine::problem(
            about,
            "connection",
            format!("no connection to {}: {why}", url.authority()),
            "check host and port, that the server runs, and firewalls on the way",
        ),
    }));
    entries.extend(tls.map(|tls| certificate(about, tls)));
    entries
}

fn certificate(about: &str, tls: Result<Option<Timestamp>, String>) -> ReportLine {
    match tls {
        Ok(Some(end)) if end.duration_since(Timestamp::now()) < SOON => ReportLine::problem(
            about,
            "tls",
            format!("the certificate expires at {end}"),
            "have the server's certificate renewed",
        ),
        Ok(Some(end)) => {
            ReportLine::ok(about, "tls", format!("the certificate is good until {end}"))
        }
        Ok(None) => ReportLine::ok(about, "tls", "TLS connection established"),
        Err(why) => ReportLine::problem(
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

pub(super) async fn clock(
    about: &str,
    peer: Peer,
    url: &Url,
    upstream: &UpstreamSettings,
) -> ReportLine {
    let upstream =
        UpstreamSettings { max_concurrency: 1, allow_private_redirects: false, ..upstream.clone() };
    let settings = HttpSettings { peer, base: url.clone(), upstream };
    let asked = match UpstreamClient::new(settings, Arc::new(())) {
        Ok(client) => client.fetch(Request::get("doctor", url.clone()), BODY_MAX).await,
        Err(error) => Err(error),
    };
    let answer = match asked {
        Ok(answer) => answer,
        // Connection and TLS were checked before, so the fault is above them.
        Err(error) => {
            let fix = "the server accepts connections but sends no HTTP response: check its log, and any proxy in front";
            return ReportLine::problem(about, "answer", error.report(), fix);
        }
    };
    let date = answer.headers.get("date").and_then(|date| date.to_str().ok());
    let Some(date) = date.and_then(|date| jiff::fmt::rfc2822::parse(date).ok()) else {
        return ReportLine::ok(about, "clock", "the server sends no Date header");
    };
    let skew = date.timestamp().duration_since(Timestamp::now());
    if skew.unsigned_abs() <= SKEW_MAX {
        return ReportLine::ok(about, "clock", "the clocks agree");
    }
    let (seconds, side) =
        (skew.unsigned_abs().as_secs(), if skew.is_negative() { "ahead of" } else { "behind" });
    ReportLine::problem(
        about,
        "clock",
        format!("the local clock is {seconds} s {side} the server's"),
        "synchronize both clocks (timedatectl set-ntp true)",
    )
}

fn listed(config: &BackendConfig, listing: &Listing) -> ReportLine {
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
        return ReportLine::problem(
            about,
            "listing",
            "no extension is visible with these credentials",
            fix,
        );
    }
    match listing.faults.iter().find(|fault| fault.subject != FaultSubject::Naming) {
        Some(fault) => ReportLine::note(
            about,
            "listing",
            format!("{count} extensions; {}: {}", fault.repository, fault.reason),
            "correct this repository, or remove it",
        ),
        None => ReportLine::ok(about, "listing", format!("{count} extensions")),
    }
}

fn misnamed(about: &str, listing: &Listing) -> impl Iterator<Item = ReportLine> {
    let advice = listing.faults.iter().filter(|fault| fault.subject == FaultSubject::Naming);
    advice.map(move |Fault { repository, reason, .. }| {
        let fix = "rename it, or ignore this line if it is not an extension";
        ReportLine::note(about, "naming", format!("{repository} {reason}"), fix)
    })
}

fn failure(config: &BackendConfig, step: &'static str, error: &Error) -> ReportLine {
    let (about, key) = (config.path.as_str(), config.token_key());
    let fix = match error.kind() {
        // The order matters: a missing directory is reported as unavailable, but waiting does not
        // help.
        _ if error.is_of_missing_place() => {
            format!("create the directory (mkdir -p), mount it, or correct {about}.path")
        }
        _ if config.kind() == BackendKind::Local => match step {
            "listing" => format!("set {about}.path to a directory that the service may read"),
            _ => "correct this layout, or remove it".to_owned(),
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
            "check the server's log and load, and any proxy in front".to_owned()
        }
        _ => format!("check that the address of {about} points to such a server"),
    };
    ReportLine::problem(about, step, error.report(), fix)
}
