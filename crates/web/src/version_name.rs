//! Names of a version.

/// A version and the tag that it has at its backend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionName {
    /// The tag without its `v`, or the tag itself if it is not a version.
    pub version: String,
    /// Tag as the backend spells it; addresses contain it.
    pub tag: String,
}

impl VersionName {
    /// Returns a version whose tag is spelled like the version.
    #[must_use]
    pub fn same(version: impl Into<String>) -> Self {
        let version = version.into();
        Self { tag: version.clone(), version }
    }

    /// Returns the tag if it is spelled differently from the version.
    #[must_use]
    pub fn different_tag(&self) -> Option<&str> {
        (self.tag != self.version).then_some(self.tag.as_str())
    }
}
