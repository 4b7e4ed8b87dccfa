//! Manifests of releases that no registry stores: a pure function of the archive and its version.

use registry_core::error::{Error, Result};
use registry_core::models::artifact::{Artifact, archive_ending};
use registry_core::models::digest::Digest;
use registry_core::models::extension::Release;
use registry_core::models::naming::ExtensionId;
use registry_core::models::oci_manifest::{OciLayer, OciManifest, VERSION, layer_type};

use crate::oci::manifest::{ManifestPart, PullManifest};

/// Makes the manifest of an archive with this digest. Equal input makes equal bytes on every replica
/// and after every restart, so that clients can pin its digest. Texts that a publisher may edit, such
/// as the description, are left out.
///
/// # Errors
///
/// `NotFound` if the file is no archive, or its size is not known.
pub fn manifest_of(
    id: &ExtensionId,
    release: &Release,
    archive: &Artifact,
    digest: &Digest,
) -> Result<PullManifest> {
    let version = release.version.as_str();
    let parts = archive_ending(&archive.file_name)
        .zip(layer_type(&archive.file_name))
        .zip(archive.known_size());
    let Some(((ending, media_type), size)) = parts else {
        let message = format!("The file of {id} {version} is no archive that a manifest can name");
        return Err(Error::not_found(message));
    };
    let layer = OciLayer {
        media_type: media_type.to_owned(),
        digest: digest.clone(),
        size,
        // Never the name of the publisher's file, which may be a path. In lower case, because names
        // are compared without case and a backend may spell one anew.
        title: format!("{}-{version}{ending}", id.name.as_str().to_ascii_lowercase()),
    };
    let part = ManifestPart {
        media_type: layer.media_type.clone(),
        digest: layer.digest.clone(),
        size,
        title: Some(layer.title.clone()),
    };
    let annotations = [(VERSION.to_owned(), version.to_owned())].into();
    Ok(PullManifest::made(OciManifest { layers: vec![layer], annotations }.to_bytes(), part))
}

#[cfg(test)]
mod tests {
    use registry_core::models::artifact::ArtifactKey;
    use registry_core::models::backend_id::BackendId;

    use super::*;

    // A change of these bytes changes the digest under the pins of clients.
    const GOLDEN: &str = r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","artifactType":"application/vnd.provisioning.extension.v1","config":{"mediaType":"application/vnd.oci.empty.v1+json","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2},"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","digest":"sha256:0eb3e36bfb24dcd9bb1d1bece1531216b59539a8fde17ee80224af0653c92aa3","size":7,"annotations":{"org.opencontainers.image.title":"aws-1.2.0.tar.gz"}}],"annotations":{"org.opencontainers.image.version":"1.2.0"}}"#;

    fn made(name: &str, file_name: &str, size: u64) -> Result<PullManifest> {
        let release = Release::of_tag(BackendId::GITEA, "v1.2.0".parse().unwrap());
        let archive = Artifact {
            key: ArtifactKey::new("k"),
            file_name: file_name.into(),
            size,
            digest: None,
            url: None,
        };
        manifest_of(&name.parse().unwrap(), &release, &archive, &Digest::sha256(b"archive"))
    }

    #[test]
    fn the_bytes_of_a_made_manifest_never_change() {
        let manifest = made("provider/aws", "aws-1.2.0.tar.gz", 7).unwrap();
        assert_eq!(String::from_utf8(manifest.bytes.to_vec()).unwrap(), GOLDEN);
    }

    #[test]
    fn names_of_files_and_the_case_of_names_do_not_count() {
        for (name, file_name) in
            [("provider/AWS", "a.tar.gz"), ("provider/aws", "../../etc/passwd.TAR.GZ")]
        {
            let manifest = made(name, file_name, 7).unwrap();
            assert_eq!(manifest.bytes, GOLDEN, "{file_name}");
        }
        let zip = made("provider/aws", "x.zip", 7).unwrap();
        assert!(String::from_utf8_lossy(&zip.bytes).contains("aws-1.2.0.zip"));
        assert!(made("provider/aws", "aws.exe", 7).unwrap_err().is_not_found());
        assert!(made("provider/aws", "a.tgz", Artifact::UNKNOWN_SIZE).unwrap_err().is_not_found());
    }
}
