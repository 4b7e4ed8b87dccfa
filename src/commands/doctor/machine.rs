//! Local requirements of the service: a port to listen on and a writable directory.

use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use registry_core::files;
use tokio::net::TcpListener;
use tokio::time::timeout;

use crate::commands::doctor::SOON;
use crate::commands::doctor::report::ReportLine;
use crate::commands::healthcheck::{Probe, ask, own};
use crate::config::ListenerAddress;

// Timeout for the program on our port to identify itself as this service.
const PATIENCE: Duration = Duration::from_secs(3);

pub(super) async fn port(listener: &ListenerAddress) -> ReportLine {
    let ListenerAddress { host, port, has_tls, .. } = listener;
    let place = format!("{host} port {port}{}", if *has_tls { " (https://)" } else { "" });
    // Binding also finds missing permissions and addresses of other machines.
    let Err(error) = TcpListener::bind((host.as_str(), *port)).await else {
        return ReportLine::ok("service", "port", format!("{place} is free"));
    };
    let running = async {
        let target = own(listener, Probe::Alive).ok()?;
        Some(ask(&target).await.ok()?.status == "200")
    };
    let is_ours = timeout(PATIENCE, running).await.ok().flatten().unwrap_or(false);
    if error.kind() == ErrorKind::AddrInUse && is_ours {
        return ReportLine::ok("service", "port", format!("the service runs on {place}"));
    }
    let fix = match error.kind() {
        ErrorKind::AddrInUse => "stop what listens there (ss -ltnp shows it), or set server.port",
        ErrorKind::PermissionDenied => {
            "set server.port to 1024 or more, or grant CAP_NET_BIND_SERVICE"
        }
        _ => "set server.host to an address of this machine, or to 0.0.0.0",
    };
    ReportLine::problem("service", "port", format!("{place} cannot be used: {error}"), fix)
}

pub(super) fn certificate(not_after: Timestamp) -> ReportLine {
    let left = not_after.duration_since(Timestamp::now());
    let state = if left.is_negative() { "expired at" } else { "is good until" };
    let what = format!("the certificate of server.tls {state} {not_after}");
    if left > SOON {
        return ReportLine::ok("service", "certificate", what);
    }
    let fix = "renew the files of server.tls; the service uses them without a restart";
    ReportLine::problem("service", "certificate", what, fix)
}

pub(super) fn state_dir(dir: Option<&Path>) -> ReportLine {
    let Some(dir) = dir else {
        let what = "cache.state_dir is not set: after a restart the catalog is empty until every backend has been listed";
        return ReportLine::note(
            "service",
            "state",
            what,
            "set cache.state_dir to a directory that the service can write",
        );
    };
    let shown = dir.display();
    // Permissions alone do not tell: the file system may be read-only or full.
    let written = files::private_directory(dir).and_then(|()| tempfile::tempfile_in(dir));
    match written {
        Ok(_) => ReportLine::ok("service", "state", format!("{shown} can be written")),
        Err(error) => ReportLine::problem(
            "service",
            "state",
            format!("cache.state_dir: {shown} cannot be written: {error}"),
            format!("give {shown} to the user of the service, or name another directory"),
        ),
    }
}
