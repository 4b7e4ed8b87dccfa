//! A version of an extension of which not everything is known: asked for by its tag before it is
//! said to be absent. A list of tags can be too long to be kept, or have a part that cannot be read.

use std::sync::Arc;

use crate::catalog::Catalog;
use crate::catalog::index::Entry;
use crate::catalog::questions::{Deadline, Wanted, What, asked_too_much};
use crate::catalog::reads::no_version;
use crate::error::Result;
use crate::models::extension::Release;
use crate::models::scope::Scope;
use crate::models::tag::Tag;

impl Catalog {
    /// The release of a tag that is not known of an extension. `None` where it is known, or where
    /// everything is known of the extension, so that there is nothing to ask for here.
    ///
    /// # Errors
    /// `NotFound` where its backend says no to the tag.
    pub(super) async fn find_beyond(
        self: &Arc<Self>,
        entry: &Entry,
        tag: &Tag,
        scope: Scope,
        deadline: Deadline,
    ) -> Result<Option<Arc<Release>>> {
        let extension = &entry.extension;
        let backend = entry.backends().find(|backend| scope.includes(*backend));
        let Some(member) = backend.and_then(|backend| self.member(backend)) else {
            return Ok(None);
        };
        // Hidden tags stay hidden, and an alias cannot be told from a version here.
        let is_hidden = tag.is_housekeeping() || tag.may_float();
        if extension.is_whole() || is_hidden || extension.find(tag).is_some() {
            return Ok(None);
        }
        let wanted = Wanted {
            id: entry.id().clone(),
            what: What::Tag(tag.clone()),
            scope: member.id().into(),
        };
        if self.was_denied(&wanted) {
            return Err(no_version(entry.id(), tag));
        }
        if !member.budget.take() {
            return Err(asked_too_much(member.id()));
        }
        let bare = Arc::new(Release::of_tag(member.id(), tag.clone()));
        match self.read_now(entry.id(), &bare, deadline).await {
            Ok(release) if release.artifact.is_usable() => Ok(Some(release)),
            Err(error) if !error.is_not_found() => Err(error),
            _ => {
                self.deny(wanted);
                Err(no_version(entry.id(), tag))
            }
        }
    }
}
