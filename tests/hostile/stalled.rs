//! What thousands of downloads that stand still make the program hold (S1), from a directory, from the
//! store of archives and from a backend.

use std::path::Path;

use hyper::body::Incoming;
use registry_testing::fake_gitea::FakeGitea;
use registry_testing::fake_gitea::state::{ORGANIZATION, State};
use registry_testing::http2::Http2;
use registry_testing::ids::id;
use reqwest::StatusCode;
use tokio::task::JoinSet;
use tokio::time::{Duration, sleep};

use crate::support::figures::figure;
use crate::support::layouts::publish;
use crate::support::program::Running;

pub(super) const DOWNLOAD: &str = "/extensions/provider/aws/1.0.0";
/// What stalled downloads may make the program grow by, in KiB. Futures of a debug build are two to
/// three times larger than those of a release build, for which `scripts/bench clients` asserts 96 MiB.
const HELD_MAX: u64 = 128 * 1024;
/// Length of the archive, in bytes.
const ARCHIVE: usize = 8 << 20;

/// The most memory that the program had so far, in KiB.
fn peak(running: &Running) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", running.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

/// Asks for one archive over 50 connections of 100 streams each, all at once, and reads nothing.
async fn stalled(running: &Running, window: u32) -> Vec<hyper::Response<Incoming>> {
    let mut asked = JoinSet::new();
    for _ in 0..50 {
        let (client, _) = Http2::connect(running.address, window).await;
        for _ in 0..100 {
            let client = client.clone();
            asked.spawn(async move { client.ask(DOWNLOAD).await.unwrap() });
        }
    }
    asked.join_all().await
}

/// Where the archive comes from.
#[derive(Clone, Copy, Debug)]
enum From {
    Directory,
    Store,
    Backend,
}

impl From {
    /// Writes the configuration for it. A fake Gitea has to live as long as the program.
    async fn configure(self, dir: &Path) -> Option<FakeGitea> {
        let (config, fake) = if matches!(self, Self::Directory) {
            publish(&dir.join("layouts"), &id("provider/aws"), "1.0.0", "d", &vec![7; ARCHIVE]);
            ("[local]\npath = \"layouts\"\n".to_owned(), None)
        } else {
            let mut state = State::empty();
            state.create_released("aws_prov", "1.0.0", &vec![7; ARCHIVE]);
            let fake = FakeGitea::start(state).await;
            let gitea = format!(
                "[gitea]\nurl = \"{}\"\norganization = \"{ORGANIZATION}\"\ntimeout_seconds = 4\n",
                fake.url()
            );
            let bytes = if matches!(self, Self::Store) { "1GiB" } else { "0" };
            let cache =
                format!("[cache]\nstate_dir = \"state\"\nartifact_cache_bytes = \"{bytes}\"\n");
            (gitea + &cache, Some(fake))
        };
        std::fs::write(dir.join("config.toml"), config).unwrap();
        fake
    }

    /// KiB by which 5,000 stalled downloads make the program grow.
    async fn grown_by(self, window: u32) -> u64 {
        let dir = tempfile::tempdir().unwrap();
        let fake = self.configure(dir.path()).await;
        let running = Running::start(dir.path(), &["--host", "127.0.0.1"]);
        while running.get("/extensions").await.column("name") != ["aws"] {
            sleep(Duration::from_millis(20)).await;
        }
        if matches!(self, Self::Store) {
            assert_eq!(running.get(DOWNLOAD).await.body.len(), ARCHIVE);
        }
        let before = peak(&running);
        let held = stalled(&running, window).await;
        let grown = peak(&running) - before;
        let served = held.iter().filter(|answer| answer.status() == StatusCode::OK).count();
        assert!(served >= if fake.is_some() { 6 } else { 200 }, "{self:?}: {served}");
        figure(&format!(
            "S1 {grown} KiB held of 5000 downloads ({self:?}) with windows of {window}, {served} served"
        ));
        grown
    }

    async fn holds_little(self, window: u32) {
        let grown = self.grown_by(window).await;
        assert!(grown <= HELD_MAX, "{grown} KiB are held of {self:?} with windows of {window}");
    }
}

#[tokio::test]
async fn s01_five_thousand_stalled_downloads_hold_little_memory() {
    for window in [0, 1, 100_000] {
        From::Directory.holds_little(window).await;
    }
}

#[tokio::test]
async fn s01e_stalled_downloads_of_stored_archives_hold_no_more() {
    From::Store.holds_little(1).await;
}

#[tokio::test]
async fn s01f_stalled_downloads_from_a_backend_hold_no_more() {
    From::Backend.holds_little(1).await;
}
