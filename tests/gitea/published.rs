//! Manifests that publishers store among the files of a release: what is believed, and when.

use std::collections::BTreeMap;
use std::time::Duration;

use registry_backends::gitea::backend::GiteaBackend;
use registry_core::backend::Backend as _;
use registry_core::error::{Error, ErrorKind};
use registry_core::models::digest::Digest;
use registry_core::models::extension::Release;
use registry_core::models::oci_manifest::{OciLayer, OciManifest, README_TYPE, layer_type};
use registry_testing::fake_gitea::{FakeGitea, Fault, State};

use super::{asked, backend, backend_of, id, settings};

const ARCHIVE: &str = "aws_prov.tar.gz";
const MANIFEST: &str = "aws_prov.tar.gz.manifest.json";
const BYTES: &[u8] = b"the archive";
const README: &[u8] = b"# From the manifest";

fn layer(media_type: &str, title: &str, bytes: &[u8]) -> OciLayer {
    OciLayer {
        media_type: media_type.to_owned(),
        digest: Digest::sha256(bytes),
        size: bytes.len() as u64,
        title: title.to_owned(),
    }
}

fn archive_layer() -> OciLayer {
    layer(layer_type(ARCHIVE).unwrap(), "aws-1.0.0.tar.gz", BYTES)
}

fn of_layers(layers: Vec<OciLayer>) -> Vec<u8> {
    let description = ("org.opencontainers.image.description", "from the manifest");
    let changes = ("io.artifacthub.package.changes", "notes of the manifest");
    let annotations = [description, changes].map(|(key, text)| (key.to_owned(), text.to_owned()));
    OciManifest { layers, annotations: BTreeMap::from(annotations) }.to_bytes()
}

fn good() -> Vec<u8> {
    of_layers(vec![archive_layer(), layer(README_TYPE, "README.md", README)])
}

fn sum(of: &[u8]) -> String {
    format!("{}  {ARCHIVE}\n", Digest::sha256(of).hex())
}

/// A repository with these releases, each with these files beside the archive.
async fn with(tags: &[&str], files: &[(&str, &[u8])]) -> FakeGitea {
    let mut state = State::empty();
    state.create("aws_prov", "of the repository");
    for tag in tags {
        let mut all = vec![(ARCHIVE, BYTES)];
        all.extend(files);
        state.publish("aws_prov", tag, &all);
        state.commit("aws_prov", tag, &[("README.md", b"# Of the repository")]);
    }
    FakeGitea::start(state).await
}

async fn read(backend: &GiteaBackend, tag: &str) -> Release {
    backend.version(&id("provider/aws"), &tag.parse().unwrap()).await.unwrap()
}

async fn published(backend: &GiteaBackend, release: &Release) -> Result<Option<Digest>, Error> {
    let found = backend.published_manifest(&id("provider/aws"), release).await?;
    Ok(found.map(|stored| {
        assert!(stored.digest.matches(&stored.bytes));
        stored.digest
    }))
}

fn description(release: &Release) -> &str {
    release.about.description.as_deref().unwrap()
}

/// The release reads and downloads like one without a manifest, and says why in these words.
async fn is_not_believed(fake: &FakeGitea, what: &str, words: &str) {
    let backend = backend(fake);
    let release = read(&backend, "1.0.0").await;
    let fault = release.manifest_fault.as_deref().unwrap_or_else(|| panic!("{what}: no fault"));
    assert!(fault.reason.contains(words), "{what}: {}", fault.reason);
    assert!(fault.reason.contains(MANIFEST), "{what}: {}", fault.reason);
    assert_eq!(release.manifest_digest, None, "{what}");
    assert_eq!(description(&release), "of the repository", "{what}");
    assert_eq!(published(&backend, &release).await.unwrap(), None, "{what}");
    let readme = backend.readme(&id("provider/aws"), &release).await.unwrap();
    assert_eq!(readme.text, "# Of the repository", "{what}");
    let archive = release.artifact.chosen().unwrap();
    let bytes = backend.open(&id("provider/aws"), archive, None).await.unwrap();
    assert_eq!(bytes.collect().await.unwrap(), BYTES, "{what}");
}

