//! Stored content of image layouts that are broken, sparse, or share their blobs.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use registry_backends::local::backend::LocalBackend;
use registry_core::backend::Backend as _;
use registry_core::backend::oci_content::{Reference, StoredManifest};
use registry_core::error::{ErrorKind, Result};
use registry_core::models::backend_id::BackendId;
use registry_core::models::digest::Digest;
use registry_testing::ids::id;
use registry_testing::registry_store::{OCI_INDEX, OCI_MANIFEST};
use serde_json::json;
use tempfile::TempDir;

use crate::support::layouts::{publish, write_index};

struct Bench {
    dir: TempDir,
    backend: LocalBackend,
}

impl Bench {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let backend = LocalBackend::new(BackendId::LOCAL, dir.path());
        Self { dir, backend }
    }

    fn layout(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn publish(&self, extension: &str, tag: &str, archive: &[u8]) {
        publish(self.dir.path(), &id(extension), tag, "described", archive);
    }

    fn file(&self, digest: &Digest) -> PathBuf {
        self.layout("aws-provider/blobs/sha256").join(digest.hex())
    }

    async fn tagged(&self, tag: &str) -> Result<StoredManifest> {
        let content = self.backend.oci_content().unwrap();
        content.manifest(&id("provider/aws"), &Reference::Tag(tag.to_owned())).await
    }

    async fn manifest(&self, extension: &str, digest: &Digest) -> Result<StoredManifest> {
        let content = self.backend.oci_content().unwrap();
        content.manifest(&id(extension), &Reference::Digest(digest.clone())).await
    }

    async fn blob(&self, extension: &str, digest: &Digest) -> Result<Vec<u8>, ErrorKind> {
        let content = self.backend.oci_content().unwrap();
        let opened = content.blob(&id(extension), digest, None).await;
        let opened = opened.map_err(|error| error.kind())?;
        Ok(opened.collect().await.map_err(|error| error.kind())?.to_vec())
    }

    async fn referrers(&self) -> Result<StoredManifest> {
        let content = self.backend.oci_content().unwrap();
        content.referrers(&id("provider/aws"), &Digest::sha256(b"subject")).await
    }
}

/// What is done to a file.
type Breakage<'a> = &'a dyn Fn(&Path);

#[tokio::test]
async fn layouts_that_share_their_blobs_do_not_share_their_content() {
    let bench = Bench::new();
    bench.publish("provider/aws", "1.0.0", b"of aws");
    bench.publish("provider/gcp", "1.0.0", b"of gcp");
    // One directory of blobs for both, as some tools make it.
    let (aws, gcp) = (bench.layout("aws-provider/blobs"), bench.layout("gcp-provider/blobs"));
    for entry in fs::read_dir(gcp.join("sha256")).unwrap() {
        let entry = entry.unwrap();
        fs::rename(entry.path(), aws.join("sha256").join(entry.file_name())).unwrap();
    }
    fs::remove_dir_all(&gcp).unwrap();
    symlink("../aws-provider/blobs", &gcp).unwrap();
    let manifest = bench.tagged("1.0.0").await.unwrap();
    assert_eq!(bench.blob("provider/gcp", &Digest::sha256(b"of gcp")).await.unwrap(), b"of gcp");
    let error = bench.manifest("provider/gcp", &manifest.digest).await.unwrap_err();
    assert!(error.is_not_found(), "{error:?}");
    let found = bench.blob("provider/gcp", &Digest::sha256(b"of aws")).await;
    assert_eq!(found, Err(ErrorKind::NotFound));
}

#[tokio::test]
async fn a_blob_that_is_missing_short_or_elsewhere_is_a_fault() {
    let secret = tempfile::NamedTempFile::new().unwrap();
    fs::write(secret.path(), b"0123456789").unwrap();
    let outside = |file: &Path| {
        fs::remove_file(file).unwrap();
        symlink(secret.path(), file).unwrap();
    };
    let breakages: [(&str, Breakage); 4] = [
        ("missing", &|file| fs::remove_file(file).unwrap()),
        ("short", &|file| fs::write(file, b"0123").unwrap()),
        ("long", &|file| fs::write(file, b"0123456789ab").unwrap()),
        ("outside", &outside),
    ];
    for (what, breaks) in breakages {
        let bench = Bench::new();
        bench.publish("provider/aws", "1.0.0", b"0123456789");
        let digest = Digest::sha256(b"0123456789");
        breaks(&bench.file(&digest));
        assert_eq!(
            bench.blob("provider/aws", &digest).await,
            Err(ErrorKind::BackendFaulty),
            "{what}"
        );
        bench.tagged("1.0.0").await.unwrap();
    }
}

