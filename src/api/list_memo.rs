//! One list as it was answered, and the pages of it that were asked for.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::api::answers::Rendered;
use crate::api::paging::Page;
use crate::api::views::ExtensionView;
use crate::catalog::index::{Entry, View};
use crate::error::Result;
use crate::models::naming::ExtensionType;
use crate::models::source::Source;

/// Rendered pages kept with one list.
const PAGES_MAX: usize = 16;

/// One list, and those of its pages that were asked for.
pub struct ListMemo {
    revision: u64,
    rows: Vec<Arc<Entry>>,
    source: Option<Source>,
    pages: Mutex<Vec<(Page, Rendered)>>,
}

impl ListMemo {
    /// The list that this view has.
    #[must_use]
    pub fn new(view: &View, extension_type: Option<ExtensionType>, source: Option<Source>) -> Self {
        Self {
            revision: view.revision,
            rows: view.list(extension_type, source).cloned().collect(),
            source,
            pages: Mutex::default(),
        }
    }

    /// Whether the list is still that of the catalogue.
    #[must_use]
    pub fn holds(&self, view: &View) -> bool {
        self.revision == view.revision
    }

    /// How many rows it has over all pages.
    #[must_use]
    pub fn total(&self) -> usize {
        self.rows.len()
    }

    /// One of its pages.
    ///
    /// # Errors
    /// It cannot be rendered, which is our bug.
    pub fn page(&self, page: Page) -> Result<Rendered> {
        if let Some((_, rendered)) = self.pages.lock().iter().find(|(known, _)| *known == page) {
            return Ok(rendered.clone());
        }
        let rendered = render_rows(page.of(&self.rows), self.source)?;
        let mut pages = self.pages.lock();
        if pages.len() < PAGES_MAX {
            pages.push((page, rendered.clone()));
        }
        Ok(rendered)
    }
}

/// Extensions as a list or a search answers them.
///
/// # Errors
/// They cannot be rendered, which is our bug.
pub fn render_rows(rows: &[impl AsRef<Entry>], source: Option<Source>) -> Result<Rendered> {
    let rows = rows.iter().map(AsRef::as_ref);
    let views: Vec<_> = rows.filter_map(|row| ExtensionView::of(row, source)).collect();
    Rendered::json(&views)
}
