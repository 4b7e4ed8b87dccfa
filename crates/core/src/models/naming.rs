//! Extension names, and their repository names at each kind of backend.

pub mod near_miss;

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;
use std::sync::Arc;

use crate::models::backend_kind::BackendKind;

/// Maximum length of an extension name, in characters (all ASCII).
pub const NAME_MAX: usize = 100;

/// A text that names no extension. The message states the bound and is safe for clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidName {
    /// Not one of the three types.
    #[error("type must be one of provider, taskserv, cluster")]
    Type,
    /// Outside the grammar of [`ExtensionName`].
    #[error("name must be 1 to {NAME_MAX} of A-Z a-z 0-9 . _ - and begin with a letter or digit")]
    Name,
}

/// Kind of an extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ExtensionType {
    /// A combination of several services.
    Cluster,
    /// Access to a cloud or a hypervisor.
    Provider,
    /// Installation and operation of one service on a machine.
    Taskserv,
}

impl ExtensionType {
    /// All types, in the order that lists use for equal names.
    pub const ALL: [Self; 3] = [Self::Cluster, Self::Provider, Self::Taskserv];

    /// Returns the word used in JSON and paths.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Provider => "provider",
            Self::Taskserv => "taskserv",
            Self::Cluster => "cluster",
        }
    }

    const fn suffix(self, source: BackendKind) -> &'static str {
        match (source, self) {
            (BackendKind::Gitea, Self::Provider) => "_prov",
            (BackendKind::Gitea, Self::Taskserv) => "_taskserv",
            (BackendKind::Gitea, Self::Cluster) => "_cluster",
            (BackendKind::Oci | BackendKind::Local, Self::Provider) => "-provider",
            (BackendKind::Oci | BackendKind::Local, Self::Taskserv) => "-taskserv",
            (BackendKind::Oci | BackendKind::Local, Self::Cluster) => "-cluster",
        }
    }
}

impl fmt::Display for ExtensionType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for ExtensionType {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or(InvalidName::Type)
    }
}

/// 1 to 100 of `[A-Za-z0-9._-]`, the first alphanumeric. Equality, order and hash ignore case.
#[derive(Clone, Debug)]
pub struct ExtensionName(Arc<str>);

impl ExtensionName {
    /// Returns the name as its backend spells it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ExtensionName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        // All allowed characters are ASCII, so the length in bytes is the length in characters.
        let fits = (1..=NAME_MAX).contains(&text.len())
            && text.starts_with(|first: char| first.is_ascii_alphanumeric())
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'));
        if fits { Ok(Self(text.into())) } else { Err(InvalidName::Name) }
    }
}

impl fmt::Display for ExtensionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl PartialEq for ExtensionName {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl Eq for ExtensionName {}

impl PartialOrd for ExtensionName {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for ExtensionName {
    fn cmp(&self, other: &Self) -> Ordering {
        // Neighbors in a sorted list have a common prefix, and equal bytes need no case folding.
        let pairs = self.0.bytes().zip(other.0.bytes()).filter(|(mine, theirs)| mine != theirs);
        pairs
            .map(|(mine, theirs)| mine.to_ascii_lowercase().cmp(&theirs.to_ascii_lowercase()))
            .find(|order| order.is_ne())
            .unwrap_or_else(|| self.0.len().cmp(&other.0.len()))
    }
}

impl Hash for ExtensionName {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // One write for the whole name: hashing byte by byte takes several times as long.
        let mut folded = [0; NAME_MAX];
        let name = folded.iter_mut().zip(self.0.bytes());
        name.for_each(|(folded, byte)| *folded = byte.to_ascii_lowercase());
        state.write(folded.get(..self.0.len()).unwrap_or_default());
        // Terminator as in `str`'s own `Hash`, so that composite keys have no ambiguous boundaries.
        state.write_u8(0xff);
    }
}

/// Type and name of an extension. Orders as lists do: by name without case, then by type.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExtensionId {
    /// Name; the first field, because the derived order starts with it.
    pub name: ExtensionName,
    /// Type of the extension.
    pub extension_type: ExtensionType,
}

impl ExtensionId {
    /// Parses a Gitea repository name: `my_prov_taskserv` is the taskserv `my_prov`. Ignores case.
    #[must_use]
    pub fn from_gitea_repository(repository: &str) -> Option<Self> {
        Self::from_repository(repository, BackendKind::Gitea)
    }

    /// Parses the last path segment: `aws-provider` is the provider `aws`. `None` for others.
    #[must_use]
    pub fn from_oci_repository(segment: &str) -> Option<Self> {
        Self::from_repository(segment, BackendKind::Oci)
    }

