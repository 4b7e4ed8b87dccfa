//! What callers are told while a backend is left alone.

use std::time::Duration;

use crate::catalog::Catalog;
use crate::error::{Error, ErrorKind};
use crate::models::scope::Scope;

impl Catalog {
    /// The longest pause of the backends asked, in whole seconds.
    pub(super) fn pause(&self, scope: Scope) -> Duration {
        let longest = self.asked(scope).map(|member| member.pause()).max().unwrap_or_default();
        Duration::from_secs(longest.as_secs() + u64::from(longest.subsec_nanos() > 0))
    }

    /// The failure of a question that got no answer in time: where it waits for the end of a pause,
    /// callers are told how long that is.
    pub(super) fn held_back(&self, scope: Scope, error: Error) -> Error {
        let pause = self.pause(scope);
        if error.kind() != ErrorKind::BackendTimeout || pause.is_zero() {
            return error;
        }
        Error::unavailable(format!("{} limits our request rate", scope.subject()), pause)
    }
}
