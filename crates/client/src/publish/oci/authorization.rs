//! Values of `Authorization`. Logs do not show them.

use reqwest::header::HeaderValue;
use secrecy::{ExposeSecret as _, SecretString};

use crate::failure::{ClientFailure, FailureKind, Result};

/// Makes the value of a token.
pub(super) fn bearer(token: &SecretString) -> Result<HeaderValue> {
    header("Bearer", token)
}

/// Makes a value of this scheme.
pub(super) fn header(scheme: &str, secret: &SecretString) -> Result<HeaderValue> {
    let value = HeaderValue::from_str(&format!("{scheme} {}", secret.expose_secret()));
    let mut value = value.map_err(|_| {
        ClientFailure::new(FailureKind::Denied, "the credentials have control characters")
    })?;
    value.set_sensitive(true);
    Ok(value)
}
