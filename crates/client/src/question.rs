//! Restrictions of a request for a release.

use crate::cli::arguments::ScopeArgs;

/// What is asked for beside the reference.
#[derive(Clone, Debug, Default)]
pub(crate) struct Question {
    pub(crate) scope: ScopeArgs,
    /// True if ranges may pick pre-releases.
    pub(crate) admits_prereleases: bool,
}