#[tokio::test]
async fn a_valid_manifest_describes_its_release() {
    let bytes = good();
    let checksum = sum(BYTES);
    for files in [
        &[(MANIFEST, bytes.as_slice()), ("README.md", README)][..],
        &[
            (MANIFEST, bytes.as_slice()),
            ("aws_prov.tar.gz.sha256", checksum.as_bytes()),
            ("README.md", README),
        ],
    ] {
        let fake = with(&["1.0.0"], files).await;
        let backend = backend(&fake);
        let release = read(&backend, "1.0.0").await;
        assert_eq!(description(&release), "from the manifest");
        assert_eq!(release.notes.as_deref(), Some("notes of the manifest"));
        assert_eq!(release.manifest_digest, Some(Digest::sha256(&bytes)));
        let archive = release.artifact.chosen().unwrap();
        assert_eq!(archive.digest, Some(Digest::sha256(BYTES)), "as a checksum would state it");
        assert_eq!(published(&backend, &release).await.unwrap(), Some(Digest::sha256(&bytes)));
        let readme = backend.readme(&id("provider/aws"), &release).await.unwrap();
        assert_eq!(readme.text.as_bytes(), README);
        assert_eq!(readme.identity, Digest::sha256(README).to_string());
    }
}

#[tokio::test]
async fn a_manifest_that_is_none_of_this_archive_is_not_believed() {
    let text = String::from_utf8(good()).unwrap();
    let mut longer = archive_layer();
    longer.size += 1;
    let other = layer(&archive_layer().media_type, "a.tar.gz", b"another arc");
    let mut padded = good();
    padded.resize(64 * 1024 + 1, b' ');
    let mut of_a_mebibyte = good();
    of_a_mebibyte.resize(1 << 20, b' ');
    let utf16: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    for (what, manifest, words) in [
        ("HTML", b"<!DOCTYPE html><title>Sign in</title>".to_vec(), "is no manifest"),
        ("nothing", Vec::new(), "is no manifest"),
        ("a list", b"[1]".to_vec(), "is no manifest"),
        ("depth", vec![b'['; 60_000], "is no manifest"),
        ("half of one", good()[..100].to_vec(), "is no manifest"),
        ("UTF-16", utf16, "is no manifest"),
        (
            "an index",
            text.replace("image.manifest", "image.index").into_bytes(),
            "is no application",
        ),
        ("another type", text.replace("provisioning", "helm").into_bytes(), "artifact type"),
        ("a bad digest", text.replace("sha256:", "md5:").into_bytes(), "malformed digest"),
        ("another size", of_layers(vec![longer]), "bytes, and the archive has 11"),
        ("another digest", of_layers(vec![other]), "names the digest"),
        ("two archives", of_layers(vec![archive_layer(), archive_layer()]), "exactly one layer"),
        ("no archive", of_layers(vec![layer(README_TYPE, "a.tgz", BYTES)]), "exactly one layer"),
        ("no layer", of_layers(Vec::new()), "exactly one layer"),
        ("a byte too many", padded, "is longer than 65536 bytes"),
        ("a mebibyte", of_a_mebibyte, "is longer than 65536 bytes"),
    ] {
        let checksum = sum(BYTES);
        let files = [
            (MANIFEST, manifest.as_slice()),
            ("x.sha256", b""),
            ("SHA256SUMS", checksum.as_bytes()),
        ];
        is_not_believed(&with(&["1.0.0"], &files).await, what, words).await;
    }
}

#[tokio::test]
async fn the_longest_manifest_is_read_and_a_longer_one_is_not_asked_for() {
    for (size, reads) in [(64 * 1024, 1), (64 * 1024 + 1, 0)] {
        let mut bytes = good();
        bytes.resize(size, b' ');
        let fake = with(&["1.0.0"], &[(MANIFEST, &bytes)]).await;
        let release = read(&backend(&fake), "1.0.0").await;
        assert_eq!(release.manifest_digest.is_some(), reads == 1);
        assert_eq!(asked(&fake, "/attachments/"), reads, "{size}");
    }
}

#[tokio::test]
async fn two_manifests_of_one_name_are_no_choice() {
    let (first, second) = (good(), of_layers(vec![archive_layer()]));
    let files = [(MANIFEST, first.as_slice()), (MANIFEST, second.as_slice())];
    is_not_believed(&with(&["1.0.0"], &files).await, "twins", "more than once").await;
}

#[tokio::test]
async fn titles_are_not_compared_with_names_and_other_manifests_are_ignored() {
    let other = of_layers(vec![layer("application/zip", "x.zip", b"x")]);
    let (bytes, odd) = (good(), "../../evil.manifest.json");
    let files = [(odd, other.as_slice()), ("manifest.json", &other), (MANIFEST, &bytes)];
    let fake = with(&["1.0.0"], &files).await;
    let release = read(&backend(&fake), "1.0.0").await;
    assert_eq!(release.manifest_digest, Some(Digest::sha256(&bytes)));
}

#[tokio::test]
async fn a_release_without_a_manifest_costs_no_more_than_before() {
    let fake = with(&["1.0.0", "1.1.0"], &[("README.md", README)]).await;
    let backend = backend(&fake);
    let release = read(&backend, "1.0.0").await;
    assert_eq!(published(&backend, &release).await.unwrap(), None);
    assert_eq!(release.manifest_fault, None);
    backend.extension(&id("provider/aws")).await.unwrap();
    assert_eq!(asked(&fake, "/attachments/"), 0);
}

