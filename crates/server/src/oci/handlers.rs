//! The handler of every path of the OCI pull API.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, Method, Uri};
use axum::response::{IntoResponse as _, Response};
use registry_catalog::index::entry::Entry;
use registry_core::models::digest::Digest;
use registry_core::models::naming::ExtensionId;
use registry_core::models::scope::Scope;

use crate::answers::entry::AnswerContent;
use crate::answers::page_data::PageData;
use crate::api::extract::QueryString;
use crate::edge::problem::Problem;
use crate::oci::blobs::blob;
use crate::oci::code::OciCode;
use crate::oci::headers::{API_VERSION, CONTENT_DIGEST, REGISTRY_2, digest_value};
use crate::oci::lists::{repositories_page, tags_page};
use crate::oci::paging::ListPage;
use crate::oci::pull::OciPull;
use crate::oci::repository::RepositoryPath;
use crate::oci::response::{of_manifest, represent};
use crate::oci::tags::{find, spellings, tags_of};
use crate::oci::target::{OciRoute, OciTarget};

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
    let target = OciTarget::parse(uri.path()).ok_or_else(|| {
        OciCode::Unsupported.missing("No end point of the OCI pull API has this path")
    })?;
    match target.route {
        OciRoute::Base => Ok(pull.version_check(&pull.api.heads).into_response()),
        OciRoute::Catalog => pull.catalog(&uri).await,
        OciRoute::Tags => pull.tags(&target, &uri).await,
        OciRoute::Manifests => pull.manifest(&target, &uri).await,
        OciRoute::Blobs => pull.blob(&target, &method, &headers).await,
        OciRoute::Referrers => Err(OciCode::Unsupported.missing("Not served yet")),
    }
}

/// A repository that exists.
struct Found {
    path: RepositoryPath,
    data: PageData,
    entry: Arc<Entry>,
}

impl OciPull {
    async fn catalog(&self, uri: &Uri) -> Result<Response, Problem> {
        let page = ListPage::of(&QueryString::of(uri)?)?;
        let data = self.api.answers.list_data(Scope::All).await?;
        let list = self.repositories.of(&data.view).await?;
        let content = repositories_page(uri.path(), &list, &page)?;
        let catalog = self.api.answers.catalog();
        if data.is_lasting() {
            self.kept.put_list(catalog, (OciRoute::Catalog, uri), data.view.revision, &content);
        }
        let provenance = data.provenance(catalog);
        Ok(represent(content, Some(&provenance), &self.api.heads).into_response())
    }

    async fn tags(&self, target: &OciTarget, uri: &Uri) -> Result<Response, Problem> {
        let page = ListPage::of(&QueryString::of(uri)?)?;
        let found = self.found(target).await?;
        let tags = tags_of(&found.entry.extension);
        let content = tags_page(uri.path(), &found.path, &tags, &page)?;
        Ok(self.respond(&found, (target, uri), content))
    }

    async fn manifest(&self, target: &OciTarget, uri: &Uri) -> Result<Response, Problem> {
        let digest = target.digest().transpose()?;
        let found = self.found(target).await?;
        let (entry, id) = (&found.entry, found.entry.id());
        let manifest = match digest {
            Some(digest) => self.manifests.by_digest(entry, &digest).await,
            None => match find(&entry.extension, &target.reference) {
                Some(release) => self.manifests.of_release(id, release).await,
                None => return Err(self.no_manifest(id, target).await),
            },
        };
        let manifest = manifest.map_err(|error| OciCode::ManifestUnknown.of_missing(error))?;
        Ok(self.respond(&found, (target, uri), of_manifest(&manifest)))
    }

    async fn no_manifest(&self, id: &ExtensionId, target: &OciTarget) -> Problem {
        // A version that the catalog does not have yet is asked for, as by the API.
        for version in spellings(&target.reference) {
            let found = self.api.answers.catalog().reader.find_release(id, &version, Scope::All);
            if let Err(error) = found.await
                && !error.is_not_found()
            {
                return error.into();
            }
        }
        let message = format!("{id} has no version with this tag");
        OciCode::ManifestUnknown.missing(message)
    }

    async fn blob(
        &self,
        target: &OciTarget,
        method: &Method,
        headers: &HeaderMap,
    ) -> Result<Response, Problem> {
        let digest: Digest = target.reference.parse().map_err(OciTarget::no_digest)?;
        let found = self.found(target).await?;
        let mut response =
            blob(&self.api.downloads, &found.entry, &digest, method, headers).await?;
        response.headers_mut().insert(API_VERSION, REGISTRY_2);
        response.headers_mut().insert(CONTENT_DIGEST, digest_value(&digest));
        Ok(response)
    }

    /// Finds the extension of a repository, at its owner.
    async fn found(&self, target: &OciTarget) -> Result<Found, Problem> {
        let path: RepositoryPath = target.repository.parse().map_err(|error| {
            OciCode::NameInvalid.problem(Problem::bad_request(format!("{error}")))
        })?;
        let namespace = &self.settings.namespace;
        let id = namespace.extension_at(&path).ok_or_else(|| {
            let message = format!(
                "No repository {path}; extensions are {namespace}/NAME-provider, -taskserv, -cluster"
            );
            OciCode::NameUnknown.missing(message)
        })?;
        let data = self.api.answers.extension_data(&id, Scope::All, false).await;
        let (data, entry) = data.map_err(|error| OciCode::NameUnknown.of_missing(error))?;
        Ok(Found { path, data, entry })
    }

    fn respond(
        &self,
        Found { data, entry, .. }: &Found,
        (target, uri): (&OciTarget, &Uri),
        content: AnswerContent,
    ) -> Response {
        let catalog = self.api.answers.catalog();
        if data.is_lasting() {
            self.kept.put(catalog, (target.route, uri), entry, &content);
        }
        let provenance = (!target.is_by_digest()).then(|| data.provenance(catalog));
        represent(content, provenance.as_ref(), &self.api.heads).into_response()
    }
}
