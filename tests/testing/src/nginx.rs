//! A real nginx before a server of a test, from Debian's package. It listens on a socket of its own
//! directory. A relay forwards a free port to that socket and passes the client's address on in a
//! PROXY header (version 1), so that `$remote_addr` is the client.

use std::path::Path;
use std::process::Stdio;

use tempfile::TempDir;
use tokio::io::{AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, UnixStream};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;

use crate::tools::is_installed;

/// Where Debian puts it.
const PROGRAM: &str = "/usr/sbin/nginx";

/// The running nginx. Ends with its value.
pub struct Nginx {
    address: String,
    directory: TempDir,
    relay: JoinHandle<()>,
    _process: Child,
}

impl Nginx {
    /// Starts one before the server at this authority, with these lines in its `http` and in its
    /// `location` block. `None`, and why in the output, where it is not installed; under `CI=true`
    /// it must be.
    pub async fn before(upstream: &str, http: &str, location: &str) -> Option<Self> {
        Self::of(|at| server(at, upstream, http, location)).await
    }

    /// Starts one whose `http` block ends in what this makes of its directory. It has to listen on
    /// the socket `socket` there, with `proxy_protocol`.
    pub async fn of(http: impl FnOnce(&Path) -> String) -> Option<Self> {
        if !is_installed(PROGRAM) {
            return None;
        }
        let directory = TempDir::new().unwrap();
        let (config, socket) =
            (directory.path().join("nginx.conf"), directory.path().join("socket"));
        let http = http(directory.path());
        std::fs::write(&config, configuration(directory.path(), &http)).unwrap();
        let process = Command::new(PROGRAM)
            .arg("-p")
            .arg(directory.path())
            .arg("-e")
            .arg(directory.path().join("error.log"))
            .arg("-c")
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::inherit())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        while UnixStream::connect(&socket).await.is_err() {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let relay = tokio::spawn(async move {
            while let Ok((mut client, peer)) = listener.accept().await {
                let socket = socket.clone();
                tokio::spawn(async move {
                    if let Ok(mut server) = UnixStream::connect(&socket).await {
                        let (ip, port) = (peer.ip(), peer.port());
                        let header = format!("PROXY TCP4 {ip} 127.0.0.1 {port} 80\r\n");
                        server.write_all(header.as_bytes()).await.ok();
                        copy_bidirectional(&mut client, &mut server).await.ok();
                    }
                });
            }
        });
        Some(Self { address, directory, relay, _process: process })
    }

    /// Where clients reach it.
    pub fn authority(&self) -> &str {
        &self.address
    }

    /// `http://127.0.0.1:port`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The log of warnings and errors so far.
    pub fn errors(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("error.log")).unwrap()
    }

    /// The status of every answer so far.
    pub fn statuses(&self) -> Vec<u16> {
        let log = std::fs::read_to_string(self.directory.path().join("access.log")).unwrap();
        log.lines().map(|status| status.parse().unwrap()).collect()
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        self.relay.abort();
    }
}

fn configuration(directory: &Path, http: &str) -> String {
    let at = directory.display();
    format!(
        "daemon off;\nmaster_process off;\npid {at}/pid;\nerror_log {at}/error.log warn;\n\
         events {{}}\nhttp {{\n  log_format status '$status';\n  access_log {at}/access.log status;\n  \
         client_body_temp_path {at}/body;\n  proxy_temp_path {at}/proxy;\n  \
         fastcgi_temp_path {at}/fastcgi;\n  uwsgi_temp_path {at}/uwsgi;\n  scgi_temp_path {at}/scgi;\n  \
         set_real_ip_from unix:;\n  real_ip_header proxy_protocol;\n  {http}\n}}\n"
    )
}

fn server(directory: &Path, upstream: &str, http: &str, location: &str) -> String {
    let at = directory.display();
    format!(
        "{http}\n  server {{\n    listen unix:{at}/socket proxy_protocol;\n    \
         location / {{\n      {location}\n      \
         proxy_set_header Host {upstream};\n      proxy_pass http://{upstream};\n    }}\n  }}"
    )
}
