//! Fuzz targets of the models: parsers of untrusted input, with invariants of the result.
//! `scripts/fuzz` generates bytes, `fuzz/corpus` keeps inputs with new coverage, and the test replays
//! them.

#![allow(
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "a violated invariant must stop the run; the service never compiles this"
)]

use crate::models::backend_kind::BackendKind;
use crate::models::digest::Digest;
use crate::models::naming::near_miss::near_miss;
use crate::models::naming::{ExtensionId, ExtensionName};
use crate::models::oci_manifest::OciManifest;
use crate::models::tag::{Tag, TagStyle};
use crate::models::version::Version;

/// Target `name`.
pub fn name(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(name) = text.parse::<ExtensionName>() {
        assert!(name.as_str().len() <= 100 && !name.as_str().contains(['/', '\\', '%']));
    }
    if let Some(id) = ExtensionId::from_gitea_repository(text) {
        assert_eq!(ExtensionId::from_gitea_repository(&id.gitea_repository()), Some(id));
    }
    if let Some(id) = ExtensionId::from_oci_repository(text) {
        assert_eq!(ExtensionId::from_oci_repository(&id.oci_repository()), Some(id));
    }
    for near in BackendKind::ALL.into_iter().filter_map(|source| near_miss(text, source)) {
        let reason = near.reason(|_| false);
        assert!(reason.len() < 500 && !reason.contains(char::is_control), "{reason:?}");
    }
}

/// Target `version`.
pub fn version(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let (one, other) = text.split_once('\n').unwrap_or((text, "1.2.3"));
    if let Ok(tag) = one.parse::<Tag>() {
        assert!(!tag.as_str().split('/').any(|segment| segment == ".."));
        for style in [TagStyle::Plain, TagStyle::Oci] {
            let version = tag.version(style);
            assert!(version.is_none_or(|version| !version.as_str().starts_with('v')));
        }
        let _ = (tag.may_float(), tag.is_housekeeping());
    }
    if let (Ok(one), Ok(other)) = (one.parse::<Version>(), other.parse::<Version>()) {
        assert_eq!(one.cmp_release(&other), other.cmp_release(&one).reverse());
        assert_eq!(one.to_string().parse::<Version>().as_ref(), Ok(&one));
    }
    if let Ok(digest) = one.parse::<Digest>() {
        assert_eq!(digest.to_string().parse::<Digest>(), Ok(digest));
    }
}

/// Target `extension_manifest`: a manifest of an extension, which its canonical form does not change.
pub fn extension_manifest(bytes: &[u8]) {
    match OciManifest::parse(bytes) {
        Ok(manifest) => {
            let canonical = manifest.to_bytes();
            assert_eq!(OciManifest::parse(&canonical), Ok(manifest));
        }
        Err(reason) => assert!(!reason.is_empty()),
    }
}

#[cfg(test)]
mod tests {
    use registry_testing::fuzzing::{Target, replay};

    const TARGETS: [Target; 3] = [
        ("name", super::name),
        ("version", super::version),
        ("extension_manifest", super::extension_manifest),
    ];

    #[test]
    fn targets_keep_their_invariants() {
        replay(&TARGETS);
    }
}
