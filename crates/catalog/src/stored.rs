//! Stored form of extensions, shared by the state on disk and by deltas. Strings are borrowed from
//! the JSON, and every value passes the parsers of the domain when it is read.

pub(super) mod evidence;
pub(super) mod extension;
pub(super) mod release;
pub(super) mod text;

use std::str::FromStr;

use registry_core::error::{Error, ErrorKind, Result};
use registry_core::models::backend_id::BackendId;
use registry_core::models::naming::ExtensionId;
use serde::Deserialize;

use crate::stored::text::Text;

/// Parses a value of the domain. `what` names it in the error.
pub(super) fn parsed<T>(what: &str, text: &str) -> Result<T>
where
    T: FromStr<Err: std::error::Error + Send + Sync + 'static>,
{
    text.parse().map_err(|error: T::Err| damaged(format!("{text:?} is no {what}")).because(error))
}

pub(super) fn read_id(text: &str) -> Result<ExtensionId> {
    parsed("extension", text)
}

pub(super) fn read_ids(texts: &[Text<'_>]) -> Result<Vec<ExtensionId>> {
    texts.iter().map(|text| read_id(text)).collect()
}

pub(super) fn read_backend(text: &str) -> Result<BackendId> {
    parsed("backend", text)
}

pub(super) fn backend_text(backend: BackendId) -> Text<'static> {
    backend.qualified().into()
}

pub(super) fn from_json<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T> {
    serde_json::from_str(text)
        .map_err(|error| damaged("its content is of another shape").because(error))
}

pub(super) fn damaged(why: impl Into<String>) -> Error {
    Error::new(ErrorKind::Internal, why)
}
