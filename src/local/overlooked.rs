//! Advice for `/health` about entries of the directory that are nearly extensions.

use std::collections::BTreeMap;

use crate::backend::Fault;
use crate::backend::naming::naming_faults;
use crate::local::root::Root;
use crate::models::artifact::archive_stem;
use crate::models::backend_kind::BackendKind;
use crate::models::naming::ExtensionId;
use crate::models::naming::near_miss::near_miss;

/// Maximum number of subdirectories searched for extensions one level deeper, and of entries
/// checked in each.
const LOOKED_INTO_MAX: usize = 50;
const LOOKED_AT_MAX: usize = 5;

/// Returns advice about entries of the directory that are not served.
pub(super) fn advice(
    root: &Root,
    names: &[String],
    served: &BTreeMap<ExtensionId, String>,
) -> Vec<Fault> {
    let is_served = |id: &ExtensionId| served.contains_key(id);
    let mut found: Vec<(String, String)> = Vec::new();
    // Tools use a leading dot for temporary files and directories.
    for name in names.iter().filter(|name| !name.starts_with('.')) {
        let reason = match ExtensionId::from_oci_repository(name) {
            Some(_) => {
                let is_absent = root.layout(name).is_err_and(|error| error.is_not_found());
                is_absent.then(|| "is not served: it is no directory".to_owned())
            }
            None => archive_of(name).map(as_layout).or_else(|| {
                let near =
                    near_miss(name, BackendKind::Local).filter(|_| root.is_directory(name))?;
                Some(near.reason(is_served))
            }),
        };
        found.extend(reason.map(|reason| (name.clone(), reason)));
    }
    if ["oci-layout", "index.json"].iter().all(|file| names.iter().any(|name| name == file)) {
        let reason = "the directory is an image layout itself: local.path must be the directory \
                      that holds it, and it must be called like aws-provider";
        found.push((".".to_owned(), reason.to_owned()));
    }
    // The deeper search costs many directory reads, and helps only if `local.path` is one level too
    // high.
    if served.is_empty() {
        found.extend(deeper(root, names));
    }
    naming_faults(found)
}

/// Returns the extension of an archive by its file name, such as `aws-provider-1.2.0.tar.gz`.
fn archive_of(name: &str) -> Option<ExtensionId> {
    let stem = archive_stem(name)?;
    let is_version =
        |rest: &str| rest.trim_start_matches(['v', 'V']).starts_with(|c: char| c.is_ascii_digit());
    let separators = stem.match_indices(['-', '_', '.']);
    let before_version = separators.filter_map(|(at, separator)| {
        let rest = stem.get(at + separator.len()..)?;
        stem.get(..at).filter(|_| is_version(rest))
    });
    before_version.chain([stem]).find_map(|name| {
        let nearly = || near_miss(name, BackendKind::Local)?.meant().cloned();
        ExtensionId::from_oci_repository(name).or_else(nearly)
    })
}

fn as_layout(id: ExtensionId) -> String {
    let name = id.oci_repository();
    format!(
        "is not served: it is an archive, and archives are served from image layouts; put it into \
         one called {name}, for example with oras push --oci-layout"
    )
}

/// Finds subdirectories that contain extensions.
fn deeper(root: &Root, names: &[String]) -> Vec<(String, String)> {
    let reason = "is not served: it holds extensions; set local.path to this directory, or move \
                  them up";
    let is_layout = |path: String| {
        root.names_below(&path).is_ok_and(|names| names.iter().any(|name| name == "oci-layout"))
    };
    let holds_some = |name: &&String| {
        let below = root.names_below(name).unwrap_or_default();
        let fitting = below.iter().filter(|one| ExtensionId::from_oci_repository(one).is_some());
        fitting.take(LOOKED_AT_MAX).any(|one| is_layout(format!("{name}/{one}")))
    };
    let ours =
        |name: &&String| near_miss(name, BackendKind::Local).is_none() && !name.starts_with('.');
    let looked_into = names.iter().filter(ours).take(LOOKED_INTO_MAX);
    looked_into.filter(holds_some).map(|name| (name.clone(), reason.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn archives_are_known_by_the_name_of_their_extension() {
        for (name, expected) in [
            ("aws-provider-1.2.0.tar.gz", Some("provider/aws")),
            ("aws-provider.tgz", Some("provider/aws")),
            ("aws_prov-v1.2.0.zip", Some("provider/aws")),
            ("k8s-1.30-taskserv_2.0.TAR.GZ", Some("taskserv/k8s-1.30")),
            ("a-2-taskserv-1.tar", Some("taskserv/a-2")),
            ("backup-2025.tar.gz", None),
            ("docs.tar.gz", None),
            ("aws-provider-1.2.0", None),
            ("-provider.tar.gz", None),
            (".tar.gz", None),
            ("é-1.tar.gz", None),
        ] {
            let found = archive_of(name).map(|id| id.to_string());
            assert_eq!(found.as_deref(), expected, "{name}");
        }
    }
}
