//! Repositories whose names nearly match the naming scheme, and the names they should have.

use crate::models::backend_kind::BackendKind;
use crate::models::naming::{ExtensionId, ExtensionType, InvalidName};

const SEPARATORS: [char; 4] = ['-', '_', '.', ' '];

// Suffixes that denote a type. The words of a suffix may have any separator between them.
const ENDINGS: [(&str, ExtensionType); 10] = [
    ("prov", ExtensionType::Provider),
    ("provider", ExtensionType::Provider),
    ("taskserv", ExtensionType::Taskserv),
    ("taskserver", ExtensionType::Taskserv),
    ("taskservice", ExtensionType::Taskserv),
    ("task-serv", ExtensionType::Taskserv),
    ("task-service", ExtensionType::Taskserv),
    ("task-srv", ExtensionType::Taskserv),
    ("task", ExtensionType::Taskserv),
    ("cluster", ExtensionType::Cluster),
];

// Words one edit away from the name of a type that have a meaning of their own.
const OTHER_WORDS: [&str; 4] = ["clutter", "provide", "provided", "provides"];

/// A repository whose name nearly matches the naming scheme.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NearMiss {
    source: BackendKind,
    extension_type: ExtensionType,
    wrong: Wrong,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Wrong {
    Ending(ExtensionId),
    Name,
    /// Upper-case letters, which repository names in OCI registries must not have.
    Case(ExtensionId),
}

/// `None` if the name matches or is unrelated. In OCI registries it is the last path segment.
#[must_use]
pub fn near_miss(repository: &str, source: BackendKind) -> Option<NearMiss> {
    if let Some(id) = ExtensionId::from_repository(repository, source) {
        let is_upper =
            source == BackendKind::Oci && repository.bytes().any(|b| b.is_ascii_uppercase());
        return is_upper.then(|| NearMiss::in_upper_case(id));
    }
    let (stem, extension_type) = split(repository)?;
    let wrong = match stem.parse() {
        Ok(name) => Wrong::Ending(ExtensionId { name, extension_type }),
        Err(_) => Wrong::Name,
    };
    Some(NearMiss { source, extension_type, wrong })
}

impl NearMiss {
    /// Creates a miss for a repository that would be this extension if its path were in lower case.
    #[must_use]
    pub const fn in_upper_case(id: ExtensionId) -> Self {
        let extension_type = id.extension_type;
        Self { source: BackendKind::Oci, extension_type, wrong: Wrong::Case(id) }
    }

    /// Returns the extension that the repository would be under the right name.
    #[must_use]
    pub const fn meant(&self) -> Option<&ExtensionId> {
        match &self.wrong {
            Wrong::Ending(id) | Wrong::Case(id) => Some(id),
            Wrong::Name => None,
        }
    }

    /// Recommends a new name in one sentence; `is_served` tells existing extensions.
    #[must_use]
    pub fn reason(&self, is_served: impl Fn(&ExtensionId) -> bool) -> String {
        match &self.wrong {
            Wrong::Ending(id) if is_served(id) => format!(
                "is not served: it looks like {id}, and {} is already served under that name; rename it if it is another extension",
                self.name_of(id)
            ),
            Wrong::Ending(id) => {
                format!("is not served: it looks like {id}; rename it to {}", self.name_of(id))
            }
            Wrong::Name => format!(
                "is not served: it should be called NAME{}, where the {}",
                self.extension_type.suffix(self.source),
                InvalidName::Name
            ),
            Wrong::Case(id) => format!(
                "cannot be read: registry paths are lower case; rename it to {}",
                self.name_of(id)
            ),
        }
    }

    fn name_of(&self, id: &ExtensionId) -> String {
        let name = id.repository(self.source);
        if self.source == BackendKind::Oci { name.to_ascii_lowercase() } else { name }
    }
}

fn split(repository: &str) -> Option<(&str, ExtensionType)> {
    // Every separator is one byte, so offsets in the folded name are valid in the original.
    let folded = repository.to_ascii_lowercase().replace(SEPARATORS, "-");
    let known = ENDINGS.iter().filter_map(|(ending, extension_type)| {
        let stem = folded.strip_suffix(ending)?.strip_suffix('-')?;
        Some((stem.len(), *extension_type))
    });
    let longest = known.min_by_key(|(stem, _)| *stem);
    let (length, extension_type) = longest.or_else(|| misspelled(&folded))?;
    let stem = repository.get(..length)?.trim_end_matches(SEPARATORS);
    Some((stem, extension_type))
}

