//! Renders large pages on threads that serve no connections.

use std::sync::Arc;
use std::thread::available_parallelism;

use registry_core::error::{Error, ErrorKind, Result};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

// Number of rows rendered directly on the connection's thread: a tenth of a millisecond.
const ROWS_AT_ONCE: usize = 100;

/// Renders large pages of lists and searches on blocking threads.
#[derive(Clone, Debug)]
pub struct Renderer(Arc<Semaphore>);

impl Default for Renderer {
    fn default() -> Self {
        // Half of the cores stay free for everything else.
        let cores = available_parallelism().map_or(1, usize::from);
        Self(Arc::new(Semaphore::new((cores / 2).max(1))))
    }
}

impl Renderer {
    /// Renders a page with this number of rows; more than a hundred wait for a permit. Fails with
    /// the error of the work, or a panic.
    pub async fn run<T: Send + 'static>(
        &self,
        rows: usize,
        work: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        if rows <= ROWS_AT_ONCE {
            return work();
        }
        let permit = Arc::clone(&self.0).acquire_owned().await;
        let permit = permit.map_err(|error| unrendered().because(error))?;
        // The permit is returned together with the page: otherwise finished pages could accumulate
        // in memory faster than the connections take them.
        let made = spawn_blocking(move || (work(), permit)).await;
        let (made, _permit) = made.map_err(|error| unrendered().because(error))?;
        made
    }
}

fn unrendered() -> Error {
    Error::new(ErrorKind::Internal, "An answer cannot be rendered")
}
