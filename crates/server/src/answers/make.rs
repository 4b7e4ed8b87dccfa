//! Makes answers from the catalog.

use std::sync::Arc;

use axum::http::HeaderValue;
use registry_catalog::Catalog;
use registry_catalog::deadline::Deadline;
use registry_catalog::index::entry::Entry;
use registry_catalog::index::view::View;
use registry_catalog::listing::filter::{ListFilter, ListOrder};
use registry_catalog::read::version_range::VersionRange;
use registry_catalog::read::{Details, Read};
use registry_core::error::Result;
use registry_core::models::backend_id::BackendId;
use registry_core::models::naming::ExtensionId;
use registry_core::models::public_url::PublicUrl;
use registry_core::models::scope::Scope;
use registry_core::models::tag::Tag;
use serde::Serialize;

use crate::answers::bodies::Bodies;
use crate::answers::entry::{
    AnswerContent, CachedAnswer, Computed, MadeFrom, PageHeaders, Unpinned,
};
use crate::answers::paging::Page;
use crate::answers::renderer::Renderer;
use crate::edge::rendered::Rendered;
use crate::urls::{ListRoute, Route, SearchRoute};
use registry_public::extension::{ExtensionBody, VersionBody};

/// Makes answers. Each function fails as the read of the catalog that it is named after.
#[derive(Clone)]
pub struct Maker {
    /// Catalog of extensions.
    pub catalog: Arc<Catalog>,
    /// Public URL of the service, if known; else links are relative.
    pub public_url: Option<PublicUrl>,
    /// Path before all relative links; empty for the root.
    pub base_path: Arc<str>,
    /// Renderer of large pages.
    pub renderer: Renderer,
}

impl Maker {
    /// Makes a page of a list of this view.
    pub async fn list(
        self,
        view: Arc<View>,
        filter: ListFilter,
        order: ListOrder,
        page: Page,
    ) -> Result<CachedAnswer> {
        let all = view.entries(filter.scope).len();
        let is_plain = filter.keywords.is_empty() && order == ListOrder::Name;
        let renderer = self.renderer.clone();
        let work = move || {
            let found = filter.ordered(&view, order);
            let headers = page_headers(&self.base_path, page, found.len(), |page| {
                list_route(&filter, order, page)
            });
            self.page(view.revision, filter.scope, page.of(&found), headers)
        };
        // To compare keywords or to sort, every row is visited, whatever the page.
        renderer.run(if is_plain { page.count(all) } else { all }, work).await
    }

    /// Makes a page of a search in this view.
    pub async fn search(
        self,
        view: Arc<View>,
        words: String,
        filter: ListFilter,
        page: Page,
    ) -> Result<CachedAnswer> {
        let renderer = self.renderer.clone();
        let work = move || {
            let found = view.search(&words, filter.extension_type, filter.scope);
            let headers = page_headers(&self.base_path, page, found.len(), |page| SearchRoute {
                words: &words,
                list: list_route(&filter, ListOrder::Name, page),
            });
            self.page(view.revision, filter.scope, page.of(&found), headers)
        };
        // Searching is part of the work, so the number of rows is not known before.
        renderer.run(page.limit, work).await
    }

    /// Describes an extension by its latest version.
    pub async fn latest(
        self,
        id: ExtensionId,
        scope: Scope,
        deadline: Deadline,
    ) -> Result<Computed> {
        let entry = self.catalog.reader.find(&id, Read { scope, deadline }).await?;
        let body = self.bodies(scope).extension(&entry);
        computed(entry, scope, &body, Vec::new())
    }

    /// Lists the versions of an extension.
    pub async fn versions(
        self,
        id: ExtensionId,
        scope: Scope,
        deadline: Deadline,
    ) -> Result<Computed> {
        let entry = self.catalog.reader.find_whole(&id, Read { scope, deadline }).await?;
        let releases = entry.extension.releases().iter();
        let bodies: Vec<VersionBody> =
            releases.map(|release| self.bodies(scope).version(&entry, release)).collect();
        // An incomplete response is marked and not cached: the rest may arrive in a moment.
        let missing = entry.extension.unread().map(|release| release.backend).collect();
        computed(entry, scope, &bodies, missing)
    }

