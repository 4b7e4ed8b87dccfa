//! Entries of the response caches: a rendered response, and the catalog's data it was made from.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::http::HeaderValue;
use registry_catalog::index::entry::Entry;
use registry_catalog::index::view::View;
use registry_catalog::pins::Pins;
use registry_core::caching::single_flight::Same;
use registry_core::models::backend_id::BackendId;
use registry_core::models::extension::Release;
use registry_core::models::scope::Scope;

use crate::edge::rendered::Rendered;

/// Body of an answer, and the headers that describe it.
#[derive(Clone, Debug)]
pub struct AnswerContent {
    /// The body.
    pub rendered: Rendered,
    /// Number of extensions in the body, as counted in metrics.
    pub served: usize,
    /// Headers of a page of a list or search.
    pub page: Option<PageHeaders>,
    /// Release notes of the version that the body describes, as the publisher wrote them.
    pub notes: Option<Arc<str>>,
}

impl AnswerContent {
    /// Returns an answer about this number of extensions, without headers of its own.
    #[must_use]
    pub const fn of(rendered: Rendered, served: usize) -> Self {
        Self { rendered, served, page: None, notes: None }
    }
}

/// Headers of a page.
#[derive(Clone, Debug)]
pub struct PageHeaders {
    /// Number of rows over all pages.
    pub total: HeaderValue,
    /// Links to other pages; `None` if there is no page to link to.
    pub links: Option<HeaderValue>,
}

/// The catalog's data that a response was made from.
#[derive(Clone, Debug)]
pub enum MadeFrom {
    /// All extensions, of this revision of the view.
    Revision(u64),
    /// One extension, as this scope shows it.
    Extension(Arc<Entry>, Scope),
    /// A release without a pin of an extension as this scope shows it. Its first download makes no
    /// new view, but a pin.
    Unpinned(Arc<Entry>, Scope, Unpinned),
}

/// A release whose archive was not downloaded yet.
#[derive(Clone)]
pub struct Unpinned {
    /// The release.
    pub release: Arc<Release>,
    /// The pins that have none of it.
    pub pins: Arc<Pins>,
}

impl fmt::Debug for Unpinned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unpinned").field("release", &self.release).finish_non_exhaustive()
    }
}

/// A cached response.
#[derive(Clone, Debug)]
pub struct CachedAnswer {
    /// The data that it was made from.
    pub made_from: MadeFrom,
    /// The response.
    pub content: AnswerContent,
    current_in: LastView,
}

/// Revision of the last view in which a response was current.
#[derive(Debug)]
struct LastView(AtomicU64);

impl Clone for LastView {
    fn clone(&self) -> Self {
        Self(AtomicU64::new(self.0.load(Ordering::Relaxed)))
    }
}

impl CachedAnswer {
    /// Creates a response made from this data.
    #[must_use]
    pub const fn new(made_from: MadeFrom, content: AnswerContent) -> Self {
        // No view has this revision.
        Self { made_from, content, current_in: LastView(AtomicU64::new(u64::MAX)) }
    }

    /// Returns true if the catalog's data is unchanged.
    #[must_use]
    pub fn is_current(&self, view: &View) -> bool {
        match &self.made_from {
            MadeFrom::Revision(revision) => *revision == view.revision,
            MadeFrom::Extension(entry, scope) => self.shows(view, entry, *scope),
            MadeFrom::Unpinned(entry, scope, Unpinned { release, pins }) => {
                self.shows(view, entry, *scope) && pins.of_archive(entry.id(), release).is_none()
            }
        }
    }

    /// Returns true if the view shows this entry. Searches each view only once.
    fn shows(&self, view: &View, entry: &Arc<Entry>, scope: Scope) -> bool {
        let LastView(last) = &self.current_in;
        if last.load(Ordering::Relaxed) == view.revision {
            return true;
        }
        let is_shown = view.get(entry.id(), scope).is_some_and(|now| Arc::ptr_eq(now, entry));
        if is_shown {
            last.store(view.revision, Ordering::Relaxed);
        }
        is_shown
    }

    /// Returns the maximum memory use, in bytes. The catalog's data is shared and not included.
    #[must_use]
    pub fn weight(&self) -> usize {
        let links = self.content.page.as_ref().and_then(|page| page.links.as_ref());
        let notes = self.content.notes.as_ref().map_or(0, |notes| notes.len());
        self.content.rendered.weight()
            + links.map_or(0, HeaderValue::len)
            + notes
            + size_of::<Self>()
    }
}

/// A response just made.
#[derive(Clone, Debug)]
pub struct Computed {
    /// The response.
    pub answer: CachedAnswer,
    /// Backends whose part is missing. An incomplete response is not cached.
    pub missing: Vec<BackendId>,
    /// True if the backends reported everything.
    pub is_complete: bool,
}

/// State of an extension when a response began to be made, which is not shared with requests after
/// a change; `None` if the extension was unknown.
pub type Generation = Option<Same<Entry>>;
