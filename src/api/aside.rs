//! Work that takes milliseconds, done where no connection waits for it.

use std::sync::Arc;
use std::thread::available_parallelism;

use axum::response::Response;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use crate::api::answers::Uncoded;

/// Compresses large answers on threads of their own, at most half as many at once as there are cores.
#[derive(Clone, Debug)]
pub struct Compressor(Arc<Semaphore>);

impl Default for Compressor {
    fn default() -> Self {
        let cores = available_parallelism().map_or(1, usize::from);
        Self(Arc::new(Semaphore::new((cores / 2).max(1))))
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
