//! nginx as a careful operator runs it, with the bytes of the responses as files.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use tempfile::TempDir;

use crate::targets::{Header, Received, Route, block_on, get, write_lines};

/// Debian's place.
const PROGRAM: &str = "/usr/sbin/nginx";

/// The running server, ended with its value.
pub(crate) struct WebServer {
    pub(crate) address: SocketAddr,
    etag: Option<Header>,
    child: Child,
    _dir: TempDir,
}

impl WebServer {
    /// Starts it over these responses, with this value of `access_log`.
    pub(crate) fn start(route: &Route, responses: &[Received], log: &str) -> Self {
        let dir = TempDir::new().unwrap();
        let html = dir.path().join("html");
        fs::create_dir(&html).unwrap();
        // Its workers run as another user.
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        for (number, response) in responses.iter().enumerate() {
            write(&html, number, response);
        }
        // It cannot tell a port that it chose itself: this one was free a moment ago.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let config = include_str!("../nginx.conf")
            .replace("access_log off", &format!("access_log {log}"))
            .replace("@DIR@", dir.path().to_str().unwrap())
            .replace("@PORT@", &port.to_string())
            .replace("@BACKEND@", "127.0.0.1:9");
        let path = dir.path().join("nginx.conf");
        fs::write(&path, config).unwrap();
        let child = Command::new(PROGRAM).arg("-c").arg(path).spawn().unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        while TcpStream::connect(address).is_err() {
            std::thread::yield_now();
        }
        let mut server = Self { address, etag: None, child, _dir: dir };
        server.etag = server.check(route, responses);
        server
    }

    /// Compares the first response with the program's. Returns the header of a conditional request.
    fn check(&self, route: &Route, responses: &[Received]) -> Option<Header> {
        let url = format!("http://{}/0", self.address);
        let conditional = route.header().is_some_and(|(name, _)| *name == "if-none-match");
        let received = block_on(get(&url, route.header()));
        if conditional {
            let etag = received.headers["etag"].to_str().unwrap().to_owned();
            let header = ("if-none-match", etag);
            assert_eq!(block_on(get(&url, Some(&header))).status, 304);
            return Some(header);
        }
        assert_eq!(received.body, responses[0].body, "nginx sends other bytes");
        None
    }

    /// The header of its requests: its entity tags differ from the program's.
    pub(crate) fn header<'a>(&'a self, route: &'a Route) -> Option<&'a Header> {
        self.etag.as_ref().or(route.header())
    }

    /// Writes the targets of this number of responses into a file.
    #[expect(clippy::unused_self, reason = "the targets are those of a server")]
    pub(crate) fn targets(&self, dir: &Path, count: usize) -> PathBuf {
        let targets: Vec<String> = (0..count).map(|number| format!("/{number}")).collect();
        write_lines(dir, "files", &targets)
    }
}

impl Drop for WebServer {
    fn drop(&mut self) {
        // It ends its workers when it is asked to; killed, it would leave them.
        let id = self.child.id().to_string();
        let _ = Command::new("kill").args(["-TERM", &id]).status();
        let _ = self.child.wait();
    }
}

/// Writes a response as a file; an encoded one as the file that `gzip_static` sends.
fn write(html: &Path, number: usize, response: &Received) {
    let encoded = response.headers.contains_key("content-encoding");
    fs::write(html.join(number.to_string()), if encoded { b"{}" } else { &*response.body })
        .unwrap();
    if encoded {
        fs::write(html.join(format!("{number}.gz")), &response.body).unwrap();
    }
}
