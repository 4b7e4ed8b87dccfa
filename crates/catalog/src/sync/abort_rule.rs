//! Rule that ends a sweep in which no read succeeds.

use registry_core::error::{Error, Result};

use crate::sync::intake::{ReadResult, is_of_backend};

const FAILURES_MAX: usize = 8;

/// Ends a sweep in which no read succeeds: a backend that became unreachable after its listing
/// would cost a request for each extension.
#[derive(Default)]
pub(super) struct AbortRule {
    succeeded: usize,
    /// Failures in a row.
    failed: usize,
    last: Option<Error>,
}

impl AbortRule {
    /// Returns the read, or the failure that ends the sweep.
    pub(super) fn judge(&mut self, read: ReadResult) -> Result<ReadResult> {
        match &read.outcome {
            Err(error) if is_of_backend(error) => {
                self.failed += 1;
                // Failures between successes, such as timeouts of large repositories, end no sweep.
                let gone = self.succeeded == 0 || !error.was_asked();
                if gone && self.failed >= FAILURES_MAX {
                    return Err(error.clone());
                }
                self.last = Some(error.clone());
            }
            _ => {
                self.succeeded += 1;
                self.failed = 0;
            }
        }
        Ok(read)
    }

    pub(super) const fn has_success(&self) -> bool {
        self.succeeded > 0
    }

    /// Returns the last failure if every read failed.
    pub(super) fn failure(self) -> Option<Error> {
        self.last.filter(|_| self.succeeded == 0)
    }
}
