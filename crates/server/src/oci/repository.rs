//! Names of repositories (distribution-spec, "Pulling manifests"), and those of extensions.

use std::fmt;
use std::str::FromStr;

use registry_core::models::naming::ExtensionId;

/// Maximum length of a repository path, in characters (all ASCII). Longer ones break clients, which
/// put the host in front.
const PATH_MAX: usize = 255;
/// Namespace of a service that has no better one.
const DEFAULT_NAMESPACE: &str = "extensions";

/// Path of a repository or a namespace: components of `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`, joined by
/// `/`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RepositoryPath(Box<str>);

/// Error for a text that is no path of a repository. The message is for clients and operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a repository is 1 to 255 of a-z 0-9 in parts joined by /, with single . _ __ or any number of - between letters and digits"
)]
pub struct InvalidRepository;

impl RepositoryPath {
    /// Returns the namespace of a service without a configured one.
    #[must_use]
    pub fn extensions() -> Self {
        Self(DEFAULT_NAMESPACE.into())
    }

    /// Returns the path.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the repository of an extension in this namespace; `None` if its name does not fit the
    /// grammar of paths.
    #[must_use]
    pub fn repository_of(&self, id: &ExtensionId) -> Option<Self> {
        format!("{self}/{}", id.oci_repository().to_ascii_lowercase()).parse().ok()
    }

    /// Returns the extension that a repository in this namespace stands for, whether it exists or not.
    #[must_use]
    pub fn extension_at(&self, repository: &Self) -> Option<ExtensionId> {
        let (namespace, segment) = repository.as_str().rsplit_once('/')?;
        (namespace == self.as_str()).then(|| ExtensionId::from_oci_repository(segment))?
    }
}

impl FromStr for RepositoryPath {
    type Err = InvalidRepository;

    fn from_str(text: &str) -> Result<Self, InvalidRepository> {
        let fits = text.len() <= PATH_MAX && text.split('/').all(is_component);
        if fits { Ok(Self(text.into())) } else { Err(InvalidRepository) }
    }
}

impl fmt::Display for RepositoryPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_component(text: &str) -> bool {
    let is_alphanumeric = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let is_plain = text.chars().all(|c| is_alphanumeric(c) || "._-".contains(c));
    let is_closed = text.starts_with(is_alphanumeric) && text.ends_with(is_alphanumeric);
    let mut separators = text.split(is_alphanumeric).filter(|between| !between.is_empty());
    is_plain
        && is_closed
        && separators.all(|between| {
            matches!(between, "." | "_" | "__") || between.bytes().all(|byte| byte == b'-')
        })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn paths_have_the_grammar_of_the_specification() {
        let longest = format!("{}/b", "a".repeat(253));
        let good = ["a", "a/b/c", "0", "a.b_c__d-e---f", "aws-provider", &longest];
        for text in good {
            assert!(text.parse::<RepositoryPath>().is_ok(), "{text}");
        }
        let too_long = format!("{}/b", "a".repeat(254));
        let bad = [
            "", "/", "a/", "/a", "a//b", "A", "a..b", "a___b", "a._b", "a-_b", "-a", "a-", "_a",
            "a.", ".", "..", "a/../b", "a b", "a%2fb", "é", "a\0", &too_long,
        ];
        for text in bad {
            assert_eq!(text.parse::<RepositoryPath>(), Err(InvalidRepository), "{text:?}");
        }
    }

    #[test]
    fn extensions_whose_names_do_not_fit_have_no_repository() {
        let namespace: RepositoryPath = "team/infra".parse().unwrap();
        for (id, expected) in [
            ("provider/aws", Some("team/infra/aws-provider")),
            ("taskserv/Kube.Net_1", Some("team/infra/kube.net_1-taskserv")),
            ("cluster/a__b", Some("team/infra/a__b-cluster")),
            ("provider/a..b", None),
            ("provider/x_", None),
            ("provider/a-._b", None),
        ] {
            let id: ExtensionId = id.parse().unwrap();
            let repository = namespace.repository_of(&id);
            assert_eq!(repository.as_ref().map(RepositoryPath::as_str), expected, "{id}");
            assert_eq!(
                repository.and_then(|path| namespace.extension_at(&path)),
                expected.map(|_| id)
            );
        }
        for other in ["infra/aws-provider", "team/infra/x/aws-provider", "team/infra/docs"] {
            assert_eq!(namespace.extension_at(&other.parse().unwrap()), None, "{other}");
        }
    }

    proptest! {
        #[test]
        fn a_repository_leads_back_to_its_extension(
            name in "[A-Za-z0-9][A-Za-z0-9._-]{0,20}",
            extension_type in "(provider|taskserv|cluster)",
        ) {
            let id: ExtensionId = format!("{extension_type}/{name}").parse().unwrap();
            let namespace = RepositoryPath::extensions();
            if let Some(repository) = namespace.repository_of(&id) {
                prop_assert_eq!(namespace.extension_at(&repository), Some(id));
            }
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in "\\PC{0,40}") {
            let _ = text.parse::<RepositoryPath>();
        }
    }
}
