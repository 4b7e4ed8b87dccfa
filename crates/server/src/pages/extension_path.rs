//! The extension and the version in the address of a page.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use registry_core::models::naming::{ExtensionId, ExtensionType};
use registry_core::models::scope::Scope;
use registry_core::models::tag::Tag;
use serde::Deserialize;

use crate::api::extract::{PathParams, QueryString};
use crate::api::params::bad_request;
use crate::edge::problem::Problem;
use crate::pages::page_state::Pages;

/// The extension of a page, and the backends that are asked.
#[derive(Clone, Debug)]
pub struct ExtensionPath {
    /// The extension.
    pub id: ExtensionId,
    /// The backends.
    pub scope: Scope,
}

#[derive(Deserialize)]
struct NameParam {
    name: String,
}

#[derive(Deserialize)]
struct TagPathParam {
    tag: String,
}

impl ExtensionPath {
    /// Reads type, name and backends of a page.
    async fn read(parts: &mut Parts, pages: &Pages) -> Result<(Self, PathParams), Problem> {
        let extension_type = type_of(parts.uri.path())?;
        let path = PathParams::from_request_parts(parts, &()).await?;
        let name = path.params::<NameParam>()?.name.parse().map_err(bad_request)?;
        let scope = QueryString::of(&parts.uri)?.scope(pages.catalog())?;
        Ok((Self { id: ExtensionId { name, extension_type }, scope }, path))
    }
}

impl FromRequestParts<Pages> for ExtensionPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, pages: &Pages) -> Result<Self, Problem> {
        Self::read(parts, pages).await.map(|(path, _)| path)
    }
}

/// The version of a page.
#[derive(Clone, Debug)]
pub struct VersionPath {
    /// The extension.
    pub of: ExtensionPath,
    /// Tag or version.
    pub tag: Tag,
}

impl FromRequestParts<Pages> for VersionPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, pages: &Pages) -> Result<Self, Problem> {
        let (of, path) = ExtensionPath::read(parts, pages).await?;
        let tag = path.params::<TagPathParam>()?.tag.parse().map_err(bad_request)?;
        Ok(Self { of, tag })
    }
}

fn type_of(path: &str) -> Result<ExtensionType, Problem> {
    path.split('/').nth(1).unwrap_or_default().parse().map_err(bad_request)
}
