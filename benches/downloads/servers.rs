//! The servers that are measured, each a process of its own on a free port.

use std::io::{BufRead as _, BufReader};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

/// A server, ended with its value.
pub(crate) struct Process {
    pub(crate) address: SocketAddr,
    child: Child,
    _dir: TempDir,
}

impl Process {
    /// Bytes of its memory that are resident.
    pub(crate) fn resident(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // nginx ends its workers when it is asked to; killed, it would leave them.
        let id = self.child.id().to_string();
        let _ = Command::new("kill").args(["-TERM", &id]).status();
        let _ = self.child.wait();
    }
}

/// nginx with `/big` as a file and the registry behind `/proxy/`.
pub(crate) fn nginx(registry: &str, big: &[u8]) -> Process {
    let dir = tempfile::tempdir().unwrap();
    let html = dir.path().join("html");
    std::fs::create_dir(&html).unwrap();
    std::fs::write(html.join("big"), big).unwrap();
    open_to_all(dir.path());
    // It cannot tell a port that it chose itself: this one was free a moment ago.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let config = include_str!("../nginx.conf")
        .replace("@DIR@", dir.path().to_str().unwrap())
        .replace("@PORT@", &port.to_string())
        .replace("@BACKEND@", registry);
    let path = dir.path().join("nginx.conf");
    std::fs::write(&path, config).unwrap();
    let child = Command::new("/usr/sbin/nginx").arg("-c").arg(path).spawn().unwrap();
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    while TcpStream::connect(address).is_err() {
        std::thread::yield_now();
    }
    Process { address, child, _dir: dir }
}

/// Its workers run as another user.
fn open_to_all(dir: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// This very program as a proxy that hashes what it passes on.
pub(crate) fn proxy(registry: &str) -> Process {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["hashing-proxy", registry]).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let address = line.trim().parse().unwrap();
    Process { address, child, _dir: tempfile::tempdir().unwrap() }
}

/// The service over this registry, with a store or without.
pub(crate) fn service(registry: &str, store: bool) -> Process {
    let dir = tempfile::tempdir().unwrap();
    let state = if store { "[cache]\nstate_dir = \"state\"\n" } else { "" };
    let config = format!(
        "[server]\nhost = \"127.0.0.1\"\n[oci]\nregistry = \"{registry}\"\n\
         namespace = \"provisioning\"\nrepositories = [\"big-provider\"]\n{state}"
    );
    std::fs::write(dir.path().join("config.toml"), config).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_extension-registry"))
        .args(["--port", "0", "--json-log", "--log-level", "warn,extension_registry::service=info"])
        .current_dir(dir.path())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let address = lines.find_map(|line| {
        let line: serde_json::Value = serde_json::from_str(&line.unwrap()).unwrap();
        line["address"].as_str().map(|address| address.parse().unwrap())
    });
    // Somebody must read what it writes, or it stands still.
    std::thread::spawn(move || lines.for_each(drop));
    Process { address: address.unwrap(), child, _dir: dir }
}
