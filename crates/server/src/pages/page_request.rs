//! Parts of a request that pages depend on.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use crate::edge::accept::{names_html, values};
use crate::edge::own_address::OwnAddress;
use crate::edge::problem::Problem;
use crate::pages::known_pages::identity;

/// Address of the service for a client, and the form that it asks for.
#[derive(Clone, Debug)]
pub struct PageRequest {
    /// Address of the service.
    pub own: OwnAddress,
    /// True if the client names HTML, as browsers do.
    pub names_html: bool,
    /// Path of the target.
    pub path: String,
    /// Equal for requests that get the same pages; `None` if other headers count as well.
    pub identity: Option<String>,
}

impl<S: Send + Sync> FromRequestParts<S> for PageRequest {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let names_html = values(&parts.headers).any(names_html);
        // The middleware sets the address.
        let own = parts.extensions.get::<OwnAddress>().cloned().unwrap_or_default();
        let path = parts.uri.path().to_owned();
        Ok(Self { own, names_html, path, identity: identity(parts) })
    }
}
