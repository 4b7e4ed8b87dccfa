//! Parameters for the OpenAPI contract; `extract.rs` parses them.

use utoipa::openapi::schema::Type;
use utoipa::openapi::{Object, ObjectBuilder};
use utoipa::{IntoParams, ToSchema};

use crate::api::paging::{LIMIT_MAX, LIST_LIMIT, SEARCH_LIMIT};

/// Type of an extension.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
pub enum TypeName {
    /// Access to a cloud or a hypervisor
    Provider,
    /// Installation and operation of one service
    Taskserv,
    /// A combination of several services
    Cluster,
}

/// Kind of a backend.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
pub enum SourceName {
    /// Releases of an organization
    Gitea,
    /// A namespace of a registry
    Oci,
    /// A directory of image layouts
    Local,
}

/// `{type}/{name}`
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub struct IdParams {
    /// Type of the extension
    #[param(inline)]
    pub r#type: TypeName,
    /// Name of the extension; case is ignored
    #[param(max_length = 100, pattern = "^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    pub name: String,
}

/// `{version}`
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub struct VersionPathParam {
    /// A tag, a version, or `latest`; a slash as `%2F`
    #[param(
        max_length = 255,
        pattern = "^[A-Za-z0-9][A-Za-z0-9._+-]*(/(?!\\.\\.(/|$))[A-Za-z0-9._+-]*)*$"
    )]
    pub version: String,
}

/// `?version=`
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct VersionQueryParam {
    /// A tag or a version; `latest` unless given
    #[param(
        max_length = 255,
        pattern = "^[A-Za-z0-9][A-Za-z0-9._+-]*(/(?!\\.\\.(/|$))[A-Za-z0-9._+-]*)*$"
    )]
    pub version: Option<String>,
}

/// `?tag=`
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct TagParam {
    /// With `latest`: a tag that cannot be written in a path
    pub tag: Option<String>,
}

/// `?asset=`
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct AssetParam {
    /// One file of the release instead of its archive, by id or by name
    pub asset: Option<String>,
}

/// `?source=` and `?backend=`
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ScopeParams {
    /// Ask the backends of this kind instead of the owner
    #[param(inline)]
    pub source: Option<SourceName>,
    /// Ask the backend of this name instead of the owner
    #[param(max_length = 32, pattern = "^[a-z][a-z0-9-]*$")]
    pub backend: Option<String>,
}

/// Filters of a list.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct FilterParams {
    /// Only extensions of this type
    #[param(inline)]
    pub r#type: Option<TypeName>,
    /// Only what the backends of this kind have
    #[param(inline)]
    pub source: Option<SourceName>,
    /// Only what the backend of this name has
    #[param(max_length = 32, pattern = "^[a-z][a-z0-9-]*$")]
    pub backend: Option<String>,
}

/// `?limit=` and `?offset=` of the list of all extensions.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ListPageParams {
    /// Rows of a page
    #[param(schema_with = list_limit)]
    pub limit: Option<u64>,
    /// Rows before the page
    #[param(schema_with = offset)]
    pub offset: Option<u64>,
}

/// `?limit=` and `?offset=` of a search.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct SearchPageParams {
    /// Rows of a page
    #[param(schema_with = search_limit)]
    pub limit: Option<u64>,
    /// Rows before the page
    #[param(schema_with = offset)]
    pub offset: Option<u64>,
}

/// `?q=`
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct QueryParam {
    /// Words to find, 1 to 200 characters, not blank
    #[param(min_length = 1, max_length = 200, pattern = "[^\\s\\u0085]")]
    pub q: String,
}

/// `?constraint=` and `?prerelease=`
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct RangeParams {
    /// A range as Cargo writes it: `^1.2`, `~1.2.3`, `1.2.*`, `=1.2.3`, `>=1.2, <2`
    #[param(
        min_length = 1,
        max_length = 200,
        pattern = "^(\\*|(=|>|>=|<|<=|~|\\^)?(0|[1-9][0-9]{0,17})(\\.(0|[1-9][0-9]{0,17})){0,2}(, ?(=|>|>=|<|<=|~|\\^)?(0|[1-9][0-9]{0,17})(\\.(0|[1-9][0-9]{0,17})){0,2}){0,15})$"
    )]
    pub constraint: String,
    /// Allow a pre-release to be selected
    #[param(default = false)]
    pub prerelease: Option<bool>,
}

fn list_limit() -> Object {
    limit(LIST_LIMIT)
}

fn search_limit() -> Object {
    limit(SEARCH_LIMIT)
}

// Schemas built by hand need their own description.
fn limit(default: usize) -> Object {
    whole_number("Rows of a page", default).maximum(Some(LIMIT_MAX)).build()
}

/// Unbounded: OpenAPI has no format for integers of any size.
fn offset() -> Object {
    whole_number("Rows before the page", 0).build()
}

fn whole_number(description: &str, default: usize) -> ObjectBuilder {
    let schema = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(0));
    schema.default(Some(default.into())).description(Some(description))
}