fn misspelled(folded: &str) -> Option<(usize, ExtensionType)> {
    let (stem, word) = folded.rsplit_once('-')?;
    let near = ExtensionType::ALL.into_iter().find(|extension_type| {
        let right = extension_type.as_str();
        word.len().abs_diff(right.len()) <= 1
            // People rarely mistype the first letter, and requiring it keeps out words such as
            // `bluster`.
            && word.get(..1) == right.get(..1)
            && strsim::osa_distance(word, right) <= 1
    });
    near.filter(|_| !OTHER_WORDS.contains(&word)).map(|near| (stem.len(), near))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(repository: &str, source: BackendKind) -> Option<String> {
        near_miss(repository, source).map(|near| near.reason(|_| false))
    }

    fn renamed(repository: &str, source: BackendKind) -> Option<String> {
        let reason = reason(repository, source)?;
        reason.split_once("rename it to ").map(|(_, name)| name.to_owned())
    }

    #[test]
    fn endings_of_other_kinds_and_misspelled_ones_are_named() {
        for (repository, gitea, local) in [
            ("aws-provider", Some("aws_prov"), None),
            ("aws_prov", None, Some("aws-provider")),
            ("aws_provider", Some("aws_prov"), Some("aws-provider")),
            ("AWS-Provider", Some("AWS_prov"), None),
            ("AWS_PROV", None, Some("AWS-provider")),
            ("aws.prov", Some("aws_prov"), Some("aws-provider")),
            ("aws-prov", Some("aws_prov"), Some("aws-provider")),
            ("aws_providers", Some("aws_prov"), Some("aws-provider")),
            ("aws-povider", Some("aws_prov"), Some("aws-provider")),
            ("k8s-task-service", Some("k8s_taskserv"), Some("k8s-taskserv")),
            ("k8s_taskservice", Some("k8s_taskserv"), Some("k8s-taskserv")),
            ("k8s-task", Some("k8s_taskserv"), Some("k8s-taskserv")),
            ("k8s_tasksrv", Some("k8s_taskserv"), Some("k8s-taskserv")),
            ("k8s_task_srv", Some("k8s_taskserv"), Some("k8s-taskserv")),
            ("my_prov-taskserv", Some("my_prov_taskserv"), None),
            ("web-clusters", Some("web_cluster"), Some("web-cluster")),
            ("web-clsuter", Some("web_cluster"), Some("web-cluster")),
            ("web--cluster ", None, None),
        ] {
            assert_eq!(renamed(repository, BackendKind::Gitea).as_deref(), gitea, "{repository}");
            assert_eq!(renamed(repository, BackendKind::Local).as_deref(), local, "{repository}");
        }
    }

    #[test]
    fn other_repositories_are_left_alone() {
        for source in BackendKind::ALL {
            for other in [
                "",
                "docs",
                "website",
                "provider",
                "providers",
                "cluster",
                "task",
                "terraform-modules",
                "terraform-provider-aws",
                "my-cluster-tools",
                "cluster-api",
                "cron-tasks",
                "anti-clutter",
                "what-we-provide",
                "hair-luster",
                "improv",
                "multitask",
                ".github",
                "task-runner",
                "web-service",
                "dns-server",
                "é-é",
                "-",
            ] {
                assert_eq!(reason(other, source), None, "{other} of {source}");
            }
        }
    }

    #[test]
    fn what_is_no_name_is_told_so() {
        let long = format!("{}-provider", "a".repeat(101));
        let huge = format!("{}-provider", "é".repeat(1 << 20));
        for bad in
            ["-provider", "_prov", "ünïcode-provider", "a\nb-prov", "a%2Fb_prov", &long, &huge]
        {
            for source in BackendKind::ALL {
                let reason = reason(bad, source).unwrap();
                assert!(reason.len() < 200 && reason.contains("called NAME"), "{reason}");
                assert!(!reason.contains(char::is_control), "{reason}");
            }
        }
    }

    #[test]
    fn registries_have_names_in_lower_case() {
        assert_eq!(renamed("AWS-Provider", BackendKind::Oci).as_deref(), Some("aws-provider"));
        assert_eq!(renamed("AWS_prov", BackendKind::Oci).as_deref(), Some("aws-provider"));
        assert_eq!(reason("aws-provider", BackendKind::Oci), None);
    }

    #[test]
    fn a_name_that_is_served_already_is_told() {
        let near = near_miss("aws-provider", BackendKind::Gitea).unwrap();
        assert_eq!(near.meant().unwrap().to_string(), "provider/aws");
        let reason = near.reason(|id| id.name.as_str() == "aws");
        assert!(reason.contains("aws_prov is already served under that name"), "{reason}");
    }
}
