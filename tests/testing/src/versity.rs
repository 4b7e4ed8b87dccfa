//! A real S3 server, versitygw, on a free port with a directory of its own, as scripts/test installs it.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::time::sleep;

use crate::tools::{installed_by_us, is_installed};

/// What scripts/test calls it.
const PROGRAM: &str = "versitygw-1.8.0";
/// The one access key that it knows, and its secret.
pub const ACCESS: [&str; 2] = ["AKIATEST", "test/secret+1"];
/// Its one bucket.
pub const BUCKET: &str = "extension-registry";

/// The running server. Ends with its value.
pub struct Versity {
    process: Child,
    directory: TempDir,
    port: u16,
}

impl Versity {
    /// Starts one; `None`, and why in the output, where it is not installed, which takes Go. Under
    /// `CI=true` it must be.
    pub async fn start() -> Option<Self> {
        if !is_installed(installed_by_us(PROGRAM)) {
            return None;
        }
        let directory = TempDir::new().unwrap();
        fs::create_dir(directory.path().join(BUCKET)).unwrap();
        let process = spawn(directory.path(), 0);
        // It does not say which port it got.
        let port = port_of(&process).await;
        Some(Self { process, directory, port })
    }

    /// Kills it, and waits until it has ended. The objects stay.
    pub async fn kill(&mut self) {
        self.process.kill().await.unwrap();
    }

    /// Starts it again after [`Versity::kill`], on the same port.
    pub async fn restart(&mut self) {
        self.process = spawn(self.directory.path(), self.port);
        port_of(&self.process).await;
    }

    /// Sends a signal, such as `-STOP`.
    pub fn signal(&self, signal: &str) {
        let id = self.process.id().unwrap().to_string();
        let sent = std::process::Command::new("kill").args([signal, &id]).status();
        assert!(sent.unwrap().success());
    }

    /// `http://127.0.0.1:port`.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The directory of the bucket, whose files are its objects.
    pub fn directory(&self) -> std::path::PathBuf {
        self.directory.path().join(BUCKET)
    }
}

fn spawn(directory: &Path, port: u16) -> Child {
    let [id, secret] = ACCESS;
    Command::new(installed_by_us(PROGRAM))
        .args(["--port", &format!("127.0.0.1:{port}"), "--access", id, "--secret", secret])
        .args(["--quiet", "--region", "us-east-1", "posix"])
        .arg(directory)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

/// Waits until a server listens.
async fn port_of(process: &Child) -> u16 {
    let id = process.id().unwrap();
    for _ in 0..600 {
        if let Some(port) = listening_port(id) {
            return port;
        }
        sleep(Duration::from_millis(50)).await;
    }
    panic!("versitygw did not start");
}

/// The port that a process listens on.
fn listening_port(process: u32) -> Option<u16> {
    let descriptors = fs::read_dir(format!("/proc/{process}/fd")).ok()?;
    let links = descriptors.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
    let inodes: Vec<String> = links.filter_map(|link| inode(&link)).collect();
    let table = fs::read_to_string("/proc/net/tcp").ok()?;
    table.lines().skip(1).find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let is_ours = fields[3] == "0A" && inodes.iter().any(|inode| inode == fields[9]);
        let (_, port) = fields[1].split_once(':')?;
        is_ours.then(|| u16::from_str_radix(port, 16).ok())?
    })
}

fn inode(link: &Path) -> Option<String> {
    let name = link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?;
    Some(name.to_owned())
}
