//! Real Redis and Valkey servers, each on a socket in a directory of its own, behind a proxy that can
//! hold, cut and change what they say.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::process::{Child, Command};
use tokio::time::sleep;

use crate::engine_proxy::EngineProxy;
use crate::tools::{installed_by_us, is_installed};

/// What scripts/test calls Valkey.
const VALKEY: &str = "valkey-server-9.1.2";
/// Where Debian puts Redis.
const REDIS: &str = "/usr/bin/redis-server";

/// A product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Product {
    Redis,
    Valkey,
}

impl Product {
    pub const ALL: [Self; 2] = [Self::Redis, Self::Valkey];

    fn program(self) -> PathBuf {
        match self {
            Self::Redis => REDIS.into(),
            Self::Valkey => installed_by_us(VALKEY),
        }
    }
}

/// A running server. Ends with its value.
pub struct EngineServer {
    product: Product,
    options: Vec<String>,
    process: Child,
    directory: TempDir,
    /// Everything between this server and its clients.
    pub proxy: EngineProxy,
}

impl EngineServer {
    /// Starts one with options such as `--maxmemory 3mb`; `None`, and why in the output, where it is not
    /// installed. Under `CI=true` it must be.
    pub async fn start(product: Product, options: &str) -> Option<Self> {
        let options = data_options(options);
        Self::with_options(product, |_, _| options).await
    }

    /// Like [`EngineServer::start`], with options for its directory and its proxy.
    pub(crate) async fn with_options(
        product: Product,
        options: impl FnOnce(&Path, &EngineProxy) -> Vec<String>,
    ) -> Option<Self> {
        if !is_installed(product.program()) {
            return None;
        }
        let directory = TempDir::new().unwrap();
        let proxy = EngineProxy::start(&directory.path().join("socket")).await;
        let options = options(directory.path(), &proxy);
        let process = spawn(product, directory.path(), &options);
        let server = Self { product, options, process, directory, proxy };
        server.ready().await;
        Some(server)
    }

    /// `redis://127.0.0.1:PORT/0`.
    pub fn url(&self) -> String {
        self.proxy.url()
    }

    /// Starts another proxy before it, for one client of several.
    pub async fn another_proxy(&self) -> EngineProxy {
        EngineProxy::start(&self.directory.path().join("socket")).await
    }

    /// Gets the new connections of a proxy that led to another server.
    pub fn takes_over(&self, proxy: &EngineProxy) {
        proxy.lead_to(&self.directory.path().join("socket"));
    }

    /// Kills it, and waits until it has ended. It keeps nothing.
    pub async fn kill(&mut self) {
        self.process.kill().await.unwrap();
    }

    /// Starts it again after [`EngineServer::kill`], empty.
    pub async fn restart(&mut self) {
        self.process = spawn(self.product, self.directory.path(), &self.options);
        self.ready().await;
    }

    /// Sends a signal, such as `-STOP`.
    pub fn signal(&self, signal: &str) {
        let id = self.process.id().unwrap().to_string();
        let sent = std::process::Command::new("kill").args([signal, &id]).status();
        assert!(sent.unwrap().success());
    }

    /// Sends a command past the proxy, and returns the whole answer as it came.
    pub async fn command(&self, command: &[&str]) -> String {
        let mut stream = UnixStream::connect(self.directory.path().join("socket")).await.unwrap();
        let mut sent = format!("*{}\r\n", command.len());
        for part in command {
            sent += &format!("${}\r\n{part}\r\n", part.len());
        }
        stream.write_all(sent.as_bytes()).await.unwrap();
        // The server closes the connection behind the answer. Sentinels do not know QUIT.
        stream.shutdown().await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        String::from_utf8_lossy(&answer).trim_end().to_owned()
    }

    async fn ready(&self) {
        let socket = self.directory.path().join("socket");
        for _ in 0..1000 {
            if UnixStream::connect(&socket).await.is_ok() {
                return;
            }
            sleep(Duration::from_millis(10)).await;
        }
        panic!("{:?} did not start", self.product);
    }
}

/// Options of a server that holds data, and keeps nothing on disk.
pub(crate) fn data_options(further: &str) -> Vec<String> {
    let kept = ["--save", "", "--appendonly", "no"].into_iter();
    let further = further.split(' ').filter(|word| !word.is_empty());
    kept.chain(further).map(Into::into).collect()
}

fn spawn(product: Product, directory: &Path, options: &[String]) -> Child {
    Command::new(product.program())
        .args(options)
        .args(["--port", "0", "--unixsocket"])
        .arg(directory.join("socket"))
        .args(["--daemonize", "no", "--dir"])
        .arg(directory)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}
