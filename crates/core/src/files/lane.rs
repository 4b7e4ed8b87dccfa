//! Blocking work on disks that may hang forever: a few threads, and a timeout for callers.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

/// A pool of permits for blocking work.
#[derive(Clone, Debug)]
pub struct Lane {
    places: Arc<Semaphore>,
    patience: Duration,
}

impl Lane {
    /// Creates a lane for `places` jobs at once. `patience` includes the wait for a permit.
    #[must_use]
    pub fn new(places: usize, patience: Duration) -> Self {
        Self { places: Arc::new(Semaphore::new(places)), patience }
    }

    /// Runs a job on a blocking thread. Fails if it timed out or panicked. A job that timed out
    /// keeps its permit until it ends, so a dead mount blocks at most `places` threads.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> io::Result<T> {
        let places = Arc::clone(&self.places);
        let job = async {
            let place = places.acquire_owned().await.map_err(io::Error::other)?;
            let job = spawn_blocking(move || {
                let done = work();
                drop(place);
                done
            });
            job.await.map_err(io::Error::other)
        };
        timeout(self.patience, job).await.unwrap_or_else(|_| {
            let seconds = self.patience.as_secs();
            Err(io::Error::new(
                io::ErrorKind::TimedOut,
                format!(
                    "no answer within {seconds} s; check whether the disk or network mount hangs"
                ),
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use tokio::time::{advance, pause};

    use super::*;

    fn hanging() -> (impl FnOnce() + Send + 'static, mpsc::Sender<()>) {
        let (release, hangs) = mpsc::channel::<()>();
        let work = move || {
            // An error means that the sender was dropped.
            let _ = hangs.recv();
        };
        (work, release)
    }

    #[tokio::test]
    async fn s07e_what_hangs_is_given_up_and_keeps_its_place_until_it_ends() {
        pause();
        let patience = Duration::from_secs(30);
        let lane = Lane::new(2, patience);
        let (mut releases, mut given_up) = (Vec::new(), Vec::new());
        for _ in 0..3 {
            let (work, release) = hanging();
            releases.push(release);
            let lane = lane.clone();
            given_up.push(tokio::spawn(async move { lane.run(work).await }));
            tokio::task::yield_now().await;
        }
        // Busy blocking threads keep the paused clock from advancing automatically.
        advance(patience * 2).await;
        for waited in given_up {
            let error = waited.await.unwrap().unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::TimedOut);
            assert!(error.to_string().contains("mount hangs"), "{error}");
        }
        assert_eq!(lane.places.available_permits(), 0);
        drop(releases);
        assert_eq!(lane.run(|| 7).await.unwrap(), 7, "who ends makes room");
    }
}
