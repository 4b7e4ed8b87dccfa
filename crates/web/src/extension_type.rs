//! Types of extensions.

use std::fmt;

/// Type of an extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TypeView {
    /// Cloud or machine provider.
    Provider,
    /// Task service.
    Taskserv,
    /// Cluster.
    Cluster,
}

impl TypeView {
    /// All types, in the order of the pages.
    pub const ALL: [Self; 3] = [Self::Provider, Self::Taskserv, Self::Cluster];

    /// Returns the word in addresses and JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Provider => "provider",
            Self::Taskserv => "taskserv",
            Self::Cluster => "cluster",
        }
    }

    /// Returns the heading of a group of extensions of this type.
    #[must_use]
    pub const fn plural(self) -> &'static str {
        match self {
            Self::Provider => "Providers",
            Self::Taskserv => "Task services",
            Self::Cluster => "Clusters",
        }
    }

    /// Returns the meaning of the type in one sentence.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Provider => "Clouds and machines that workspaces run on",
            Self::Taskserv => "Services installed on a machine",
            Self::Cluster => "Workloads that run on a cluster",
        }
    }
}

impl fmt::Display for TypeView {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}
