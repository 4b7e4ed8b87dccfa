//! The program as a process of its own, for benches: started, asked, and ended by its id.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

/// The log without requests, and with the line that tells the address.
const QUIET: [&str; 3] = ["--json-log", "--log-level", "warn,extension_registry::service=info"];

/// A serving program.
pub(crate) struct Program {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Program {
    /// Starts it in this directory, which holds its config.toml, and waits until it listens.
    pub(crate) fn start(program: &Path, dir: &Path, port: u16) -> Self {
        Self::start_with(program, dir, &["--port", &port.to_string()], &QUIET)
    }

    /// The same on a free port, with the log as it is by default.
    #[allow(dead_code, reason = "most benches measure without the log")]
    pub(crate) fn start_logging(program: &Path, dir: &Path) -> Self {
        Self::start_with(program, dir, &["--port", "0"], &[])
    }

    /// Starts the sample catalog.
    #[allow(dead_code, reason = "most benches have a catalog of their own")]
    pub(crate) fn start_demo(program: &Path, dir: &Path) -> Self {
        Self::start_with(program, dir, &["--demo", "--port", "0"], &QUIET)
    }

    fn start_with(program: &Path, dir: &Path, port: &[&str], log: &[&str]) -> Self {
        let mut child = Command::new(program)
            .current_dir(dir)
            .env_clear()
            .args(["--host", "127.0.0.1"])
            .args(port)
            .args(log)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let address = log.by_ref().lines().find_map(|line| address(&line.unwrap()));
        // Somebody must read what it writes, or its log drops lines.
        std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
        Self { child, address: address.expect("it ended before it listened") }
    }

    #[allow(dead_code, reason = "not every bench asks by url")]
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}/api/v1{path}", self.address)
    }

    /// Its memory that is in use, in bytes.
    #[allow(dead_code, reason = "not every bench weighs it")]
    pub(crate) fn resident(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
    }

    /// How many files and sockets it has open.
    #[allow(dead_code, reason = "not every bench counts them")]
    pub(crate) fn files(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.child.id())).unwrap().count()
    }

    /// Whether it has not ended.
    #[allow(dead_code, reason = "not every bench ends it")]
    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Sends a signal, such as `-STOP`.
    pub(crate) fn signal(&self, signal: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
    }

    /// Asks it to stop, and waits until it has.
    #[allow(dead_code, reason = "some benches just drop it")]
    pub(crate) fn stop(mut self) -> ExitStatus {
        self.signal("-TERM");
        self.child.wait().unwrap()
    }
}

/// The address in the line of the log that tells it, as text or JSON.
fn address(line: &str) -> Option<SocketAddr> {
    let (_, rest) = line.split_once("address")?;
    let rest = rest.trim_start_matches(|c: char| !c.is_ascii_digit());
    rest.split(|c: char| !matches!(c, '0'..='9' | '.' | ':')).next()?.parse().ok()
}

impl Drop for Program {
    fn drop(&mut self) {
        if self.child.try_wait().is_ok_and(|ended| ended.is_none()) {
            self.signal("-TERM");
            let _ = self.child.wait();
        }
    }
}
