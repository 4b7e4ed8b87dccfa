//! Parameters of path and query: the fields are parsed, and described in the OpenAPI contract.

use registry_catalog::Catalog;
use registry_catalog::read::version_range::VersionRange;
use registry_core::models::backend_id::BackendName;
use registry_core::models::backend_kind::BackendKind;
use registry_core::models::naming::{ExtensionId, ExtensionType};
use registry_core::models::scope::Scope;
use registry_core::models::tag::Tag;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa::openapi::schema::Type;
use utoipa::openapi::{Object, ObjectBuilder};

use crate::answers::paging::{LIMIT_MAX, Page};
use crate::edge::problem::Problem;

const QUERY_MAX: usize = 200;
const PATH_MAX: usize = 3072;

/// `{type}/{name}`
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub struct IdParams {
    /// Type of the extension
    #[param(inline, value_type = ExtensionType)]
    r#type: String,
    /// Name of the extension; case is ignored
    #[param(max_length = 100, pattern = "^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    name: String,
}

impl IdParams {
    pub(super) fn id(&self) -> Result<ExtensionId, Problem> {
        let extension_type = self.r#type.parse().map_err(bad_request)?;
        let name = self.name.parse().map_err(bad_request)?;
        Ok(ExtensionId { name, extension_type })
    }
}

/// `{version}`
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub struct VersionPathParam {
    /// A tag, a version, or `latest`; a slash as `%2F`
    #[param(
        max_length = 255,
        pattern = "^[A-Za-z0-9][A-Za-z0-9._+-]*(/(?!\\.\\.(/|$))[A-Za-z0-9._+-]*)*$"
    )]
    pub(super) version: String,
}

/// `?version=`
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct VersionQueryParam {
    /// A tag or a version; `latest` unless given
    #[param(
        max_length = 255,
        pattern = "^[A-Za-z0-9][A-Za-z0-9._+-]*(/(?!\\.\\.(/|$))[A-Za-z0-9._+-]*)*$"
    )]
    version: Option<String>,
}

impl VersionQueryParam {
    pub(super) fn tag(&self) -> Result<Tag, Problem> {
        self.version.as_deref().unwrap_or("latest").parse().map_err(bad_request)
    }
}

/// `?tag=`
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct TagParam {
    /// With `latest`: a tag that cannot be written in a path
    pub(super) tag: Option<String>,
}

/// `?asset=`
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct AssetParam {
    /// One file of the release instead of its archive, by id or by name
    pub(super) asset: Option<String>,
}

/// `?type=`
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct TypeParam {
    /// Only extensions of this type
    #[param(inline, value_type = Option<ExtensionType>)]
    r#type: Option<String>,
}

impl TypeParam {
    pub(crate) fn extension_type(&self) -> Result<Option<ExtensionType>, Problem> {
        self.r#type.as_deref().map(str::parse).transpose().map_err(bad_request)
    }
}

/// `?source=` and `?backend=`
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ScopeParams {
    /// Only the backends of this kind, whichever owns the name
    #[param(inline, value_type = Option<BackendKind>)]
    source: Option<String>,
    /// Only the backend of this name, whichever owns the name
    #[param(max_length = 32, pattern = "^[a-z][a-z0-9-]*$")]
    backend: Option<String>,
}

impl ScopeParams {
    pub(crate) fn scope(&self, catalog: &Catalog) -> Result<Scope, Problem> {
        let kind: Option<BackendKind> =
            self.source.as_deref().map(str::parse).transpose().map_err(bad_request)?;
        let name: Option<BackendName> = self
            .backend
            .as_deref()
            .map(str::parse::<BackendName>)
            .transpose()
            .map_err(|error| bad_request(format!("backend {error}")))?;
        let Some(name) = name else { return Ok(kind.map_or(Scope::All, Scope::Kind)) };
        let Some(backend) = catalog.backends.iter().find(|backend| backend.name() == name) else {
            return Ok(Scope::Nothing);
        };
        if let Some(kind) = kind.filter(|kind| *kind != backend.kind()) {
            let message = format!(
                "backend {name} is of the kind {}, not {kind}; give source or backend alone",
                backend.kind()
            );
            return Err(Problem::bad_request(message));
        }
        Ok(catalog.backends.scope_of(backend))
    }
}

/// `?limit=` and `?offset=`, with the default of `limit`.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PageParams<const LIMIT: usize> {
    #[param(schema_with = limit_schema::<LIMIT>)]
    limit: Option<String>,
    #[param(schema_with = offset_schema)]
    offset: Option<String>,
}

impl<const LIMIT: usize> PageParams<LIMIT> {
    pub(super) fn page(&self) -> Result<Page, Problem> {
        let limit = self.limit.as_deref().map_or(Some(LIMIT), whole_number);
        let offset = self.offset.as_deref().map_or(Some(0), whole_number);
        Ok(Page {
            limit: limit.filter(|limit| *limit <= LIMIT_MAX).ok_or_else(|| {
                Problem::bad_request(format!("limit must be a whole number from 0 to {LIMIT_MAX}"))
            })?,
            offset: offset
                .ok_or_else(|| Problem::bad_request("offset must be a whole number, 0 or more"))?,
        })
    }
}

