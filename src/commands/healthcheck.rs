//! The `healthcheck` command: a single request, without an HTTP client library to load.

use std::io;
use std::net::IpAddr;
use std::time::Duration;

use registry_backends::http::tls::connector;
use registry_server::urls::{Route as _, SystemRoute};
use rustls::pki_types::ServerName;
use serde::Deserialize;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;
use tokio_util::either::Either;
use url::{Host, Url};

use crate::commands::{CommandFailure, print};
use crate::config::{ListenerAddress, Sources, probed};

const PATIENCE: Duration = Duration::from_secs(3);
const BODY_PATIENCE: Duration = Duration::from_secs(1);
// Length of `HTTP/1.1 200`; nothing else of a successful response is read.
const STATUS_END: usize = 12;
const ANSWER_MAX: usize = 16 * 1024;
const REASON_MAX: usize = 500;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Probe {
    Alive,
    Ready,
}

impl Probe {
    fn path(self) -> String {
        match self {
            Self::Alive => SystemRoute::Live.relative(),
            Self::Ready => SystemRoute::Ready.relative(),
        }
    }

    const fn word(self) -> &'static str {
        match self {
            Self::Alive => "alive",
            Self::Ready => "ready",
        }
    }
}

/// An endpoint to probe.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ProbeTarget {
    url: Url,
    /// False for a listener of this machine: the probe sends no secret, and an expired certificate
    /// or a name for clients alone must not restart the service.
    verifies: bool,
}

pub(super) struct ProbeResult {
    pub(super) status: String,
    stream: Either<Box<TlsStream<TcpStream>>, TcpStream>,
}

#[derive(Deserialize)]
struct Reason {
    message: String,
}

pub(super) fn run(
    question: Probe,
    url: Option<&str>,
    sources: &Sources<'_>,
) -> Result<(), CommandFailure> {
    // Every failure has exit code 1: container engines reserve other codes.
    let target = match url {
        Some(url) => below(url, question),
        None => probed(sources)
            .map_err(|problems| problems.to_string())
            .and_then(|listener| own(&listener, question)),
    };
    let target = target.map_err(CommandFailure::Failed)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let (word, url) = (question.word(), &target.url);
    match runtime.map_err(CommandFailure::failed)?.block_on(asked(&target)) {
        Ok(()) => print(format!("{word}: {url}\n").as_bytes()),
        Err(reason) => Err(CommandFailure::Failed(format!("not {word}: {url}: {reason}"))),
    }
}

async fn asked(target: &ProbeTarget) -> Result<(), String> {
    let answer = timeout(PATIENCE, ask(target)).await;
    let answer = match answer.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
        Ok(answer) => answer,
        // The service closes its listener first when it shuts down, so this is no proof of a crash.
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            return Err(format!("{error}; nothing listens there, or it is shutting down"));
        }
        Err(error) => return Err(error.to_string()),
    };
    if answer.status == "200" {
        return Ok(());
    }
    let status = format!("answered {:?}", answer.status);
    match answer.reason().await {
        Some(reason) => Err(format!("{reason} ({status})")),
        None => Err(status),
    }
}

fn below(base: &str, question: Probe) -> Result<ProbeTarget, String> {
    let mut url =
        base.parse().ok().filter(is_web).ok_or_else(|| {
            format!("--url: {base:?} is not an address such as http://registry:8082")
        })?;
    let path = format!("{}{}", url.path().trim_end_matches('/'), question.path());
    url.set_path(&path);
    Ok(ProbeTarget { verifies: !is_loopback(&url), url })
}