    /// Returns the name of the Gitea repository of this extension, such as `{name}_prov`.
    #[must_use]
    pub fn gitea_repository(&self) -> String {
        self.repository(BackendKind::Gitea)
    }

    /// Returns the last path segment of the OCI repository, with the spelling of the name.
    #[must_use]
    pub fn oci_repository(&self) -> String {
        self.repository(BackendKind::Oci)
    }

    fn repository(&self, source: BackendKind) -> String {
        format!("{}{}", self.name, self.extension_type.suffix(source))
    }

    fn from_repository(repository: &str, source: BackendKind) -> Option<Self> {
        // No suffix is the end of another one, so at most one type matches.
        ExtensionType::ALL.into_iter().find_map(|extension_type| {
            let suffix = extension_type.suffix(source);
            let split = repository.len().checked_sub(suffix.len())?;
            let (stem, tail) = repository.split_at_checked(split)?;
            if !tail.eq_ignore_ascii_case(suffix) {
                return None;
            }
            let name = stem.parse().ok()?;
            Some(Self { name, extension_type })
        })
    }
}

/// Error for a text that is not an extension id. The message is for operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an extension is written as type/name, like provider/aws")]
pub struct InvalidExtensionId;

impl FromStr for ExtensionId {
    type Err = InvalidExtensionId;

    fn from_str(text: &str) -> Result<Self, InvalidExtensionId> {
        let (extension_type, name) = text.split_once('/').ok_or(InvalidExtensionId)?;
        Ok(Self {
            name: name.parse().map_err(|_| InvalidExtensionId)?,
            extension_type: extension_type.parse().map_err(|_| InvalidExtensionId)?,
        })
    }
}

impl fmt::Display for ExtensionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.extension_type, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> ExtensionId {
        let (extension_type, name) = text.split_once('/').unwrap();
        ExtensionId { name: name.parse().unwrap(), extension_type: extension_type.parse().unwrap() }
    }

    #[test]
    fn repositories_name_extensions() {
        for (repository, expected) in [
            ("aws_prov", Some("provider/aws")),
            ("kubernetes_taskserv", Some("taskserv/kubernetes")),
            ("buildkit_cluster", Some("cluster/buildkit")),
            ("my_prov_taskserv", Some("taskserv/my_prov")),
            ("_prov", None),
            ("aws-provider", None),
            ("docs", None),
            ("ünïcode_prov", None),
            ("-x_prov", None),
        ] {
            assert_eq!(
                ExtensionId::from_gitea_repository(repository),
                expected.map(id),
                "{repository}"
            );
        }
        for (repository, expected) in [
            ("aws-provider", Some("provider/aws")),
            ("a-provider-cluster", Some("cluster/a-provider")),
            ("-provider", None),
            ("aws_prov", None),
            ("é", None),
        ] {
            assert_eq!(
                ExtensionId::from_oci_repository(repository),
                expected.map(id),
                "{repository}"
            );
        }
    }

    #[test]
    fn repository_names_come_back() {
        for text in ["provider/aws", "taskserv/my_prov", "cluster/A.b-c"] {
            let id = id(text);
            assert_eq!(
                ExtensionId::from_gitea_repository(&id.gitea_repository()),
                Some(id.clone())
            );
            assert_eq!(ExtensionId::from_oci_repository(&id.oci_repository()), Some(id));
        }
    }

    #[test]
    fn names_outside_the_grammar_are_refused() {
        let longest = "a".repeat(NAME_MAX);
        assert!(longest.parse::<ExtensionName>().is_ok());
        for bad in ["", "..", ".a", "-a", "_a", "a/b", "a b", "a\0", "a%2fb", "ä", &"a".repeat(101)]
        {
            assert_eq!(bad.parse::<ExtensionName>(), Err(InvalidName::Name), "{bad:?}");
        }
    }

    #[test]
    fn names_compare_without_case_and_keep_their_spelling() {
        let upper: ExtensionName = "AWS".parse().unwrap();
        assert_eq!(upper, "aws".parse().unwrap());
        assert_eq!(upper.as_str(), "AWS");
        let set = std::collections::HashSet::from([upper]);
        assert!(set.contains(&"Aws".parse().unwrap()));
    }

    #[test]
    fn ids_order_by_name_then_type() {
        let mut ids = [id("taskserv/b"), id("provider/B"), id("cluster/c"), id("taskserv/A")];
        ids.sort();
        let order: Vec<String> = ids.iter().map(ToString::to_string).collect();
        assert_eq!(order, ["taskserv/A", "provider/B", "taskserv/b", "cluster/c"]);
    }
}