    /// Describes one version with all details.
    pub async fn release(
        self,
        id: ExtensionId,
        version: Tag,
        scope: Scope,
        deadline: Deadline,
    ) -> Result<Computed> {
        let found =
            self.catalog.reader.find_details(&id, &version, Read { scope, deadline }).await?;
        let pin = self.catalog.pins.of_archive(&id, &found.release);
        let body = self.bodies(scope).metadata(&found.entry, &found.release, pin.as_ref());
        let release = Arc::clone(&found.release);
        let mut computed = of_release(found, scope, &body)?;
        computed.answer.content.notes.clone_from(&release.notes);
        if let (None, MadeFrom::Extension(entry, scope)) = (pin, &computed.answer.made_from) {
            let unpinned = Unpinned { release, pins: Arc::clone(&self.catalog.pins) };
            computed.answer.made_from = MadeFrom::Unpinned(Arc::clone(entry), *scope, unpinned);
        }
        Ok(computed)
    }

    /// Describes the version that a range selects.
    pub async fn resolve(
        self,
        id: ExtensionId,
        range: VersionRange,
        scope: Scope,
        deadline: Deadline,
    ) -> Result<Computed> {
        let found = self.catalog.reader.resolve(&id, &range, Read { scope, deadline }).await?;
        let body = self.bodies(scope).version(&found.entry, &found.release);
        of_release(found, scope, &body)
    }

    fn bodies(&self, scope: Scope) -> Bodies<'_> {
        Bodies { scope, public_url: self.public_url.as_ref(), base_path: &self.base_path }
    }

    fn page(
        &self,
        revision: u64,
        scope: Scope,
        rows: &[&Arc<Entry>],
        headers: PageHeaders,
    ) -> Result<CachedAnswer> {
        let bodies = self.bodies(scope);
        let rows = rows.iter().filter_map(|entry| bodies.extension(entry));
        let rows: Vec<ExtensionBody> = rows.collect();
        let rendered = Rendered::json(&rows)?;
        let served = AnswerContent::of(rendered, rows.len());
        let content = AnswerContent { page: Some(headers), ..served };
        Ok(CachedAnswer::new(MadeFrom::Revision(revision), content))
    }
}

fn of_release(found: Details, scope: Scope, body: &impl Serialize) -> Result<Computed> {
    let Details { entry, release, whole } = found;
    let missing = if whole { Vec::new() } else { vec![release.backend] };
    computed(entry, scope, body, missing)
}

fn computed(
    entry: Arc<Entry>,
    scope: Scope,
    body: &impl Serialize,
    missing: Vec<BackendId>,
) -> Result<Computed> {
    let content = AnswerContent::of(Rendered::json(body)?, 1);
    let answer = CachedAnswer::new(MadeFrom::Extension(entry, scope), content);
    Ok(Computed { answer, is_complete: missing.is_empty(), missing })
}

fn list_route(
    filter: &ListFilter,
    order: ListOrder,
    Page { limit, offset }: Page,
) -> ListRoute<'_> {
    let ListFilter { extension_type, scope, keywords } = filter;
    let page = Some((limit, offset));
    ListRoute { extension_type: *extension_type, scope: *scope, keywords, order, page }
}

fn page_headers<R: Route>(
    base_path: &str,
    page: Page,
    total: usize,
    route: impl Fn(Page) -> R,
) -> PageHeaders {
    let links = page.links(total, |page| format!("{base_path}{}", route(page).relative()));
    let links = links.and_then(|links| HeaderValue::from_str(&links).ok());
    PageHeaders { total: total.into(), links }
}
