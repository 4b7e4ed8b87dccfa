//! The life of the service: signals, tasks in the background, and the order in which they end.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use registry_catalog::Catalog;
use registry_server::api::state::Draining;
use registry_server::server::Stop;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tracing::{info, warn};

use crate::app::{LOG_TARGET, systemd};

// Maximum time after the drain: supervisors wait 15 s longer than the drain lasts.
const CLOSE_MAX: Duration = Duration::from_secs(10);

pub(super) struct Lifecycle {
    draining: Draining,
    stop: watch::Receiver<Stop>,
    sync: JoinSet<()>,
    tasks: JoinSet<()>,
}

impl Lifecycle {
    /// From here on signals end nothing by themselves: the first drains, the second ends at once.
    pub(super) fn begin() -> io::Result<Self> {
        let draining = Draining::default();
        let stop = listen_for_signals(draining.clone())?;
        Ok(Self::of(draining, stop))
    }

    fn of(draining: Draining, stop: watch::Receiver<Stop>) -> Self {
        Self { draining, stop, sync: JoinSet::new(), tasks: JoinSet::new() }
    }

    pub(super) fn draining(&self) -> Draining {
        self.draining.clone()
    }

    pub(super) fn stop(&self) -> watch::Receiver<Stop> {
        self.stop.clone()
    }

    /// Returns `None` if a signal comes first, since a disk may hang.
    pub(super) async fn unless_stopped<T>(&mut self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            done = work => Some(done),
            () = asked_to_stop(&mut self.stop) => None,
        }
    }

    /// Keeps the catalog current until the end.
    pub(super) fn sync(&mut self, catalog: &Arc<Catalog>) {
        self.sync = catalog.start();
    }

    /// Runs a task until the end.
    pub(super) fn run(&mut self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(task);
    }

    /// Ends every task, then runs `last`. Gives up after ten seconds, with a warning.
    pub(super) async fn end(mut self, last: impl Future<Output = ()>) {
        let closing = async {
            self.sync.shutdown().await;
            self.tasks.shutdown().await;
            last.await;
        };
        close(closing).await;
        info!(target: LOG_TARGET, "stopped");
    }
}

async fn asked_to_stop(stop: &mut watch::Receiver<Stop>) {
    // An error is the end of who listens for signals.
    let _ = stop.wait_for(|now| *now >= Stop::Drain).await;
}

async fn close(closing: impl Future<Output = ()>) {
    if timeout(CLOSE_MAX, closing).await.is_err() {
        let seconds = CLOSE_MAX.as_secs();
        warn!(target: LOG_TARGET,
            "stopping: state was not saved within {seconds} s; the next start uses the state saved before; check whether the disk or network mount of cache.state_dir hangs"
        );
    }
}

/// Sends the stage of the shutdown after each signal.
fn listen_for_signals(draining: Draining) -> io::Result<watch::Receiver<Stop>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hangup = signal(SignalKind::hangup())?;
    tokio::spawn(async move {
        while hangup.recv().await.is_some() {
            info!(target: LOG_TARGET,
                "SIGHUP is ignored: changed secret files are reloaded automatically; a changed configuration needs a restart"
            );
        }
    });
    let (stop, stopped) = watch::channel(Stop::Not);
    tokio::spawn(async move {
        for step in [Stop::Drain, Stop::Now] {
            next_of(&mut terminate, &mut interrupt).await;
            if !draining.is_begun() {
                systemd::stopping();
            }
            draining.begin();
            stop.send_replace(step);
        }
        // The sender lives on: the server takes its end for a stop.
        std::future::pending::<()>().await;
    });
    Ok(stopped)
}

async fn next_of(terminate: &mut Signal, interrupt: &mut Signal) {
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn s07g_what_is_written_at_the_end_is_waited_for_and_not_for_ever() {
        close(std::future::ready(())).await;
        let begun = tokio::time::Instant::now();
        close(std::future::pending()).await;
        assert_eq!(begun.elapsed(), CLOSE_MAX);
    }

    #[tokio::test(start_paused = true)]
    async fn s07h_a_start_whose_disk_hangs_can_be_stopped() {
        for (now, stops) in [(Stop::Not, false), (Stop::Drain, true), (Stop::Now, true)] {
            let (_sender, stop) = watch::channel(now);
            let mut lifecycle = Lifecycle::of(Draining::default(), stop);
            let hangs = lifecycle.unless_stopped(std::future::pending::<()>());
            let stopped = timeout(CLOSE_MAX, hangs).await;
            assert_eq!(stopped.is_ok(), stops, "{now:?}");
        }
    }
}
