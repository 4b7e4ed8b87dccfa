//! Ctrl-C: ends a command at once, unless the command has to clean up.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::watch;

use crate::failure::{ClientFailure, FailureKind, Result};

/// Ctrl-C, as a command sees it.
#[derive(Debug)]
pub(crate) struct Interrupts {
    count: watch::Sender<usize>,
    holds: AtomicUsize,
}

impl Interrupts {
    /// Creates the state of a program that was not interrupted.
    pub(crate) fn new() -> Self {
        Self { count: watch::Sender::new(0), holds: AtomicUsize::new(0) }
    }

    /// Waits until the command has to end: at the first Ctrl-C, or at the second one if the command
    /// holds the first.
    pub(crate) async fn watch(&self) -> ClientFailure {
        loop {
            if let Err(error) = tokio::signal::ctrl_c().await {
                return ClientFailure::failed(format!("Ctrl-C cannot be watched: {error}"));
            }
            self.count.send_modify(|count| *count += 1);
            if self.holds.load(Ordering::Relaxed) == 0 || *self.count.borrow() > 1 {
                return interrupted();
            }
        }
    }

    /// Passes the first Ctrl-C to the command until the hold is dropped.
    pub(crate) fn hold(&self) -> InterruptHold<'_> {
        self.holds.fetch_add(1, Ordering::Relaxed);
        InterruptHold { interrupts: self, count: self.count.subscribe() }
    }
}

/// The command's promise that it ends soon after Ctrl-C.
#[derive(Debug)]
pub(crate) struct InterruptHold<'a> {
    interrupts: &'a Interrupts,
    count: watch::Receiver<usize>,
}

impl InterruptHold<'_> {
    /// Fails after Ctrl-C.
    pub(crate) fn check(&self) -> Result<()> {
        if *self.count.borrow() > 0 { Err(interrupted()) } else { Ok(()) }
    }

    /// Waits for Ctrl-C.
    pub(crate) async fn wait(&self) -> ClientFailure {
        let mut count = self.count.clone();
        // The sender lives as long as the hold.
        let _ = count.wait_for(|count| *count > 0).await;
        interrupted()
    }
}

impl Drop for InterruptHold<'_> {
    fn drop(&mut self) {
        self.interrupts.holds.fetch_sub(1, Ordering::Relaxed);
    }
}

fn interrupted() -> ClientFailure {
    ClientFailure::new(FailureKind::Interrupted, "interrupted")
}