fn is_web(url: &Url) -> bool {
    ["http", "https"].contains(&url.scheme()) && url.host().is_some()
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

pub(super) fn own(listener: &ListenerAddress, question: Probe) -> Result<ProbeTarget, String> {
    let ListenerAddress { host, port, has_tls, base_path } = listener;
    if *port == 0 {
        // Only the running service knows which port the system chose.
        return Err("server.port is 0, which is any port: name the service with --url".to_owned());
    }
    // A listener on all addresses is queried on this machine.
    let host = match host.parse() {
        Ok(IpAddr::V4(address)) if address.is_unspecified() => "127.0.0.1".to_owned(),
        Ok(IpAddr::V6(address)) if address.is_unspecified() => "[::1]".to_owned(),
        Ok(IpAddr::V6(address)) => format!("[{address}]"),
        _ => host.clone(),
    };
    let scheme = if *has_tls { "https" } else { "http" };
    let url = format!("{scheme}://{host}:{port}{base_path}{}", question.path());
    let url = url.parse().map_err(|error| format!("server.host: {error}"))?;
    Ok(ProbeTarget { url, verifies: false })
}

pub(super) async fn ask(target: &ProbeTarget) -> io::Result<ProbeResult> {
    let url = &target.url;
    let port = url.port_or_known_default().unwrap_or(80);
    let stream = match url.host() {
        Some(Host::Ipv4(address)) => TcpStream::connect((address, port)).await?,
        Some(Host::Ipv6(address)) => TcpStream::connect((address, port)).await?,
        Some(Host::Domain(name)) => TcpStream::connect((name, port)).await?,
        None => return Err(io::ErrorKind::InvalidInput.into()),
    };
    let mut stream = match url.scheme() {
        "https" => Either::Left(Box::new(encrypted(target, stream).await?)),
        _ => Either::Right(stream),
    };
    let (path, host) = (url.path(), url.authority());
    // With `Connection: close` the body ends with the stream, so its framing need not be parsed.
    let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut head = [0; STATUS_END];
    stream.read_exact(&mut head).await?;
    let head = String::from_utf8_lossy(&head);
    let status = head.strip_prefix("HTTP/1.1 ").unwrap_or(&head).to_owned();
    Ok(ProbeResult { status, stream })
}

async fn encrypted(target: &ProbeTarget, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
    // `Url` keeps the brackets of an IPv6 literal, which no name of a certificate has.
    let host = target.url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
    let name = ServerName::try_from(host).map_err(io::Error::other)?;
    let connector = connector(target.verifies).map_err(|error| io::Error::other(error.report()))?;
    connector.connect(name, stream).await
}

impl ProbeResult {
    async fn reason(mut self) -> Option<String> {
        let mut bytes = Vec::new();
        let reading = async {
            while bytes.len() < ANSWER_MAX && self.stream.read_buf(&mut bytes).await? > 0 {}
            io::Result::Ok(())
        };
        // A timeout or an abort may still have left a complete reason in the buffer.
        let _ = timeout(BODY_PATIENCE, reading).await;
        let head_end = bytes.windows(4).position(|bytes| bytes == b"\r\n\r\n")?;
        let Reason { message } = serde_json::from_slice(bytes.get(head_end + 4..)?).ok()?;
        // Control characters of another server must not reach the operator's terminal.
        Some(message.chars().filter(|one| !one.is_control()).take(REASON_MAX).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_listens_everywhere_is_asked_on_this_machine() {
        let own = |host: &str, port, has_tls, probe| {
            let base_path = String::new();
            own(&ListenerAddress { host: host.to_owned(), port, has_tls, base_path }, probe)
        };
        for (host, expected) in [
            ("0.0.0.0", "http://127.0.0.1:8082/api/v1/health/live"),
            ("::", "http://[::1]:8082/api/v1/health/live"),
            ("::1", "http://[::1]:8082/api/v1/health/live"),
            ("10.0.0.7", "http://10.0.0.7:8082/api/v1/health/live"),
            ("localhost", "http://localhost:8082/api/v1/health/live"),
        ] {
            for (has_tls, expected) in
                [(false, expected.to_owned()), (true, expected.replace("http", "https"))]
            {
                let target = own(host, 8082, has_tls, Probe::Alive).unwrap();
                assert_eq!((target.url.as_str(), target.verifies), (&*expected, false));
            }
        }
        assert!(own("0.0.0.0", 0, false, Probe::Ready).unwrap_err().contains("--url"));
    }

    #[test]
    fn an_address_may_have_a_path_and_is_verified_unless_it_is_of_this_machine() {
        for (question, path) in [(Probe::Alive, "live"), (Probe::Ready, "ready")] {
            let target = below("http://proxy.example/registry/", question).unwrap();
            let expected = format!("http://proxy.example/registry/api/v1/health/{path}");
            assert_eq!(target.url.as_str(), expected);
        }
        for (base, verifies) in [
            ("https://a.example", true),
            ("https://192.0.2.7:8443", true),
            ("https://localhost:8443", false),
            ("https://127.0.0.1:8443", false),
            ("https://[::1]:8443", false),
        ] {
            assert_eq!(below(base, Probe::Alive).unwrap().verifies, verifies, "{base}");
        }
        for wrong in ["ftp://a.example", "a.example:80", "", "http://", "https://"] {
            assert!(below(wrong, Probe::Alive).is_err(), "{wrong}");
        }
    }
}
