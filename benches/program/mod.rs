//! The program as a process of its own, for benches: started, asked, and ended by its id.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

/// A serving program.
pub(crate) struct Program {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Program {
    /// Starts it in this directory, which holds its config.toml, and waits until it listens.
    pub(crate) fn start(program: &Path, dir: &Path, port: u16) -> Self {
        let mut child = Command::new(program)
            .current_dir(dir)
            .env_clear()
            .args(["--json-log", "--host", "127.0.0.1", "--port", &port.to_string()])
            .args(["--log-level", "warn,extension_registry::app=info"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let address = lines.by_ref().find_map(|line| {
            let line: serde_json::Value = serde_json::from_str(&line.unwrap()).unwrap();
            line["address"].as_str().map(|address| address.parse().unwrap())
        });
        // Somebody must read what it writes, or it stands still.
        std::thread::spawn(move || lines.for_each(drop));
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

    /// Asks it to stop, and waits until it has.
    #[allow(dead_code, reason = "some benches just drop it")]
    pub(crate) fn stop(mut self) -> ExitStatus {
        self.terminate();
        self.child.wait().unwrap()
    }

    fn terminate(&self) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if self.child.try_wait().is_ok_and(|ended| ended.is_none()) {
            self.terminate();
            let _ = self.child.wait();
        }
    }
}
