//! What is wrong with a file that is read at the start.

use crate::error::{Error, ErrorKind, Result};

/// A value of the domain, or why the text is none.
pub(in crate::catalog) fn parsed<T>(what: &str, text: &str) -> Result<T>
where
    T: std::str::FromStr<Err: std::error::Error + Send + Sync + 'static>,
{
    text.parse().map_err(|error: T::Err| damaged(format!("{text:?} is no {what}")).because(error))
}

/// The snapshot cannot be used, for this reason.
pub(in crate::catalog) fn damaged(why: impl Into<String>) -> Error {
    Error::new(ErrorKind::Internal, why)
}
