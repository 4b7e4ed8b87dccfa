//! Errors of state files that cannot be used.

use std::str::FromStr;

use serde::Deserialize;

use crate::error::{Error, ErrorKind, Result};
use crate::models::naming::ExtensionId;

#[derive(Debug)]
pub(super) enum Unusable {
    /// A newer release wrote it, so it is left as it is and the start fails.
    Newer(Error),
    /// It is moved aside, and the start goes on.
    Damaged(Error),
}

impl From<Error> for Unusable {
    fn from(error: Error) -> Self {
        Self::Damaged(error)
    }
}

/// Parses a value of the domain. `what` names it in the error.
pub(in crate::catalog) fn parsed<T>(what: &str, text: &str) -> Result<T>
where
    T: FromStr<Err: std::error::Error + Send + Sync + 'static>,
{
    text.parse().map_err(|error: T::Err| damaged(format!("{text:?} is no {what}")).because(error))
}

pub(in crate::catalog) fn read_id(text: &str) -> Result<ExtensionId> {
    parsed("extension", text)
}

pub(super) fn from_json<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T> {
    serde_json::from_str(text)
        .map_err(|error| damaged("its content is of another shape").because(error))
}

pub(in crate::catalog) fn damaged(why: impl Into<String>) -> Error {
    Error::new(ErrorKind::Internal, why)
}
