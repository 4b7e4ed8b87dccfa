//! `healthcheck`: asks the running service whether it lives, in one request without a client, so
//! that a container can do it every few seconds.

use std::io;
use std::net::IpAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use url::{Host, Url};

use crate::config::{Sources, listening};
use crate::operations::{Failure, print};

/// Answering takes the service less than a millisecond.
const PATIENCE: Duration = Duration::from_secs(3);
const PATH: &str = "/api/v1/health/live";
/// `HTTP/1.1 200`: more of the answer is not looked at.
const STATUS_END: usize = 12;

/// Every failure has the exit code 1, as container engines want it, a wrong configuration too.
pub(super) fn run(url: Option<&str>, sources: &Sources<'_>) -> Result<(), Failure> {
    let url = match url {
        Some(url) => below(url),
        None => listening(sources).map_err(|problems| problems.to_string()).and_then(|place| {
            let (host, port) = place;
            own(&host, port)
        }),
    };
    let url = url.map_err(Failure::Failed)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let asked = async { timeout(PATIENCE, ask(&url)).await };
    let asked = runtime.map_err(Failure::failed)?.block_on(asked);
    let status = asked.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
    match status {
        Ok(status) if status == "200" => print(format!("healthy: {url}\n").as_bytes()),
        Ok(status) => Err(Failure::Failed(format!("unhealthy: {url} answered {status:?}"))),
        Err(error) => Err(Failure::Failed(format!("unhealthy: {url}: {error}"))),
    }
}

/// The address of our health below an address that was named.
fn below(base: &str) -> Result<Url, String> {
    let wrong = || format!("--url: {base:?} is no address such as http://registry:8082");
    let mut url: Url = base.parse().map_err(|_| wrong())?;
    if url.scheme() != "http" || url.host().is_none() {
        return Err(wrong());
    }
    let path = format!("{}{PATH}", url.path().trim_end_matches('/'));
    url.set_path(&path);
    Ok(url)
}

/// The same for where a configuration listens. Who listens everywhere is asked on this machine.
pub(super) fn own(host: &str, port: u16) -> Result<Url, String> {
    if port == 0 {
        return Err("server.port is 0, which is any port: name the service with --url".to_owned());
    }
    let host = match host.parse() {
        Ok(IpAddr::V4(address)) if address.is_unspecified() => "127.0.0.1".to_owned(),
        Ok(IpAddr::V6(address)) if address.is_unspecified() => "[::1]".to_owned(),
        Ok(IpAddr::V6(address)) => format!("[{address}]"),
        _ => host.to_owned(),
    };
    format!("http://{host}:{port}{PATH}").parse().map_err(|error| format!("server.host: {error}"))
}

/// The status that the address answers with.
pub(super) async fn ask(url: &Url) -> io::Result<String> {
    let port = url.port_or_known_default().unwrap_or(80);
    let mut stream = match url.host() {
        Some(Host::Ipv4(address)) => TcpStream::connect((address, port)).await?,
        Some(Host::Ipv6(address)) => TcpStream::connect((address, port)).await?,
        Some(Host::Domain(name)) => TcpStream::connect((name, port)).await?,
        None => return Err(io::ErrorKind::InvalidInput.into()),
    };
    let (path, host) = (url.path(), url.authority());
    let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut head = [0; STATUS_END];
    stream.read_exact(&mut head).await?;
    let head = String::from_utf8_lossy(&head);
    Ok(head.strip_prefix("HTTP/1.1 ").unwrap_or(&head).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_listens_everywhere_is_asked_on_this_machine() {
        for (host, expected) in [
            ("0.0.0.0", "http://127.0.0.1:8082/api/v1/health/live"),
            ("::", "http://[::1]:8082/api/v1/health/live"),
            ("::1", "http://[::1]:8082/api/v1/health/live"),
            ("10.0.0.7", "http://10.0.0.7:8082/api/v1/health/live"),
            ("localhost", "http://localhost:8082/api/v1/health/live"),
        ] {
            assert_eq!(own(host, 8082).unwrap().as_str(), expected);
        }
        assert!(own("0.0.0.0", 0).unwrap_err().contains("--url"));
    }

    #[test]
    fn an_address_may_have_a_path_and_no_other_scheme() {
        let url = below("http://proxy.example/registry/").unwrap();
        assert_eq!(url.as_str(), "http://proxy.example/registry/api/v1/health/live");
        for wrong in ["https://a.example", "a.example:80", "", "http://"] {
            assert!(below(wrong).is_err(), "{wrong}");
        }
    }
}
