//! One list as it was answered, and the pages of it that were requested.

use std::num::NonZeroUsize;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::api::memos::kept::Perishable;
use crate::api::paging::Page;
use crate::api::rendered::Rendered;
use crate::api::views::ExtensionView;
use crate::backend::weighted::{Bounds, Weighted};
use crate::catalog::index::{Entry, View};
use crate::error::Result;
use crate::models::naming::ExtensionType;
use crate::models::public_url::PublicUrl;
use crate::models::scope::Scope;

/// The most of one list's pages that is kept.
const PAGES: Bounds = Bounds { entries: NonZeroUsize::new(256).unwrap(), bytes: BYTES_MAX };
/// The most bytes of these.
pub const BYTES_MAX: usize = 4 * 1024 * 1024;

/// One list, and those of its pages that were asked for.
pub struct ListMemo {
    revision: u64,
    rows: Vec<Arc<Entry>>,
    scope: Scope,
    public_url: Option<PublicUrl>,
    pages: Mutex<Weighted<Page, Rendered>>,
}

impl Perishable for Arc<ListMemo> {
    fn holds(&self, view: &View) -> bool {
        self.revision == view.revision
    }

    /// Lists are bounded by their number: four types, one of them all, of four sources.
    fn weight(&self) -> usize {
        0
    }
}

impl ListMemo {
    /// The list that this view has; `public_url` is where clients reach us, if that is known.
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
            pages: Mutex::new(Weighted::new(PAGES)),
        }
    }

    /// How many rows it has over all pages.
    #[must_use]
    pub fn total(&self) -> usize {
        self.rows.len()
    }

    /// A page that was rendered before.
    #[must_use]
    pub fn kept(&self, page: Page) -> Option<Rendered> {
        self.pages.lock().get(&page).cloned()
    }

    /// Renders a page and keeps it.
    ///
    /// # Errors
    /// It cannot be rendered, which is a bug of the service.
    pub fn render(&self, page: Page) -> Result<Rendered> {
        let rendered = render_rows(page.of(&self.rows), self.scope, self.public_url.as_ref())?;
        self.pages.lock().put(page, rendered.weight(), rendered.clone());
        Ok(rendered)
    }
}

/// Extensions as a list or a search answers them.
///
/// # Errors
/// They cannot be rendered, which is our bug.
pub fn render_rows(
    rows: &[impl AsRef<Entry>],
    scope: Scope,
    public_url: Option<&PublicUrl>,
) -> Result<Rendered> {
    let rows = rows.iter().map(AsRef::as_ref);
    let views: Vec<_> = rows.filter_map(|row| ExtensionView::of(row, scope, public_url)).collect();
    Rendered::json(&views)
}
