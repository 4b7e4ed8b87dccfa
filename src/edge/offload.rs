//! CPU-bound work of milliseconds on threads that serve no connections.

use std::sync::Arc;
use std::thread::available_parallelism;

use axum::response::Response;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use crate::edge::uncoded::Uncoded;
use crate::error::{Error, ErrorKind, Result};

// Number of rows rendered directly on the connection's thread: a tenth of a millisecond.
const ROWS_AT_ONCE: usize = 100;

fn half_of_the_cores() -> Arc<Semaphore> {
    let cores = available_parallelism().map_or(1, usize::from);
    Arc::new(Semaphore::new((cores / 2).max(1)))
}

/// Renders large pages of lists and searches on blocking threads.
#[derive(Clone, Debug)]
pub struct Renderer(Arc<Semaphore>);

impl Default for Renderer {
    fn default() -> Self {
        Self(half_of_the_cores())
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

/// Compresses large responses on blocking threads.
#[derive(Clone, Debug)]
pub struct Compressor(Arc<Semaphore>);

impl Default for Compressor {
    fn default() -> Self {
        Self(half_of_the_cores())
    }
}

impl Compressor {
    /// Encodes the body as the client prefers; leaves it unchanged if all threads are busy.
    pub async fn coded(&self, mut response: Response) -> Response {
        let Some(uncoded) = response.extensions_mut().remove::<Uncoded>() else { return response };
        // An uncompressed response now is better than a compressed one after a wait.
        let Ok(permit) = Arc::clone(&self.0).try_acquire_owned() else { return response };
        let made = spawn_blocking(move || {
            uncoded.make();
            drop(permit);
            uncoded
        });
        if let Ok(uncoded) = made.await {
            uncoded.put(&mut response);
        }
        response
    }
}
