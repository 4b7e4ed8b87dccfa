//! A real registry, CNCF distribution, on a free port with a directory of its own: version 2 from
//! Debian's package, version 3 as scripts/test installs it.

use std::path::Path;
use std::process::Stdio;

use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use crate::tools::{installed_by_us, is_installed};

/// Where Debian puts it.
const PROGRAM: &str = "/usr/bin/docker-registry";
/// What scripts/test calls version 3.
const THIRD: &str = "registry-3.1.2";

/// Who may read it.
pub enum Access<'a> {
    Open,
    /// A file of users as `htpasswd -B` writes it.
    Passwords(&'a str),
    /// Tokens of a server at this address, signed under this certificate.
    Tokens {
        realm: &'a str,
        certificate: &'a str,
    },
}

/// The running registry. Ends with its value.
pub struct DockerRegistry {
    process: Child,
    directory: TempDir,
    address: String,
}

impl DockerRegistry {
    /// Starts one; `None`, and why in the output, where it is not installed. Under `CI=true` it must
    /// be.
    pub async fn start(access: Access<'_>) -> Option<Self> {
        if !is_installed(PROGRAM) {
            return None;
        }
        Some(Self::run(Path::new(PROGRAM), access).await)
    }

    /// Starts one of version 3; `None`, and why in the output, where it is not installed, which takes
    /// Go. Under `CI=true` it must be.
    pub async fn third(access: Access<'_>) -> Option<Self> {
        let program = installed_by_us(THIRD);
        if !is_installed(&program) {
            return None;
        }
        Some(Self::run(&program, access).await)
    }

    async fn run(program: &Path, access: Access<'_>) -> Self {
        let directory = TempDir::new().unwrap();
        let config = directory.path().join("config.yml");
        std::fs::write(&config, configuration(directory.path(), &access)).unwrap();
        let mut process = Command::new(program)
            .env("OTEL_TRACES_EXPORTER", "none")
            .arg("serve")
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
        let address = loop {
            let line = lines.next_line().await.unwrap().expect("the registry did not start");
            if let Some((_, rest)) = line.split_once("listening on ") {
                break rest.split(['"', ' ', ',']).next().unwrap().to_owned();
            }
        };
        // Somebody must read what it writes, or it stands still.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Self { process, directory, address }
    }

    /// `http://127.0.0.1:port`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// `127.0.0.1:port`.
    pub fn authority(&self) -> &str {
        &self.address
    }

    /// Its directory, for whatever a test wants to break.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Ends it and waits until it has ended.
    pub async fn stop(mut self) {
        self.process.kill().await.unwrap();
    }
}

fn configuration(directory: &Path, access: &Access<'_>) -> String {
    let storage = directory.join("storage");
    let auth = match access {
        Access::Open => String::new(),
        Access::Passwords(users) => {
            let path = directory.join("htpasswd");
            std::fs::write(&path, users).unwrap();
            format!("auth:\n  htpasswd:\n    realm: basic-realm\n    path: {}\n", path.display())
        }
        Access::Tokens { realm, certificate } => {
            let path = directory.join("certificate.pem");
            std::fs::write(&path, certificate).unwrap();
            format!(
                "auth:\n  token:\n    realm: {realm}\n    service: test-registry\n    \
                 issuer: test-issuer\n    rootcertbundle: {}\n",
                path.display()
            )
        }
    };
    format!(
        "version: 0.1\nlog:\n  level: info\n  accesslog:\n    disabled: true\nstorage:\n  \
         delete:\n    enabled: true\n  filesystem:\n    rootdirectory: {}\nhttp:\n  \
         addr: 127.0.0.1:0\n  secret: test\n{auth}",
        storage.display()
    )
}
