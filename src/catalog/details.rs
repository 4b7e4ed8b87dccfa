//! One release in full, read now if its backend is healthy, else as it is cached.

use std::sync::Arc;

use crate::catalog::Catalog;
use crate::catalog::index::Entry;
use crate::catalog::lookups::Deadline;
use crate::error::{Error, ErrorKind, Result};
use crate::models::artifact::ArtifactChoice;
use crate::models::extension::Release;
use crate::models::naming::ExtensionId;
use crate::models::readme::Readme;
use crate::models::scope::Scope;
use crate::models::tag::Tag;

/// A release, and whether it is complete.
#[derive(Clone, Debug)]
pub struct Details {
    /// The extension.
    pub entry: Arc<Entry>,
    /// The release.
    pub release: Arc<Release>,
    /// True if the backend just returned it in full; else it lacks notes and perhaps a digest.
    pub whole: bool,
}

impl Catalog {
    /// Returns one release with notes and digest; the cached release while the backend fails.
    ///
    /// # Errors
    ///
    /// As [`Catalog::find_release`].
    pub async fn find_details(
        self: &Arc<Self>,
        id: &ExtensionId,
        version: &Tag,
        scope: Scope,
        deadline: Deadline,
    ) -> Result<Details> {
        let (entry, known) = self.find_named(id, version, scope, deadline).await?;
        let found = self.details(entry, Arc::clone(&known), deadline).await?;
        let entry = self.entry_of(found.entry, &known, &found.release, scope);
        Ok(Details { entry, ..found })
    }

    /// Returns the README of a release. Waits as long as the backend takes; callers bound the wait
    /// by their [`Deadline`].
    ///
    /// # Errors
    ///
    /// `NotFound` if the release has none; other errors of the backend.
    pub async fn readme(&self, id: &ExtensionId, release: &Release) -> Result<Readme> {
        let Some(handle) = self.handle(release.backend) else {
            return Err(Error::new(ErrorKind::Internal, "The release is of no configured backend"));
        };
        let read = handle.backend.readme(id, release).await;
        handle.learned(&read);
        read
    }

    /// Reads a release again if the backend is healthy or the content is unknown.
    pub(super) async fn details(
        self: &Arc<Self>,
        entry: Arc<Entry>,
        known: Arc<Release>,
        deadline: Deadline,
    ) -> Result<Details> {
        let readable = known.artifact != ArtifactChoice::Unread;
        let there = self.handle(known.backend).is_some_and(|handle| handle.status.is_healthy());
        // With the content cached, a request does not wait for a backend that may be down.
        if readable && !there {
            return Ok(Details { entry, release: known, whole: false });
        }
        match self.read_now(entry.id(), &known, deadline).await {
            Ok(release) => Ok(Details { entry, release, whole: true }),
            // The cached content is still correct; it only lacks what a fresh read would add.
            Err(_) if readable => Ok(Details { entry, release: known, whole: false }),
            Err(error) => Err(error),
        }
    }
}
