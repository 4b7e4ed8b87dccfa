//! Versions of an incompletely known extension. Before a 404, such a version is read by its tag: a
//! list of tags can be too long to keep, or have a part that cannot be read.

use std::sync::Arc;

use crate::catalog::Catalog;
use crate::catalog::index::Entry;
use crate::catalog::lookups::{Deadline, LookupKey, LookupSubject, asked_too_much};
use crate::catalog::reads::no_version;
use crate::error::Result;
use crate::models::extension::Release;
use crate::models::scope::Scope;
use crate::models::tag::Tag;

impl Catalog {
    /// Reads the release of a tag that is not cached; `None` if there is nothing to read,
    /// `NotFound` if the backend does not have it.
    pub(super) async fn find_by_tag(
        self: &Arc<Self>,
        entry: &Entry,
        tag: &Tag,
        scope: Scope,
        deadline: Deadline,
    ) -> Result<Option<Arc<Release>>> {
        let extension = &entry.extension;
        let backend = entry.backends().copied().find(|backend| scope.includes(*backend));
        let Some(handle) = backend.and_then(|backend| self.handle(backend)) else {
            return Ok(None);
        };
        // Hidden tags stay hidden, and a tag such as `1.2` may be an alias that moves.
        let is_hidden = tag.is_housekeeping() || tag.may_float();
        if extension.is_whole() || is_hidden || extension.find(tag).is_some() {
            return Ok(None);
        }
        let wanted = LookupKey {
            id: entry.id().clone(),
            what: LookupSubject::Tag(tag.clone()),
            scope: handle.id().into(),
        };
        if self.is_known_absent(&wanted) {
            return Err(no_version(entry.id(), tag));
        }
        // A caller can make up any number of tags, and each one costs the backend a request.
        if !handle.budget.take() {
            return Err(asked_too_much(handle.id()));
        }
        let bare = Arc::new(Release::of_tag(handle.id(), tag.clone()));
        match self.read_now(entry.id(), &bare, deadline).await {
            Ok(release) if release.artifact.is_usable() => Ok(Some(release)),
            Err(error) if !error.is_not_found() => Err(error),
            _ => {
                self.remember_absent(wanted);
                Err(no_version(entry.id(), tag))
            }
        }
    }
}
