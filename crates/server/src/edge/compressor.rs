//! Compression of large responses, on threads that serve no connections.

use std::sync::Arc;
use std::thread::available_parallelism;

use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use crate::edge::coding::Coding;
use crate::edge::rendered::Rendered;

/// Compresses large responses on blocking threads.
#[derive(Clone, Debug)]
pub struct Compressor(Arc<Semaphore>);

impl Default for Compressor {
    fn default() -> Self {
        // Half of the cores stay free for everything else.
        let cores = available_parallelism().map_or(1, usize::from);
        Self(Arc::new(Semaphore::new((cores / 2).max(1))))
    }
}

impl Compressor {
    /// Encodes a body, which keeps the result. Returns false at once if all threads are busy.
    pub async fn encode(&self, rendered: &Rendered, coding: Coding) -> bool {
        // An uncompressed response now is better than a compressed one after a wait.
        let Ok(permit) = Arc::clone(&self.0).try_acquire_owned() else { return false };
        let rendered = rendered.clone();
        let work = spawn_blocking(move || {
            let _ = rendered.encoded(coding);
            drop(permit);
        });
        work.await.is_ok()
    }
}
