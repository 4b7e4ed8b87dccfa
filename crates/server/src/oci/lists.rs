//! Lists: the repositories of the service, and the tags of one.

use std::sync::Arc;

use parking_lot::Mutex;
use registry_catalog::index::view::View;
use registry_core::error::Result;
use registry_core::models::scope::Scope;
use serde::Serialize;

use crate::answers::entry::AnswerContent;
use crate::answers::renderer::Renderer;
use crate::edge::rendered::Rendered;
use crate::oci::paging::PagedNames;
use crate::oci::repository::RepositoryPath;
use crate::oci::response::of_page;

/// The repositories of one view.
#[derive(Debug)]
pub struct RepositoryList {
    revision: u64,
    /// Names in ASCII order.
    pub repositories: Vec<RepositoryPath>,
    /// Number of extensions whose names do not fit the grammar of repositories.
    pub unnamed: usize,
}

/// Lists repositories. The list of the latest view is kept.
pub struct Repositories {
    namespace: RepositoryPath,
    latest: Mutex<Option<Arc<RepositoryList>>>,
    renderer: Renderer,
}

#[derive(Serialize)]
struct CatalogBody<'a> {
    repositories: Vec<&'a str>,
}

#[derive(Serialize)]
struct TagsBody<'a> {
    name: &'a str,
    tags: &'a [String],
}

impl Repositories {
    /// Creates the list of a namespace.
    #[must_use]
    pub fn new(namespace: RepositoryPath) -> Self {
        Self { namespace, latest: Mutex::default(), renderer: Renderer::default() }
    }

    /// Returns the namespace.
    #[must_use]
    pub const fn namespace(&self) -> &RepositoryPath {
        &self.namespace
    }

    /// Returns the repositories of a view.
    ///
    /// # Errors
    ///
    /// `Internal` if the work panics.
    pub async fn of(&self, view: &Arc<View>) -> Result<Arc<RepositoryList>> {
        let latest = self.latest.lock().clone();
        if let Some(known) = latest.filter(|list| list.revision == view.revision) {
            return Ok(known);
        }
        let (namespace, view) = (self.namespace.clone(), Arc::clone(view));
        let rows = view.entries(Scope::All).len();
        let list = self.renderer.run(rows, move || Ok(listed(&namespace, &view))).await?;
        let list = Arc::new(list);
        *self.latest.lock() = Some(Arc::clone(&list));
        Ok(list)
    }
}

fn listed(namespace: &RepositoryPath, view: &View) -> RepositoryList {
    let entries = view.entries(Scope::All);
    let named = entries.iter().filter_map(|entry| namespace.repository_of(entry.id()));
    let mut repositories: Vec<RepositoryPath> = named.collect();
    repositories.sort_unstable();
    let unnamed = entries.len() - repositories.len();
    RepositoryList { revision: view.revision, repositories, unnamed }
}

impl AsRef<str> for RepositoryPath {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

/// Renders a page of the list of repositories.
///
/// # Errors
///
/// `Internal` if it cannot be rendered.
pub fn repositories_page(
    path: &str,
    list: &RepositoryList,
    page: &PagedNames,
) -> Result<AnswerContent> {
    let (items, more) = page.of_items(&list.repositories);
    let repositories = items.iter().map(RepositoryPath::as_str).collect();
    let link = more.and_then(|last| page.link(path, last));
    Ok(of_page(Rendered::json(&CatalogBody { repositories })?, list.repositories.len(), link))
}

/// Renders a page of the tags of a repository.
///
/// # Errors
///
/// `Internal` if it cannot be rendered.
pub fn tags_page(
    path: &str,
    repository: &RepositoryPath,
    tags: &[String],
    page: &PagedNames,
) -> Result<AnswerContent> {
    let (items, more) = page.of_items(tags);
    let link = more.and_then(|last| page.link(path, last));
    let body = TagsBody { name: repository.as_str(), tags: items };
    Ok(of_page(Rendered::json(&body)?, tags.len(), link))
}
