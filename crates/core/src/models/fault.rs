//! Faults: reasons why a part of an extension is not served.

use std::fmt;

use crate::models::artifact::ArtifactKey;
use crate::models::tag::Tag;
use crate::models::truncate::truncate;

/// Part of a repository that a fault concerns. A new read of that part replaces its faults.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FaultSubject {
    /// The list of repositories.
    Listing,
    /// The name of a repository nearly matches the naming scheme. Advice: nothing is missing.
    Naming,
    /// Reported removals that are not trusted.
    Removal,
    /// The repository, or its list of releases.
    Repository,
    /// One release.
    Release(Tag),
    /// The content of one file of a release.
    Download(Tag, ArtifactKey),
}

impl fmt::Display for FaultSubject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listing => f.write_str("listing"),
            Self::Naming => f.write_str("naming"),
            Self::Removal => f.write_str("removal"),
            Self::Repository => f.write_str("repository"),
            Self::Release(tag) => write!(f, "release {tag}"),
            Self::Download(tag, _) => write!(f, "download {tag}"),
        }
    }
}

/// A part of an extension that is not served, and the reason. Displays as one sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExtensionFault {
    /// Affected part of the repository.
    pub subject: FaultSubject,
    /// One sentence for `/health` and the log, at most 500 characters.
    pub reason: String,
    /// True if the part could not be read; false for a release that was read and has no archive.
    pub unreadable: bool,
}

impl ExtensionFault {
    /// Creates a fault of the whole repository, which was readable.
    #[must_use]
    pub fn of_repository(reason: impl Into<String>) -> Self {
        let reason = truncate(reason.into());
        Self { subject: FaultSubject::Repository, reason, unreadable: false }
    }

    /// Creates a fault of an unreadable release; the sentence begins with its tag.
    #[must_use]
    pub fn unreadable_tag(tag: &Tag, reason: impl fmt::Display) -> Self {
        Self { unreadable: true, ..Self::unusable_tag(tag, reason) }
    }

    /// A release that was read but cannot be served; the sentence begins with its tag.
    #[must_use]
    pub fn unusable_tag(tag: &Tag, reason: impl fmt::Display) -> Self {
        let reason = truncate(format!("tag {tag}: {reason}"));
        Self { subject: FaultSubject::Release(tag.clone()), reason, unreadable: false }
    }
}

impl fmt::Display for ExtensionFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

/// Keeps the first 20 faults and adds one with the number of omitted faults.
#[must_use]
pub fn first_few_faults(mut faults: Vec<ExtensionFault>) -> Vec<ExtensionFault> {
    const FAULTS_MAX: usize = 20;
    let more = faults.len().saturating_sub(FAULTS_MAX);
    // A single omitted fault is kept: the line that counts it would take the same room.
    if more > 1 {
        faults.truncate(FAULTS_MAX);
        faults.push(ExtensionFault::of_repository(format!("and {more} more")));
    }
    faults
}
