//! Requests at a fixed rate, each timed from when it was meant to be sent: a stall counts for
//! everyone behind it.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

/// How much is asked.
#[derive(Clone, Copy)]
pub(crate) struct Load {
    /// Asked for in turn.
    pub(crate) paths: &'static [&'static str],
    pub(crate) per_second: u32,
    pub(crate) seconds: u32,
    pub(crate) connections: u32,
}

impl Load {
    /// Asks the service at this address, such as `http://127.0.0.1:80`; the latencies in order.
    pub(crate) async fn play(self, base: &str) -> Vec<Duration> {
        let address = base.strip_prefix("http://").unwrap();
        let begun = Instant::now() + Duration::from_millis(100);
        let mut senders = JoinSet::new();
        for first in 0..self.connections {
            senders.spawn(self.sender(address.to_owned(), begun, first));
        }
        let mut all: Vec<Duration> = senders.join_all().await.into_iter().flatten().collect();
        assert_eq!(all.len(), (self.per_second * self.seconds) as usize);
        all.sort();
        all
    }

    /// Sends every request whose turn is on this connection, whenever its predecessor was answered.
    async fn sender(self, address: String, begun: Instant, first: u32) -> Vec<Duration> {
        let mut stream = TcpStream::connect(&address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let mut latencies = Vec::new();
        let numbers = first..self.per_second * self.seconds;
        for number in numbers.step_by(self.connections as usize) {
            let meant = begun + Duration::from_secs(1) * number / self.per_second;
            sleep_until(meant).await;
            let path = self.paths[number as usize % self.paths.len()];
            let request = format!("GET /api/v1{path} HTTP/1.1\r\nhost: x\r\n\r\n");
            stream.write_all(request.as_bytes()).await.unwrap();
            read_answer(&mut stream).await;
            latencies.push(meant.elapsed());
        }
        latencies
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a share is from 0 to 1"
)]
/// The latency that this share of all is below.
pub(crate) fn percentile(sorted: &[Duration], share: f64) -> Duration {
    sorted[((sorted.len() - 1) as f64 * share) as usize]
}

async fn read_answer(stream: &mut TcpStream) {
    let mut answer = Vec::with_capacity(2048);
    loop {
        assert_ne!(stream.read_buf(&mut answer).await.unwrap(), 0, "cut");
        let text = std::str::from_utf8(&answer).unwrap();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
        if body.len() == length.parse::<usize>().unwrap() {
            return;
        }
    }
}
