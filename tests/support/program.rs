//! The program itself, as a process of its own.

use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use registry_testing::canary;
use reqwest::Method;
use serde_json::Value;
use tokio::time::Instant;

use crate::support::served::Got;

pub const PROGRAM: &str = env!("CARGO_BIN_EXE_extension-registry");
/// Longer than anything that a test waits for takes on a busy machine.
const WAIT_MAX: Duration = Duration::from_mins(1);

/// The program in an empty environment and this directory.
pub fn program(dir: &Path) -> Command {
    let mut command = Command::new(PROGRAM);
    command.current_dir(dir).env_clear().stdin(Stdio::null());
    command
}

/// The program without the right of root to read everybody's files.
pub fn unprivileged(dir: &Path) -> Command {
    let plain = program(dir);
    if std::fs::metadata("/proc/self").unwrap().uid() != 0 {
        return plain;
    }
    let mut command = Command::new("setpriv");
    let rights = "-dac_override,-dac_read_search";
    command.args(["--bounding-set", rights, "--inh-caps", rights, "--"]).arg(plain.get_program());
    command.current_dir(dir);
    command
}

/// Runs it to its end.
pub fn run(dir: &Path, arguments: &[&str]) -> Output {
    let output = program(dir).args(arguments).output().unwrap();
    canary::shown("standard output", &output.stdout);
    canary::shown("standard error", &output.stderr);
    output
}

/// What it wrote to standard error.
pub fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// A serving program, ended by its id when dropped.
pub struct Running {
    child: Child,
    pub address: SocketAddr,
    /// Its log up to the line that told the address.
    pub before: Vec<String>,
    log: mpsc::Receiver<String>,
}

impl Running {
    /// Starts it and waits for the line of its log that tells the address.
    pub fn start(dir: &Path, arguments: &[&str]) -> Self {
        Self::start_with(dir, arguments, &[])
    }

    /// The same in an environment.
    pub fn start_with(dir: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let mut command = program(dir);
        command.envs(environment.iter().copied()).args(arguments);
        Self::of(command)
    }

    /// Starts it by a command that becomes the program, on a free port.
    pub fn of(mut command: Command) -> Self {
        command.args(["--port", "0", "--json-log"]);
        Self::of_exactly(command)
    }

    /// Starts it by a command that becomes the program, has every argument, and logs JSON.
    pub fn of_exactly(mut command: Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let log = lines(child.stderr.take().unwrap());
        let mut before = Vec::new();
        let address = log.iter().find_map(|line| {
            let value: Value = serde_json::from_str(&line).expect(&line);
            before.push(line);
            value["address"].as_str().map(|address| address.parse().unwrap())
        });
        Self { child, address: address.expect("the log ended without an address"), before, log }
    }

    /// The process's number.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal, such as `-TERM`.
    pub fn signal(&self, signal: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
    }

    /// Waits for the next line of its log, for a minute.
    pub fn next_line(&self) -> String {
        self.log.recv_timeout(WAIT_MAX).expect("the log has no further line")
    }

    /// Waits for a line of its log that `is_awaited`, for a minute. Returns the lines from the start to
    /// this one; it may be among those before the line with the address.
    pub fn lines_until(&self, is_awaited: impl Fn(&str) -> bool) -> Vec<String> {
        let (mut lines, begun) = (self.before.clone(), Instant::now());
        if let Some(place) = lines.iter().position(|line| is_awaited(line)) {
            lines.truncate(place + 1);
            return lines;
        }
        while !lines.last().is_some_and(|line| is_awaited(line)) {
            // Other lines may come for ever.
            assert!(begun.elapsed() < WAIT_MAX, "the awaited line does not come: {lines:#?}");
            lines.push(self.next_line());
        }
        lines
    }

    /// Waits for its end; how it ended, and the rest of its log.
    pub fn wait(mut self) -> (ExitStatus, Vec<String>) {
        let status = self.child.wait().unwrap();
        (status, self.log.iter().collect())
    }

    /// Asks for a path below `/api/v1`.
    pub async fn get(&self, path: &str) -> Got {
        self.send(Method::GET, path, &[], "").await
    }

    /// Asks for a path below `/api/v1` until a response `is_awaited`, for a minute.
    pub async fn get_until(&self, path: &str, is_awaited: impl Fn(&Got) -> bool) -> Got {
        let asked = async {
            loop {
                let got = self.get(path).await;
                if is_awaited(&got) {
                    break got;
                }
                tokio::task::yield_now().await;
            }
        };
        let got = tokio::time::timeout(WAIT_MAX, asked).await;
        got.unwrap_or_else(|_| panic!("{path} never gave the awaited response"))
    }

    /// Sends a request below `/api/v1`.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Got {
        let client = registry_testing::http::client_builder().build().unwrap();
        let mut request = client.request(method, format!("http://{}/api/v1{path}", self.address));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Got::read(request.body(body.to_owned()).send().await.unwrap()).await
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Asked kindly, so that it takes its sample catalog with it; it may have ended long ago.
        if self.child.try_wait().is_ok_and(|ended| ended.is_none()) {
            self.signal("-TERM");
        }
        let _ = self.child.wait();
    }
}

/// The lines that something writes, as they come.
pub fn lines(mut from: impl std::io::Read + Send + 'static) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut line = Vec::new();
        let mut byte = [0];
        while from.read(&mut byte).is_ok_and(|read| read == 1) {
            if byte[0] == b'\n' {
                canary::shown("a line of the program", &line);
                let _ = sender.send(String::from_utf8_lossy(&line).into_owned());
                line.clear();
            } else {
                line.push(byte[0]);
            }
        }
    });
    receiver
}