#[tokio::test]
async fn a_sweep_reads_the_manifest_of_the_latest_release_once() {
    let (bytes, checksum) = (good(), sum(BYTES));
    let tags: Vec<String> = (0..20).map(|minor| format!("1.{minor}.0")).collect();
    let tags: Vec<&str> = tags.iter().map(String::as_str).collect();
    let files = [(MANIFEST, bytes.as_slice()), ("aws_prov.tar.gz.sha256", checksum.as_bytes())];
    let fake = with(&tags, &files).await;
    let backend = backend(&fake);
    let extension = backend.extension(&id("provider/aws")).await.unwrap();
    assert_eq!(extension.releases().len(), 20);
    assert_eq!(description(extension.latest().unwrap()), "from the manifest");
    assert_eq!(description(&extension.releases()[1]), "of the repository");
    assert_eq!(asked(&fake, "/attachments/"), 1, "of twenty");
    for _ in 0..3 {
        let again = backend.extension(&id("provider/aws")).await.unwrap();
        assert_eq!(again, extension);
    }
    assert_eq!(asked(&fake, "/attachments/"), 0);
    // One that was read in full is known from then on.
    let release = read(&backend, "1.3.0").await;
    assert_eq!(asked(&fake, "/attachments/"), 2, "the checksum and the manifest");
    published(&backend, &release).await.unwrap().unwrap();
    let after = backend.extension(&id("provider/aws")).await.unwrap();
    let listed = after.all_releases().find(|one| one.tag == release.tag).unwrap();
    assert_eq!(listed.manifest_digest, release.manifest_digest);
    assert_eq!(description(listed), "from the manifest");
    assert_eq!(asked(&fake, "/attachments/"), 0);
}

#[tokio::test]
async fn a_light_release_is_judged_like_one_that_was_read() {
    let other = layer(&archive_layer().media_type, "a.tar.gz", b"another arc");
    let checksum = sum(BYTES);
    for (manifest, valid) in [(good(), true), (of_layers(vec![other]), false)] {
        let files =
            [(MANIFEST, manifest.as_slice()), ("aws_prov.tar.gz.sha256", checksum.as_bytes())];
        let fake = with(&["1.0.0", "1.1.0"], &files).await;
        let backend = backend(&fake);
        let extension = backend.extension(&id("provider/aws")).await.unwrap();
        for release in extension.releases() {
            assert_eq!(release.manifest_digest, None, "the checksum was not read yet");
            let found = published(&backend, release).await.unwrap();
            assert_eq!(found.is_some(), valid, "{}", release.tag);
        }
        let after = backend.extension(&id("provider/aws")).await.unwrap();
        for release in after.releases() {
            assert_eq!(release.manifest_digest.is_some(), valid, "{}", release.tag);
        }
    }
}

#[tokio::test]
async fn a_digest_that_is_known_otherwise_goes_before_the_manifest() {
    let bytes = good();
    let fake = with(&["1.0.0"], &[(MANIFEST, bytes.as_slice())]).await;
    let backend = backend(&fake);
    let mut light =
        backend.extension(&id("provider/aws")).await.unwrap().releases()[0].as_ref().clone();
    light.learn_digests(|_| Some(Digest::sha256(b"what was downloaded first")));
    assert_eq!(published(&backend, &light).await.unwrap(), None);
    // Nothing of that is remembered for others, who do not know the download.
    let release = read(&backend, "1.0.0").await;
    assert_eq!(release.manifest_digest, Some(Digest::sha256(&bytes)));
}