#[tokio::test]
async fn a_broken_manifest_is_a_fault_and_leaves_unknown_digests_open() {
    let huge = format!("{{\"x\":\"{}\"}}", "y".repeat(4 << 20));
    let breakages: [(&str, Breakage); 4] = [
        ("missing", &|file| fs::remove_file(file).unwrap()),
        ("other bytes", &|file| {
            let text = fs::read_to_string(file).unwrap();
            fs::write(file, text.replace("described", "DESCRIBED")).unwrap();
        }),
        ("short", &|file| fs::write(file, b"{}").unwrap()),
        ("huge", &|file| fs::write(file, &huge).unwrap()),
    ];
    for (what, breaks) in breakages {
        let bench = Bench::new();
        bench.publish("provider/aws", "1.0.0", b"first");
        let broken = bench.tagged("1.0.0").await.unwrap().digest;
        bench.publish("provider/aws", "1.1.0", b"second");
        breaks(&bench.file(&broken));
        for error in [
            bench.tagged("1.0.0").await.unwrap_err(),
            bench.manifest("provider/aws", &broken).await.unwrap_err(),
            bench.manifest("provider/aws", &Digest::sha256(b"unknown")).await.unwrap_err(),
            bench.referrers().await.unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::BackendFaulty, "{what}: {error:?}");
        }
        // Which blobs the broken one names cannot be known; the others are served.
        let first = bench.blob("provider/aws", &Digest::sha256(b"first")).await;
        assert_eq!(first, Err(ErrorKind::BackendFaulty), "{what}");
        let second = bench.blob("provider/aws", &Digest::sha256(b"second")).await;
        assert_eq!(second.unwrap(), b"second", "{what}");
        bench.tagged("1.1.0").await.unwrap();
    }
}

/// Writes an index of manifests under a tag, and answers its digest.
fn nest(bench: &Bench, tag: &str, entries: &[(&str, &Digest, usize)]) -> Digest {
    let manifests: Vec<_> = entries
        .iter()
        .map(|(kind, digest, size)| json!({"mediaType": kind, "digest": digest.to_string(), "size": size}))
        .collect();
    let index =
        json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": manifests}).to_string();
    let digest = Digest::sha256(index.as_bytes());
    fs::write(bench.file(&digest), &index).unwrap();
    let entry = json!({
        "mediaType": OCI_INDEX, "digest": digest.to_string(), "size": index.len(),
        "annotations": {"org.opencontainers.image.ref.name": tag},
    });
    let text = json!({"schemaVersion": 2, "manifests": [entry]}).to_string();
    write_index(&bench.layout("aws-provider"), &text);
    digest
}

#[tokio::test]
async fn indexes_pass_and_what_they_lead_to_belongs_to_the_layout() {
    let bench = Bench::new();
    bench.publish("provider/aws", "1.0.0", b"archive");
    let inner = bench.tagged("1.0.0").await.unwrap();
    let absent = Digest::sha256(b"another platform");
    let entries = [(OCI_MANIFEST, &inner.digest, inner.bytes.len()), (OCI_MANIFEST, &absent, 7)];
    let digest = nest(&bench, "2.0.0", &entries);
    let index = bench.tagged("2.0.0").await.unwrap();
    assert_eq!((index.media_type.as_str(), &index.digest), (OCI_INDEX, &digest));
    assert_eq!(bench.manifest("provider/aws", &digest).await.unwrap(), index);
    assert_eq!(bench.manifest("provider/aws", &inner.digest).await.unwrap(), inner);
    assert_eq!(bench.blob("provider/aws", &Digest::sha256(b"archive")).await.unwrap(), b"archive");
    // A sparse index: the missing manifest is a fault, and nothing else is in doubt.
    let error = bench.manifest("provider/aws", &absent).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BackendFaulty);
    bench.referrers().await.unwrap();
    let unknown = bench.manifest("provider/aws", &Digest::sha256(b"unknown")).await.unwrap_err();
    assert!(unknown.is_not_found(), "{unknown:?}");
}

#[tokio::test]
async fn a_tag_that_moved_is_seen_and_what_it_left_is_gone() {
    let bench = Bench::new();
    bench.publish("provider/aws", "1.0.0", b"before");
    let before = bench.tagged("1.0.0").await.unwrap().digest;
    assert!(bench.manifest("provider/aws", &before).await.is_ok());
    bench.publish("provider/aws", "1.0.0", b"after");
    assert_ne!(bench.tagged("1.0.0").await.unwrap().digest, before);
    let error = bench.manifest("provider/aws", &before).await.unwrap_err();
    assert!(error.is_not_found(), "its file is still there: {error:?}");
}
