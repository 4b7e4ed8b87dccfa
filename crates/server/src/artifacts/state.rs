//! State of the artifact store, for `/health`.

/// State of the artifact store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoreState {
    /// True if a directory for artifacts is configured.
    pub enabled: bool,
    /// The current failure; `None` while the store works. Downloads continue without the store.
    pub failure: Option<String>,
    /// Number of stored artifacts.
    pub artifacts: usize,
    /// Size of the stored artifacts in bytes.
    pub bytes: u64,
    /// Limit in bytes.
    pub max_bytes: u64,
    /// State of the shared bucket; `None` without one.
    pub bucket: Option<BucketState>,
}

/// State of the bucket that the instances of the service share.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BucketState {
    /// The current failure; `None` while the bucket works. Downloads continue without it.
    pub failure: Option<String>,
}