#[tokio::test]
async fn a_manifest_that_cannot_be_read_now_is_not_absent() {
    let bytes = good();
    let kind = || vec![("Content-Type", "text/plain".to_owned())];
    for (what, fault) in [
        ("404", Fault::Answer(404, kind(), b"Not found.\n".to_vec())),
        ("410", Fault::Answer(410, kind(), Vec::new())),
        ("403", Fault::Answer(403, kind(), Vec::new())),
        ("500", Fault::Answer(500, kind(), Vec::new())),
        ("502", Fault::html(502)),
        ("a login page", Fault::html(200)),
        ("too short", Fault::Cut(10)),
        ("longer than announced", Fault::Answer(200, kind(), vec![b' '; 70_000])),
        ("silence", Fault::Hang),
        ("half of it, then silence", Fault::Stall(10)),
    ] {
        let fake = with(&["1.0.0"], &[(MANIFEST, &bytes)]).await;
        let mut settings = settings(&fake);
        settings.upstream.timeout = Duration::from_millis(300);
        settings.upstream.retries = 0;
        let backend = backend_of(settings);
        fake.fault("/attachments/", fault);
        let release = read(&backend, "1.0.0").await;
        assert_eq!(release.manifest_digest, None, "{what}");
        let reason = &release.manifest_fault.as_deref().unwrap().reason;
        assert!(reason.contains("cannot be read"), "{what}: {reason}");
        let error = published(&backend, &release).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::BackendUnavailable { .. }), "{what}: {error:?}");
        let readme = backend.readme(&id("provider/aws"), &release).await.unwrap_err();
        assert!(readme.kind().is_unreachable(), "{what}: {readme:?}");
        let extension = backend.extension(&id("provider/aws")).await.unwrap();
        assert_eq!(extension.releases().len(), 1, "{what}: the release is served");
        assert!(extension.faults()[0].unreadable, "{what}");
        fake.heal();
        let release = read(&backend, "1.0.0").await;
        assert_eq!(release.manifest_digest, Some(Digest::sha256(&bytes)), "{what}");
        let extension = backend.extension(&id("provider/aws")).await.unwrap();
        assert_eq!(
            (extension.faults().len(), description(extension.latest().unwrap())),
            (0, "from the manifest")
        );
    }
}

#[tokio::test]
async fn a_checksum_that_cannot_be_read_now_leaves_the_manifest_undecided() {
    let (bytes, checksum) = (good(), sum(BYTES));
    let mut state = State::empty();
    state.create("aws_prov", "of the repository");
    let sums = ("aws_prov.tar.gz.sha256", checksum.as_bytes());
    let uuids = state.publish("aws_prov", "1.0.0", &[(ARCHIVE, BYTES), (MANIFEST, &bytes), sums]);
    let fake = FakeGitea::start(state).await;
    let backend = backend(&fake);
    fake.fault(&uuids[2], Fault::html(500));
    let release = read(&backend, "1.0.0").await;
    assert_eq!(release.manifest_digest, None);
    assert!(release.checksum_fault.is_some() && release.manifest_fault.is_none());
    assert_eq!(description(&release), "from the manifest", "as in lists");
    let error = published(&backend, &release).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::BackendUnavailable { .. }), "{error:?}");
    fake.heal();
    assert_eq!(published(&backend, &release).await.unwrap(), Some(Digest::sha256(&bytes)));
}

#[tokio::test]
async fn a_readme_is_verified_and_may_be_missing() {
    let bytes = good();
    for (files, expected) in [
        (&[(MANIFEST, bytes.as_slice()), ("README.md", README)][..], Ok("# From the manifest")),
        // Gitea accepts two files of one name.
        (
            &[(MANIFEST, &bytes), ("README.md", b"# From the MANIFEST"), ("README.md", README)],
            Ok("# From the manifest"),
        ),
        (
            &[(MANIFEST, &bytes), ("README.md", b"# From the MANIFEST")],
            Err(ErrorKind::BackendFaulty),
        ),
        (&[(MANIFEST, &bytes), ("README.md", b"# Of another size")], Ok("# Of the repository")),
        (&[(MANIFEST, &bytes)], Ok("# Of the repository")),
    ] {
        let fake = with(&["1.0.0"], files).await;
        let backend = backend(&fake);
        let release = read(&backend, "1.0.0").await;
        let found = backend.readme(&id("provider/aws"), &release).await;
        let found = found.map(|readme| readme.text).map_err(|error| error.kind());
        assert_eq!(found.as_deref(), expected.as_deref(), "{files:?}");
    }
    let without = of_layers(vec![archive_layer()]);
    let fake = with(&["1.0.0"], &[(MANIFEST, &without)]).await;
    let backend = backend(&fake);
    let release = read(&backend, "1.0.0").await;
    let error = backend.readme(&id("provider/aws"), &release).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "as at a registry");
}

#[tokio::test]
async fn a_replaced_archive_needs_a_new_manifest() {
    let bytes = good();
    let fake = with(&["1.0.0"], &[(MANIFEST, &bytes)]).await;
    let backend = backend(&fake);
    assert!(read(&backend, "1.0.0").await.manifest_digest.is_some());
    fake.edit(|state| {
        let sum = sum(b"another arc");
        let replaced = [
            (ARCHIVE, &b"another arc"[..]),
            (MANIFEST, &bytes),
            ("aws_prov.tar.gz.sha256", sum.as_bytes()),
        ];
        state.repository_mut("aws_prov").releases.clear();
        state.publish("aws_prov", "1.0.0", &replaced);
    });
    let release = read(&backend, "1.0.0").await;
    assert_eq!(release.manifest_digest, None);
    assert_eq!(published(&backend, &release).await.unwrap(), None);
}
