//! The handler of every path of the OCI pull API.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header::VIA;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use registry_catalog::index::entry::Entry;
use registry_core::models::digest::Digest;
use registry_core::models::oci_manifest::INDEX_TYPE;
use registry_core::models::scope::Scope;
use registry_core::via::names_registry;

use crate::answers::entry::AnswerContent;
use crate::answers::page_data::PageData;
use crate::answers::provenance::Provenance;
use crate::api::artifact_headers::set;
use crate::api::extract::QueryString;
use crate::edge::problem::Problem;
use crate::edge::rendered::Rendered;
use crate::oci::blobs::Blobs;
use crate::oci::code::OciCode;
use crate::oci::headers::{API_VERSION, CONTENT_DIGEST, FILTERS_APPLIED, REGISTRY_2, digest_value};
use crate::oci::lists::{repositories_page, tags_page};
use crate::oci::paging::PagedNames;
use crate::oci::pull::OciPull;
use crate::oci::repository::RepositoryPath;
use crate::oci::response::{of_manifest, represent};
use crate::oci::tagged::Tagged;
use crate::oci::tags::tags_of;
use crate::oci::target::{OciRoute, PullTarget};

/// Responds to a request.
///
/// # Errors
///
/// Those of the end points, with their codes.
pub async fn pull(
    State(pull): State<Arc<OciPull>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let via = registries_of(&headers);
    if via.is_empty() {
        return answer(&pull, &method, &uri, &headers).await;
    }
    let mut response = if pull.settings.via.is_loop(&via) {
        let message = "This registry reads from the registry that asks, or is that registry itself";
        Problem::new(StatusCode::LOOP_DETECTED, message).into_response()
    } else {
        answer(&pull, &method, &uri, &headers).await.into_response()
    };
    if let Some(ours) = pull.settings.via.value() {
        set(&mut response, VIA, &ours);
    }
    Ok(response)
}

/// Returns the values of `Via` if they name another registry.
fn registries_of(headers: &HeaderMap) -> String {
    let values = headers.get_all(VIA).iter().filter_map(|value| value.to_str().ok());
    let via = values.collect::<Vec<_>>().join(",");
    if names_registry(&via) { via } else { String::new() }
}

async fn answer(
    pull: &OciPull,
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    let target = PullTarget::parse(uri.path()).ok_or_else(|| {
        OciCode::Unsupported.missing("No end point of the OCI pull API has this path")
    })?;
    match target.route {
        OciRoute::Base => Ok(pull.version_check(&pull.api.heads).into_response()),
        OciRoute::Catalog => catalog(pull, uri).await,
        OciRoute::Tags => tags(pull, &target, uri).await,
        OciRoute::Manifests => manifest(pull, &target, uri).await,
        OciRoute::Blobs => blob(pull, &target, method, headers).await,
        OciRoute::Referrers => referrers(pull, &target, uri).await,
    }
}

/// A repository that exists.
struct FoundObject {
    path: RepositoryPath,
    data: PageData,
    entry: Arc<Entry>,
}

async fn catalog(pull: &OciPull, uri: &Uri) -> Result<Response, Problem> {
    let page = PagedNames::of(&QueryString::of(uri)?)?;
    let data = pull.api.answers.list_data(Scope::All).await?;
    let list = pull.repositories.of(&data.view).await?;
    let content = repositories_page(uri.path(), &list, &page)?;
    let catalog = pull.api.answers.catalog();
    if data.is_lasting() {
        pull.kept.put_list(catalog, (OciRoute::Catalog, uri), data.view.revision, &content);
    }
    let provenance = data.provenance(catalog);
    Ok(represent(content, Some(&provenance), &pull.api.heads).into_response())
}

async fn tags(pull: &OciPull, target: &PullTarget, uri: &Uri) -> Result<Response, Problem> {
    let page = PagedNames::of(&QueryString::of(uri)?)?;
    let found = find(pull, target).await?;
    let tags = tags_of(&found.entry.extension);
    let content = tags_page(uri.path(), &found.path, &tags, &page)?;
    Ok(respond(pull, &found, (target, uri), content))
}

