//! One release with all that its backend tells of it, asked for now; else what is known of it.

use std::sync::Arc;

use crate::catalog::Catalog;
use crate::catalog::index::Entry;
use crate::catalog::questions::Deadline;
use crate::error::{Error, ErrorKind, Result};
use crate::models::artifact::ArtifactChoice;
use crate::models::extension::Release;
use crate::models::naming::ExtensionId;
use crate::models::readme::Readme;
use crate::models::scope::Scope;
use crate::models::tag::Tag;

/// A release, and how much of it is known.
#[derive(Clone, Debug)]
pub struct Details {
    /// Its extension.
    pub entry: Arc<Entry>,
    /// The release.
    pub release: Arc<Release>,
    /// Whether its backend told all of it; otherwise it lacks its notes, and perhaps a digest.
    pub whole: bool,
}

impl Catalog {
    /// One release with its notes and digest, for which its backend is asked. While that does not
    /// answer, what is known of the release.
    ///
    /// # Errors
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

    /// The README of a release, however long its backend takes: a caller waits until its
    /// [`Deadline`].
    ///
    /// # Errors
    /// `NotFound` if it has none; the backend's other failures.
    pub async fn readme(&self, id: &ExtensionId, release: &Release) -> Result<Readme> {
        let Some(member) = self.member(release.backend) else {
            return Err(Error::new(ErrorKind::Internal, "The release is of no configured backend"));
        };
        let read = member.backend.readme(id, release).await;
        member.learned(&read);
        read
    }

    /// A release with what its backend tells of it now, where that is worth a wait.
    pub(super) async fn details(
        self: &Arc<Self>,
        entry: Arc<Entry>,
        known: Arc<Release>,
        deadline: Deadline,
    ) -> Result<Details> {
        let readable = known.artifact != ArtifactChoice::Unread;
        let there = self.member(known.backend).is_some_and(|member| member.status.is_healthy());
        // Who knows the release need not wait for a backend that is away, or has not said a word
        // since the start.
        if readable && !there {
            return Ok(Details { entry, release: known, whole: false });
        }
        match self.read_now(entry.id(), &known, deadline).await {
            Ok(release) => Ok(Details { entry, release, whole: true }),
            Err(_) if readable => Ok(Details { entry, release: known, whole: false }),
            Err(error) => Err(error),
        }
    }
}
