//! What callers are told while a backend is left alone.

use std::time::Duration;

use crate::catalog::Catalog;
use crate::error::{Error, ErrorKind};
use crate::models::backend_kind::BackendKind;

impl Catalog {
    /// The longest pause of the backends asked, in whole seconds.
    pub(super) fn pause(&self, source: Option<BackendKind>) -> Duration {
        let longest = self.asked(source).map(|member| member.pause()).max().unwrap_or_default();
        Duration::from_secs(longest.as_secs() + u64::from(longest.subsec_nanos() > 0))
    }

    /// The failure of a question that got no answer in time: where it waits for the end of a pause,
    /// callers are told how long that is.
    pub(super) fn held_back(&self, source: Option<BackendKind>, error: Error) -> Error {
        let pause = self.pause(source);
        if error.kind() != ErrorKind::BackendTimeout || pause.is_zero() {
            return error;
        }
        let who = source.map_or_else(|| "A".to_owned(), |source| format!("The {source}"));
        let held = Error::unavailable(format!("{who} backend limits our request rate"), pause);
        match source {
            Some(source) => held.at(source),
            None => held,
        }
    }
}