async fn manifest(pull: &OciPull, target: &PullTarget, uri: &Uri) -> Result<Response, Problem> {
    let digest = target.digest().transpose()?;
    let found = find(pull, target).await?;
    let manifest = match digest {
        Some(digest) => {
            let manifest = pull.manifests.by_digest(&found.entry, &digest).await;
            manifest.map_err(|error| OciCode::ManifestUnknown.of_missing(error))?
        }
        None => {
            Tagged { api: &pull.api, manifests: &pull.manifests }
                .manifest(&found.entry, &target.reference)
                .await?
        }
    };
    Ok(respond(pull, &found, (target, uri), of_manifest(&manifest)))
}

async fn blob(
    pull: &OciPull,
    target: &PullTarget,
    method: &Method,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    let digest: Digest = target.reference.parse().map_err(PullTarget::no_digest)?;
    let found = find(pull, target).await?;
    let blobs = Blobs { downloads: &pull.api.downloads, manifests: &pull.manifests };
    let mut response = blobs.respond(&found.entry, &digest, method, headers).await?;
    response.headers_mut().insert(API_VERSION, REGISTRY_2);
    response.headers_mut().insert(CONTENT_DIGEST, digest_value(&digest));
    Ok(response)
}

async fn referrers(pull: &OciPull, target: &PullTarget, uri: &Uri) -> Result<Response, Problem> {
    let digest: Digest = target.reference.parse().map_err(PullTarget::no_digest)?;
    let query = QueryString::of(uri)?;
    let artifact_type = query.all("artifactType").find(|value| !value.is_empty());
    let FoundObject { entry, .. } = find(pull, target).await?;
    let mut found = pull.referrers.of(&pull.manifests, &entry, &digest).await?;
    if let Some(artifact_type) = artifact_type {
        found.retain(artifact_type);
    }
    let content = AnswerContent::of(Rendered::text(found.to_json(), INDEX_TYPE), 0);
    let catalog = pull.api.answers.catalog();
    let provenance = Provenance::asked(catalog, Scope::All, Some(entry.id()), found.stale);
    let mut response = represent(content, Some(&provenance), &pull.api.heads).into_response();
    if artifact_type.is_some() {
        let applied = HeaderValue::from_static("artifactType");
        response.headers_mut().insert(FILTERS_APPLIED, applied);
    }
    Ok(response)
}

/// Finds the extension of a repository, at its owner.
async fn find(pull: &OciPull, target: &PullTarget) -> Result<FoundObject, Problem> {
    let path: RepositoryPath = target
        .repository
        .parse()
        .map_err(|error| OciCode::NameInvalid.problem(Problem::bad_request(format!("{error}"))))?;
    let namespace = &pull.settings.namespace;
    let id = namespace.extension_at(&path).ok_or_else(|| {
        let message = format!(
            "No repository {path}; extensions are {namespace}/NAME-provider, -taskserv and -cluster"
        );
        OciCode::NameUnknown.missing(message)
    })?;
    let data = pull.api.answers.extension_data(&id, Scope::All, false).await;
    let (data, entry) = data.map_err(|error| OciCode::NameUnknown.of_missing(error))?;
    Ok(FoundObject { path, data, entry })
}

fn respond(
    pull: &OciPull,
    FoundObject { data, entry, .. }: &FoundObject,
    (target, uri): (&PullTarget, &Uri),
    content: AnswerContent,
) -> Response {
    let catalog = pull.api.answers.catalog();
    if data.is_lasting() {
        pull.kept.put(catalog, (target.route, uri), entry, &content);
    }
    let provenance = (!target.is_by_digest()).then(|| data.provenance(catalog));
    represent(content, provenance.as_ref(), &pull.api.heads).into_response()
}
