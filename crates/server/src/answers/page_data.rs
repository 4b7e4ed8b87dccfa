//! Data that pages for browsers are made from, and the pages in the response cache.

use std::sync::Arc;

use registry_catalog::Catalog;
use registry_catalog::deadline::Deadline;
use registry_catalog::index::entry::Entry;
use registry_catalog::index::view::View;
use registry_catalog::read::Read;
use registry_core::error::Result;
use registry_core::models::backend_id::BackendId;
use registry_core::models::naming::ExtensionId;
use registry_core::models::scope::Scope;
use tokio::time::Instant;

use crate::answers::Answers;
use crate::answers::answer::{Answer, CachedHit};
use crate::answers::entry::{AnswerContent, CachedAnswer, MadeFrom};
use crate::answers::provenance::Provenance;
use crate::edge::rendered::Rendered;

/// Data that a page is made from.
#[derive(Clone, Debug)]
pub struct PageData {
    /// The catalog.
    pub view: Arc<View>,
    /// Backends of the page.
    pub scope: Scope,
    /// Extension of the page; `None` for lists.
    pub id: Option<ExtensionId>,
    /// Backends that failed just now.
    failing: Vec<BackendId>,
    /// True if the page may be kept, and taken from the cache.
    is_kept: bool,
}

impl PageData {
    /// Returns true if the page may answer the same request again: it is kept, and complete.
    #[must_use]
    pub const fn is_lasting(&self) -> bool {
        self.is_kept && self.failing.is_empty()
    }

    /// Returns age and origin of a page that is made from this data now.
    #[must_use]
    pub fn provenance(&self, catalog: &Catalog) -> Provenance {
        Provenance::asked(catalog, self.scope, self.id.as_ref(), self.failing.clone())
    }
}

impl Answers {
    /// Returns the view for a page about many extensions. Waits for the first sync cycles, and
    /// without a cache of lists for a new one.
    ///
    /// # Errors
    ///
    /// Those of `Reader::ready`.
    pub async fn list_data(&self, scope: Scope) -> Result<PageData> {
        let (catalog, deadline) = (self.catalog(), Deadline::of_a_read());
        let failing = if self.rules.lists {
            Vec::new()
        } else {
            catalog.syncer.force_sync(scope, deadline).await
        };
        let view = catalog.reader.ready(Read { scope, deadline }).await?;
        Ok(PageData { view, scope, id: None, failing, is_kept: self.rules.lists })
    }

    /// Returns the data for a page about one extension; with `whole` every release in full.
    ///
    /// # Errors
    ///
    /// Those of `Reader::find`.
    pub async fn extension_data(
        &self,
        id: &ExtensionId,
        scope: Scope,
        whole: bool,
    ) -> Result<(PageData, Arc<Entry>)> {
        let (catalog, deadline) = (self.catalog(), Deadline::of_a_read());
        let failing = if self.rules.metadata {
            Vec::new()
        } else {
            catalog.syncer.force_refresh(id, scope, deadline).await
        };
        let read = Read { scope, deadline };
        let found = if whole {
            catalog.reader.find_whole(id, read).await?
        } else {
            catalog.reader.find(id, read).await?
        };
        let view = catalog.store.view();
        // The entry of the view, so that all parts of the page are of one moment.
        let entry = view.get(id, scope).map_or(found, Arc::clone);
        let id = Some(entry.id().clone());
        Ok((PageData { view, scope, id, failing, is_kept: self.rules.metadata }, entry))
    }

    /// Returns the page under this key from the cache, if it is of this view. Neither a hit nor a miss
    /// is counted yet: the caller takes the page, or makes it with [`Answers::page_of`].
    #[must_use]
    pub fn kept_page(
        &self,
        key: &str,
        view: &View,
        scope: Scope,
        id: Option<&ExtensionId>,
        now: Instant,
    ) -> Option<CachedHit<'_>> {
        let hit = self.pages.peek(key, view, now)?;
        let provenance = Provenance::kept(self.catalog(), scope, id, hit.age, now);
        let answer = Answer { content: hit.value, provenance, form: None };
        Some(CachedHit { answer, counters: self.pages.counters() })
    }

    /// Returns the kept page with this data like [`Answers::kept_page`], and counts a hit.
    #[must_use]
    pub fn kept_page_of(&self, key: &str, data: &PageData) -> Option<Answer> {
        let PageData { view, scope, id, is_kept, .. } = data;
        let hit = is_kept.then(|| self.kept_page(key, view, *scope, id.as_ref(), Instant::now()));
        Some(hit.flatten()?.take())
    }

    /// Returns the page under this key from the cache, or makes it. `rows` is its approximate number
    /// of rows.
    ///
    /// # Errors
    ///
    /// Those of `make`.
    pub async fn page_of(
        &self,
        key: String,
        data: &PageData,
        rows: usize,
        make: impl FnOnce() -> Result<Rendered> + Send + 'static,
    ) -> Result<Answer> {
        if let Some(kept) = self.kept_page_of(&key, data) {
            return Ok(kept);
        }
        let catalog = self.catalog();
        let content = AnswerContent::of(self.maker.renderer.run(rows, make).await?, 0);
        if data.is_kept {
            self.pages.counters().miss();
            let made_from = MadeFrom::Revision(data.view.revision);
            let answer = CachedAnswer::new(made_from, content.clone());
            self.pages.put(catalog, key, answer);
        }
        let provenance = data.provenance(catalog);
        Ok(Answer { content, provenance, form: None })
    }
}
