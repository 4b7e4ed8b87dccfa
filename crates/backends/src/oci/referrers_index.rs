//! The index of manifests that refer to a digest. Shared by registries and image layouts; no I/O.

use std::collections::BTreeMap;

use registry_core::backend::oci_content::StoredManifest;
use registry_core::models::digest::Digest;
use serde::Serialize;

use crate::oci::manifest_type::is_safe;
use crate::oci::models::{Annotations, Descriptor, OCI_INDEX, OCI_MANIFEST};

/// Writes the index of referrers. Equal referrers in any order make equal bytes; entries
/// without a valid digest are left out.
#[must_use]
pub fn referrers_index(found: Vec<Descriptor>) -> StoredManifest {
    let valid = found.into_iter().filter(|one| one.digest.parse::<Digest>().is_ok());
    let by_digest: BTreeMap<String, ReferrerEntry> = valid.map(ReferrerEntry::of).collect();
    let index = ReferrersDocument {
        schema_version: 2,
        media_type: OCI_INDEX,
        manifests: by_digest.into_values().collect(),
    };
    // Strings and numbers always have a JSON form.
    let bytes = serde_json::to_vec(&index).unwrap_or_default();
    let digest = Digest::sha256(&bytes);
    StoredManifest { bytes: bytes.into(), media_type: OCI_INDEX.to_owned(), digest }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ReferrersDocument {
    schema_version: u32,
    media_type: &'static str,
    manifests: Vec<ReferrerEntry>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ReferrerEntry {
    media_type: String,
    digest: String,
    size: u64,
    #[serde(skip_serializing_if = "String::is_empty")]
    artifact_type: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    annotations: Annotations,
}

impl ReferrerEntry {
    fn of(descriptor: Descriptor) -> (String, Self) {
        let Descriptor { media_type, digest, size, annotations, artifact_type, .. } = descriptor;
        let media_type = if is_safe(&media_type) { media_type } else { OCI_MANIFEST.to_owned() };
        (digest.clone(), Self { media_type, digest, size, artifact_type, annotations })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn referrer(content: &str, artifact_type: &str) -> Descriptor {
        Descriptor {
            media_type: OCI_MANIFEST.to_owned(),
            digest: Digest::sha256(content.as_bytes()).to_string(),
            size: content.len() as u64,
            artifact_type: artifact_type.to_owned(),
            ..Descriptor::default()
        }
    }

    #[test]
    fn equal_referrers_make_equal_bytes() {
        let (a, b) = (referrer("a", "application/vnd.sbom"), referrer("b", ""));
        let nameless = Descriptor { digest: "sha256:../x".to_owned(), ..a.clone() };
        let one = referrers_index(vec![a.clone(), b.clone()]);
        assert_eq!(one, referrers_index(vec![b.clone(), nameless, a.clone(), b]));
        assert!(one.digest.matches(&one.bytes));
        let alone = String::from_utf8(referrers_index(vec![a]).bytes.to_vec()).unwrap();
        assert_eq!(
            alone,
            r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb","size":1,"artifactType":"application/vnd.sbom"}]}"#
        );
    }

    #[test]
    fn an_index_of_nothing_is_an_index() {
        let text = String::from_utf8(referrers_index(Vec::new()).bytes.to_vec()).unwrap();
        assert!(text.ends_with(r#""manifests":[]}"#), "{text}");
    }
}
