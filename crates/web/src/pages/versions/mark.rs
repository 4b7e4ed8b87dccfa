//! Marks beside a version.

/// Property of a version to point out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VersionMark {
    /// It is the latest version.
    Latest,
    /// It is a pre-release.
    PreRelease,
    /// Its archive changed since the first download.
    Changed,
    /// Its size and digest were not read yet.
    Unread,
    /// Several files could be its archive.
    Ambiguous,
    /// Its tag is no version.
    Unversioned,
}

impl VersionMark {
    pub(super) const fn class(self) -> &'static str {
        match self {
            Self::Latest => "mark ok",
            Self::PreRelease | Self::Ambiguous => "mark warn",
            Self::Changed => "mark bad",
            Self::Unread | Self::Unversioned => "mark muted",
        }
    }

    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::Latest => "latest",
            Self::PreRelease => "pre-release",
            Self::Changed => "archive changed",
            Self::Unread => "unread",
            Self::Ambiguous => "several archives",
            Self::Unversioned => "not a version",
        }
    }
}