/// `?q=`
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct QueryParam {
    /// Words to find, 1 to 200 characters, not blank
    #[param(min_length = 1, max_length = 200, pattern = "[^\\s\\u0085]", required)]
    #[serde(default)]
    q: String,
}

impl QueryParam {
    pub(crate) fn words(self) -> Result<String, Problem> {
        // Counted in characters: the limit must not depend on the script of the query.
        if self.q.trim().is_empty() || self.q.chars().count() > QUERY_MAX {
            let message = format!("q is required: 1 to {QUERY_MAX} characters, not blank");
            return Err(Problem::bad_request(message));
        }
        Ok(self.q)
    }
}

/// `?constraint=` and `?prerelease=`
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct RangeParams {
    /// A range as Cargo writes it: `^1.2`, `~1.2.3`, `1.2.*`, `=1.2.3`, `>=1.2, <2`
    #[param(
        min_length = 1,
        max_length = 200,
        pattern = "^(\\*|(=|>|>=|<|<=|~|\\^)?(0|[1-9][0-9]{0,17})(\\.(0|[1-9][0-9]{0,17})){0,2}(, ?(=|>|>=|<|<=|~|\\^)?(0|[1-9][0-9]{0,17})(\\.(0|[1-9][0-9]{0,17})){0,2}){0,15})$",
        required
    )]
    #[serde(default)]
    constraint: String,
    /// Allow a pre-release to be selected
    #[param(value_type = Option<bool>, default = false)]
    prerelease: Option<String>,
}

impl RangeParams {
    pub(super) fn range(&self) -> Result<VersionRange, Problem> {
        let constraint = self.constraint.parse().map_err(bad_request)?;
        let prereleases = self.prerelease.as_deref().unwrap_or("false");
        let prereleases = prereleases
            .parse()
            .map_err(|_| Problem::bad_request("prerelease must be true or false"))?;
        Ok(VersionRange { constraint, prereleases })
    }
}

/// `?path=` and `?against=`
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct FilesParams {
    /// Path of one file, as the entries have it
    #[param(min_length = 1, max_length = 3072)]
    path: Option<String>,
    /// Version to compare with; `@` and the name of a backend may follow
    #[param(
        max_length = 288,
        pattern = "^(?![^@]{256})[A-Za-z0-9][A-Za-z0-9._+-]*(/(?!\\.\\.(/|$))[A-Za-z0-9._+-]*)*(@[a-z][a-z0-9-]{0,31})?$"
    )]
    against: Option<String>,
}

impl FilesParams {
    /// Returns the path. The longest one in an index has 512 characters with escapes of 6.
    pub(super) fn path(&self) -> Result<Option<&str>, Problem> {
        let path = self.path.as_deref();
        if path.is_some_and(|path| path.is_empty() || path.chars().count() > PATH_MAX) {
            return Err(Problem::bad_request(format!("path must be 1 to {PATH_MAX} characters")));
        }
        Ok(path)
    }

    /// Returns the version to compare with, and the backends that are asked for it.
    pub(super) fn against(
        &self,
        scope: Scope,
        catalog: &Catalog,
    ) -> Result<Option<(Tag, Scope)>, Problem> {
        let Some(against) = self.against.as_deref() else { return Ok(None) };
        let side = side(against, scope, catalog);
        side.map(Some).map_err(|problem| bad_request(format!("against: {}", problem.message())))
    }
}

/// Reads a version to compare with, after which `@` and the name of a backend may follow; without it
/// the backends of `scope` are asked. Fails with 400 if it is invalid.
pub(crate) fn side(text: &str, scope: Scope, catalog: &Catalog) -> Result<(Tag, Scope), Problem> {
    let (version, backend) = match text.rsplit_once('@') {
        Some((version, backend)) => (version, Some(backend.to_owned())),
        None => (text, None),
    };
    let version = version.parse().map_err(bad_request)?;
    let scope = match backend {
        None => scope,
        backend => ScopeParams { source: None, backend }.scope(catalog)?,
    };
    Ok((version, scope))
}

/// Returns the 400 with the message of a parser, which names the parameter and its bound.
#[expect(clippy::needless_pass_by_value, reason = "`map_err` hands the error over")]
pub(crate) fn bad_request(error: impl ToString) -> Problem {
    Problem::bad_request(error.to_string())
}

pub(crate) fn whole_number(text: &str) -> Option<usize> {
    // A number that overflows counts as the largest one, as it exceeds any list.
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(usize::MAX))
}

fn limit_schema<const LIMIT: usize>() -> Object {
    number_schema("Rows of a page", LIMIT).maximum(Some(LIMIT_MAX)).build()
}

/// Unbounded: OpenAPI has no format for integers of any size.
fn offset_schema() -> Object {
    number_schema("Rows before the page", 0).build()
}

// Schemas built by hand need their own description.
fn number_schema(description: &str, default: usize) -> ObjectBuilder {
    let schema = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(0));
    schema.default(Some(default.into())).description(Some(description))
}
