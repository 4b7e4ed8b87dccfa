//! Operation labels of requests to Gitea, for metrics and logs.

pub(super) const CONTENTS: &str = "contents";
pub(super) const DOWNLOAD: &str = "download";
pub(super) const FEED: &str = "feed";
pub(super) const FILE: &str = "file";
pub(super) const ORGANIZATION: &str = "organization";
pub(super) const PROBE: &str = "probe";
pub(super) const RELEASE: &str = "release";
pub(super) const RELEASES: &str = "releases";
pub(super) const REPOSITORIES: &str = "repositories";
pub(super) const REPOSITORY: &str = "repository";
pub(super) const SETTINGS: &str = "settings";
pub(super) const TAG: &str = "tag";
pub(super) const TOPICS: &str = "topics";

/// All labels, so that every series exists from the start.
pub const ALL: [&str; 13] = [
    CONTENTS,
    DOWNLOAD,
    FEED,
    FILE,
    ORGANIZATION,
    PROBE,
    RELEASE,
    RELEASES,
    REPOSITORIES,
    REPOSITORY,
    SETTINGS,
    TAG,
    TOPICS,
];
