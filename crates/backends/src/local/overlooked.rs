//! Advice for `/health` about entries of the directory that are nearly extensions.

use std::collections::BTreeMap;

use registry_core::backend::Fault;
use registry_core::backend::naming::naming_faults;
use registry_core::models::artifact::archive_stem;
use registry_core::models::backend_kind::BackendKind;
use registry_core::models::naming::ExtensionId;
use registry_core::models::naming::near_miss::near_miss;

use crate::local::root::Root;

/// Maximum number of subdirectories searched one level deeper, and of entries in each.
const LOOKED_INTO_MAX: usize = 50;
const LOOKED_AT_MAX: usize = 5;

pub(super) fn advice(
    root: &Root,
    names: &[String],
    served: &BTreeMap<ExtensionId, String>,
) -> Vec<Fault> {
    let mut found: Vec<(String, String)> = Vec::new();
    // Tools use a leading dot for temporary files and directories.
    for name in names.iter().filter(|name| !name.starts_with('.')) {
        let reason = match ExtensionId::from_oci_repository(name) {
            Some(_) => {
                let is_absent = root.layout(name).is_err_and(|error| error.is_not_found());
                is_absent.then(|| "is not served: it is not a directory".to_owned())
            }
            None => archive_of(name).as_ref().map(as_layout).or_else(|| {
                let near =
                    near_miss(name, BackendKind::Local).filter(|_| root.is_directory(name))?;
                Some(near.reason(|id| served.contains_key(id)))
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
    let separators = stem.match_indices(['-', '_', '.']);
    let before_version = separators.filter_map(|(at, separator)| {
        let rest = stem.get(at + separator.len()..)?;
        let rest = rest.trim_start_matches(['v', 'V']);
        stem.get(..at).filter(|_| rest.starts_with(|c: char| c.is_ascii_digit()))
    });
    before_version.chain([stem]).find_map(|name| {
        ExtensionId::from_oci_repository(name)
            .or_else(|| near_miss(name, BackendKind::Local)?.meant().cloned())
    })
}

fn as_layout(id: &ExtensionId) -> String {
    let name = id.oci_repository();
    format!(
        "is not served: it is an archive, and archives are served from image layouts; put it into \
         one called {name}, for example with oras push --oci-layout"
    )
}

fn deeper(root: &Root, names: &[String]) -> Vec<(String, String)> {
    let reason = "is not served: it holds extensions; set local.path to this directory, or move \
                  them up";
    let visible = names.iter().filter(|name| !name.starts_with('.'));
    let others = visible.filter(|name| near_miss(name, BackendKind::Local).is_none());
    let holders = others.take(LOOKED_INTO_MAX).filter(|name| holds_layouts(root, name));
    holders.map(|name| (name.clone(), reason.to_owned())).collect()
}

fn holds_layouts(root: &Root, name: &str) -> bool {
    let below = root.names_below(name).unwrap_or_default();
    let fitting = below.iter().filter(|one| ExtensionId::from_oci_repository(one).is_some());
    fitting.take(LOOKED_AT_MAX).any(|one| {
        let files = root.names_below(&format!("{name}/{one}"));
        files.is_ok_and(|files| files.iter().any(|file| file == "oci-layout"))
    })
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
