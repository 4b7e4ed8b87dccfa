//! A reason why something of an extension is not served.

use std::fmt;

use crate::models::artifact::ArtifactKey;
use crate::models::brief::brief;
use crate::models::tag::Tag;

/// The part of a repository that a fault is about. A read of that part replaces its faults.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FaultSubject {
    /// The list of repositories.
    Listing,
    /// The name of a repository that nearly fits. Advice: nothing that is served lacks a part.
    Naming,
    /// Removals that are not believed.
    Removal,
    /// The repository, or its list of releases.
    Repository,
    /// One release.
    Release(Tag),
    /// The bytes of one file of a release.
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

/// Something of one extension that is not served, and why. Shown as one sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExtensionFault {
    /// The part of the repository.
    pub subject: FaultSubject,
    /// One sentence for `/health` and the log, at most 500 characters.
    pub reason: String,
    /// Whether something exists and cannot be read, so that it cannot be told what it holds. A
    /// release that was read and holds no archive is readable.
    pub unreadable: bool,
}

impl ExtensionFault {
    /// A fault of the repository as a whole, which was read.
    #[must_use]
    pub fn of_repository(reason: impl Into<String>) -> Self {
        let reason = brief(reason.into());
        Self { subject: FaultSubject::Repository, reason, unreadable: false }
    }

    /// A release that cannot be read; the sentence begins with its tag.
    #[must_use]
    pub fn unreadable_tag(tag: &Tag, reason: impl fmt::Display) -> Self {
        Self { unreadable: true, ..Self::unusable_tag(tag, reason) }
    }

    /// A release that was read and cannot be served; the sentence begins with its tag.
    #[must_use]
    pub fn unusable_tag(tag: &Tag, reason: impl fmt::Display) -> Self {
        let reason = brief(format!("tag {tag}: {reason}"));
        Self { subject: FaultSubject::Release(tag.clone()), reason, unreadable: false }
    }
}

impl fmt::Display for ExtensionFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

/// The first few faults, and one more that counts the others.
#[must_use]
pub fn first_few_faults(mut faults: Vec<ExtensionFault>) -> Vec<ExtensionFault> {
    /// Faults that one extension shows.
    const FAULTS_MAX: usize = 20;
    let more = faults.len().saturating_sub(FAULTS_MAX);
    if more > 1 {
        faults.truncate(FAULTS_MAX);
        faults.push(ExtensionFault::of_repository(format!("and {more} more")));
    }
    faults
}
