//! A cached list response, and its rendered pages.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::answers::paging::Page;
use crate::answers::response_caches::response_cache::Validate;
use crate::caching::bounded_lru::{BoundedLru, Bounds};
use crate::catalog::index::{Entry, View};
use crate::edge::rendered::Rendered;
use crate::error::Result;
use crate::models::naming::ExtensionType;
use crate::models::public_url::PublicUrl;
use crate::models::scope::Scope;
use crate::public::views::ExtensionView;

const PAGES: Bounds = Bounds::new(256, BYTES_MAX);
/// Maximum total size of the cached pages of one list, in bytes.
pub const BYTES_MAX: usize = 4 * 1024 * 1024;

/// One list, with a cache of requested pages.
pub struct ListCache {
    revision: u64,
    rows: Vec<Arc<Entry>>,
    scope: Scope,
    public_url: Option<PublicUrl>,
    pages: Mutex<BoundedLru<Page, Rendered>>,
}

impl Validate for Arc<ListCache> {
    fn is_current(&self, view: &View) -> bool {
        self.revision == view.revision
    }

    fn weight(&self) -> usize {
        // Zero: the number of lists is bounded, four types for each of four sources.
        0
    }
}

impl ListCache {
    /// Creates the list from this view; `public_url` is the base URL of the service, if known.
    #[must_use]
    pub fn new(
        view: &View,
        extension_type: Option<ExtensionType>,
        scope: Scope,
        public_url: Option<PublicUrl>,
    ) -> Self {
        Self {
            revision: view.revision,
            rows: view.list(extension_type, scope).cloned().collect(),
            scope,
            public_url,
            pages: Mutex::new(BoundedLru::new(PAGES)),
        }
    }

    /// Returns the number of rows over all pages.
    #[must_use]
    pub fn total(&self) -> usize {
        self.rows.len()
    }

    /// Returns a cached page.
    #[must_use]
    pub fn kept(&self, page: Page) -> Option<Rendered> {
        self.pages.lock().get(&page).cloned()
    }

    /// Renders a page and caches it. Fails only by a bug: the rows cannot be serialized.
    pub fn render(&self, page: Page) -> Result<Rendered> {
        let rendered = render_rows(page.of(&self.rows), self.scope, self.public_url.as_ref())?;
        self.pages.lock().put(page, rendered.weight() as u64, rendered.clone());
        Ok(rendered)
    }
}

/// Renders the rows of a list or search. Fails only by a bug: they cannot be serialized.
pub fn render_rows(
    rows: &[impl AsRef<Entry>],
    scope: Scope,
    public_url: Option<&PublicUrl>,
) -> Result<Rendered> {
    let rows = rows.iter().map(AsRef::as_ref);
    let views: Vec<_> = rows.filter_map(|row| ExtensionView::of(row, scope, public_url)).collect();
    Rendered::json(&views)
}
