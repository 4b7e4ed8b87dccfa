//! Limit of the readings under way, which run on threads that serve no connections.

use std::sync::Arc;

use registry_core::error::{Error, ErrorKind, Result};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

/// Maximum number of concurrent readings.
pub(super) const READINGS_MAX: usize = 2;

/// Runs readings.
#[derive(Clone)]
pub(super) struct Readings(Arc<Semaphore>);

impl Default for Readings {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(READINGS_MAX)))
    }
}

impl Readings {
    /// Runs a reading, which continues when the caller leaves. `Overloaded` beyond the limit.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        reading: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let permit = Arc::clone(&self.0).try_acquire_owned().map_err(|_| busy())?;
        let read = spawn_blocking(move || {
            let _permit = permit;
            reading()
        });
        read.await.unwrap_or_else(|error| {
            Err(Error::new(ErrorKind::Internal, "A reading was aborted").because(error))
        })
    }
}

pub(super) fn busy() -> Error {
    let message = "Other archives are being read; retry later";
    Error::new(ErrorKind::Overloaded, message)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn a_reading_beyond_the_limit_is_refused_until_another_one_ends() {
        let readings = Readings::default();
        let (mut under_way, mut releases) = (Vec::new(), Vec::new());
        for _ in 0..READINGS_MAX {
            let (release, released) = mpsc::channel::<()>();
            let (begun, has_begun) = tokio::sync::oneshot::channel();
            let readings = readings.clone();
            under_way.push(tokio::spawn(async move {
                let reading = move || {
                    begun.send(()).unwrap();
                    let _ = released.recv();
                    Ok(1)
                };
                readings.run(reading).await
            }));
            has_begun.await.unwrap();
            releases.push(release);
        }
        let refused = readings.run(|| Ok(2)).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Overloaded);
        drop(releases);
        for reading in under_way {
            assert_eq!(reading.await.unwrap().unwrap(), 1);
        }
        assert_eq!(readings.run(|| Ok(3)).await.unwrap(), 3);
    }

    #[tokio::test]
    async fn a_panic_is_a_failure_and_returns_its_place() {
        let readings = Readings::default();
        for _ in 0..=READINGS_MAX {
            let failed = readings.run::<()>(|| panic!("a bug")).await.unwrap_err();
            assert_eq!(failed.kind(), ErrorKind::Internal);
        }
    }
}
