//! Errors of state files that are damaged.

use crate::error::{Error, ErrorKind, Result};

/// Parses a value of the domain. `what` names it in the error.
pub(in crate::catalog) fn parsed<T>(what: &str, text: &str) -> Result<T>
where
    T: std::str::FromStr<Err: std::error::Error + Send + Sync + 'static>,
{
    text.parse().map_err(|error: T::Err| damaged(format!("{text:?} is no {what}")).because(error))
}

/// Returns the error for a state file that cannot be used, with the reason.
pub(in crate::catalog) fn damaged(why: impl Into<String>) -> Error {
    Error::new(ErrorKind::Internal, why)
}
