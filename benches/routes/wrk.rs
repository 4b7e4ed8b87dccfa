//! wrk, the load generator: one thread, the targets of a file in turn.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::report::Latency;
use crate::targets::Header;

const CONNECTIONS: u32 = 32;
/// More, because each of them rests between two requests.
const RESTING_CONNECTIONS: u32 = 64;
/// Time that a request takes at half load, roughly. The rest of a connection's turn is its pause.
const SERVED_IN: Duration = Duration::from_micros(300);

/// One server as wrk is to load it.
pub(crate) struct Wrk {
    url: String,
    seconds: u32,
    targets: PathBuf,
    header: Header,
}

impl Wrk {
    pub(crate) fn new(
        address: SocketAddr,
        seconds: u32,
        targets: &Path,
        header: Option<&Header>,
    ) -> Self {
        // Another header in its place, so that all requests are made the same way.
        let header = header.cloned().unwrap_or(("accept", "*/*".to_owned()));
        Self { url: format!("http://{address}"), seconds, targets: targets.to_owned(), header }
    }

    /// Requests per second at full load.
    pub(crate) fn rate(&self) -> f64 {
        let printed = self.run(CONNECTIONS, Duration::ZERO);
        number(&printed, "Requests/sec:").parse().unwrap()
    }

    /// Latency at about this number of requests per second.
    pub(crate) fn at(&self, rate: f64) -> Latency {
        let turn = Duration::from_secs_f64(f64::from(RESTING_CONNECTIONS) / rate);
        let printed = self.run(RESTING_CONNECTIONS, turn.saturating_sub(SERVED_IN));
        let rate = number(&printed, "Requests/sec:").parse().unwrap();
        Latency { p99: duration(number(&printed, "99%")), rate }
    }

    fn run(&self, connections: u32, pause: Duration) -> String {
        let seconds = self.seconds;
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/routes/targets.lua");
        let output = Command::new("wrk")
            .args(["-t", "1", "-c", &connections.to_string(), "-d", &format!("{seconds}s")])
            .args(["--latency", "-s", script, &self.url, "--"])
            .arg(&self.targets)
            .args([self.header.0, &self.header.1, &pause.as_micros().to_string()])
            .output()
            .expect("wrk is not installed");
        let printed = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{printed}");
        for problem in ["Non-2xx", "Socket errors"] {
            assert!(!printed.contains(problem), "{printed}");
        }
        printed
    }
}

/// The word after a label.
fn number<'a>(printed: &'a str, label: &str) -> &'a str {
    let line = printed.lines().find_map(|line| line.trim().strip_prefix(label));
    line.expect(printed).trim()
}

/// A time as wrk prints it, such as `1.20ms`.
fn duration(text: &str) -> Duration {
    let end = text.find(char::is_alphabetic).unwrap();
    let (value, unit) = text.split_at(end);
    let seconds = match unit {
        "us" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        _ => panic!("{text}"),
    };
    Duration::from_secs_f64(value.parse::<f64>().unwrap() * seconds)
}
