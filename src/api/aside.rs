//! Work that takes milliseconds, done on threads that serve no connection.

use std::sync::Arc;
use std::thread::available_parallelism;

use axum::response::Response;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use crate::api::answers::Uncoded;
use crate::error::{Error, ErrorKind, Result};

/// Rows that are rendered where connections are served: a tenth of a millisecond.
const ROWS_AT_ONCE: usize = 100;

/// Permits for half as many threads as there are cores, one at least.
fn half_of_the_cores() -> Arc<Semaphore> {
    let cores = available_parallelism().map_or(1, usize::from);
    Arc::new(Semaphore::new((cores / 2).max(1)))
}

/// Renders large pages of lists and searches on threads of their own.
#[derive(Clone, Debug)]
pub struct Renderer(Arc<Semaphore>);

impl Default for Renderer {
    fn default() -> Self {
        Self(half_of_the_cores())
    }
}

impl Renderer {
    /// Runs work that renders so many rows; more than a hundred wait for a thread.
    ///
    /// # Errors
    /// Those of the work, or it panicked.
    pub async fn run<T: Send + 'static>(
        &self,
        rows: usize,
        work: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        if rows <= ROWS_AT_ONCE {
            return work();
        }
        let failed = || Error::new(ErrorKind::Internal, "An answer cannot be rendered");
        let permit = Arc::clone(&self.0).acquire_owned().await;
        let permit = permit.map_err(|error| failed().because(error))?;
        // The permit comes back with the page: pages that no connection has taken yet would pile up
        // otherwise, where connections are slower than this thread.
        let made = spawn_blocking(move || (work(), permit)).await;
        let (made, _permit) = made.map_err(|error| failed().because(error))?;
        made
    }
}

/// Compresses large answers on threads of their own.
#[derive(Clone, Debug)]
pub struct Compressor(Arc<Semaphore>);

impl Default for Compressor {
    fn default() -> Self {
        Self(half_of_the_cores())
    }
}

impl Compressor {
    /// The response in the coding that its client prefers; as it is where all are busy.
    pub async fn coded(&self, mut response: Response) -> Response {
        let Some(uncoded) = response.extensions_mut().remove::<Uncoded>() else { return response };
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
