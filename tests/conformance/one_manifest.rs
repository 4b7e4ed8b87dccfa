//! One manifest through every kind of backend: what clients are told is the same.

use std::collections::BTreeMap;

use registry_backends::local::backend::LocalBackend;
use registry_core::backend::Backend;
use registry_core::backend::oci_content::{Reference, StoredManifest};
use registry_core::models::artifact::Artifact;
use registry_core::models::backend_id::BackendId;
use registry_core::models::digest::Digest;
use registry_core::models::extension::{About, Release};
use registry_core::models::oci_manifest::{
    EMPTY_CONFIG, MANIFEST_TYPE, OciLayer, OciManifest, README_TYPE, layer_type,
};
use registry_testing::fake_gitea::{FakeGitea, State};
use registry_testing::ids::id;
use registry_testing::played_registry::{Dialect, PlayedRegistry};
use registry_testing::registry_store::Store;
use registry_testing::scripted_registry::ScriptedRegistry;
use serde_json::json;

use crate::support::layouts::LayoutBuilder;

const ARCHIVE: &[u8] = b"the archive";
const README: &[u8] = "# Über AWS\n".as_bytes();

/// All that clients are told of a release and that does not depend on its place.
#[derive(Debug, PartialEq)]
struct Told {
    about: About,
    notes: Option<String>,
    readme: Option<(String, String)>,
    manifest: StoredManifest,
    manifest_digest: Option<Digest>,
    archive: (u64, Option<Digest>),
}

fn layer(media_type: &str, title: &str, bytes: &[u8]) -> OciLayer {
    let (media_type, title) = (media_type.to_owned(), title.to_owned());
    OciLayer { media_type, digest: Digest::sha256(bytes), size: bytes.len() as u64, title }
}

fn manifest(annotations: &[(&str, &str)], readme: Option<&[u8]>) -> Vec<u8> {
    let mut layers = vec![layer(layer_type("a.tar.gz").unwrap(), "aws-1.2.0.tar.gz", ARCHIVE)];
    layers.extend(readme.map(|bytes| layer(README_TYPE, "README.md", bytes)));
    let annotations: BTreeMap<String, String> =
        annotations.iter().map(|(key, text)| ((*key).to_owned(), (*text).to_owned())).collect();
    OciManifest { layers, annotations }.to_bytes()
}

async fn told(backend: &dyn Backend) -> Told {
    let aws = id("provider/aws");
    let release = backend.version(&aws, &"1.2.0".parse().unwrap()).await.unwrap();
    let manifest = match backend.oci_content() {
        Some(content) => content.manifest(&aws, &Reference::Tag("1.2.0".to_owned())).await.unwrap(),
        None => backend.published_manifest(&aws, &release).await.unwrap().unwrap(),
    };
    let readme = backend.readme(&aws, &release).await.ok();
    let listed = backend.extension(&aws).await.unwrap();
    assert_eq!(listed.latest().unwrap().about, release.about, "in lists as alone");
    let archive: &Artifact = release.artifact.chosen().unwrap();
    let Release { about, notes, manifest_digest, .. } = &release;
    Told {
        about: About::clone(about),
        notes: notes.as_deref().map(ToOwned::to_owned),
        readme: readme.map(|readme| (readme.identity, readme.text)),
        manifest,
        manifest_digest: manifest_digest.clone(),
        archive: (archive.size, archive.digest.clone()),
    }
}

async fn of_registry(bytes: &[u8], blobs: &[&[u8]]) -> Told {
    let name = "provisioning/aws-provider";
    let mut store = Store::default();
    for blob in blobs {
        store.blob(name, blob);
    }
    let digest = store.blob(name, bytes);
    let held = store.repositories.get_mut(name).unwrap();
    held.manifests.insert(digest.clone(), MANIFEST_TYPE.to_owned());
    held.tags.push(("1.2.0".to_owned(), digest));
    let played = PlayedRegistry::new(Dialect::Zot, store);
    let server = ScriptedRegistry::start(move |seen| played.answer(seen)).await;
    told(&*super::oci::backend(&server.url())).await
}

async fn of_layout(bytes: &[u8], blobs: &[&[u8]]) -> Told {
    let dir = tempfile::tempdir().unwrap();
    let mut layout = LayoutBuilder::create(dir.path().join("aws-provider"));
    for blob in blobs {
        layout.blob("", blob);
    }
    let entry = layout.blob(MANIFEST_TYPE, bytes);
    layout.tag("1.2.0", entry);
    layout.finish();
    told(&LocalBackend::new(BackendId::LOCAL, dir.path())).await
}

/// Everything that Gitea itself says of the release is something else.
async fn of_gitea(bytes: &[u8], readme: Option<&[u8]>) -> Told {
    let mut state = State::empty();
    state.create("aws_prov", "what Gitea says");
    state.repository_mut("aws_prov").json["topics"] = json!(["gitea"]);
    state.repository_mut("aws_prov").json["licenses"] = json!(["GPL-3.0"]);
    let mut files = vec![("aws_prov.tar.gz", ARCHIVE), ("aws_prov.tar.gz.manifest.json", bytes)];
    files.extend(readme.map(|bytes| ("README.md", bytes)));
    state.publish("aws_prov", "1.2.0", &files);
    state.repository_mut("aws_prov").releases[0]["body"] = json!("what Gitea says");
    state.commit("aws_prov", "1.2.0", &[("README.md", b"what Gitea says")]);
    let fake = FakeGitea::start(state).await;
    told(&*super::gitea::backend(&fake)).await
}

#[tokio::test]
async fn every_field_is_the_same_from_every_kind_of_backend() {
    let image = "org.opencontainers.image.";
    let long = "x".repeat(5_000);
    let words = (0..50).map(|number| format!("word{number}")).collect::<Vec<_>>().join(",");
    let [description, authors, licenses, source, version] =
        ["description", "authors", "licenses", "source", "version"]
            .map(|key| format!("{image}{key}"));
    let (keywords, changes) = ("io.artifacthub.package.keywords", "io.artifacthub.package.changes");
    let full = [
        (description.as_str(), "Servers, networks\nand disks"),
        (&authors, "Zoë <zoe@example.com>"),
        (&licenses, "Apache-2.0"),
        (&source, "https://git.example.com/aws"),
        (&version, "1.2.0"),
        (keywords, "aws, cloud,,servers"),
        (changes, "## 1.2.0\n\n- \u{1b}[2Jnew\r\n"),
    ];
    let odd = [
        (description.as_str(), "\u{202e}\u{0}a\tb"),
        (&authors, long.as_str()),
        (&licenses, " \n"),
        (&source, "javascript:alert(1)"),
        (keywords, words.as_str()),
        (changes, ""),
    ];
    let text = [("io.artifacthub.package.readme", "# In an annotation"), (&description, "d")];
    for (what, annotations, readme) in [
        ("full", &full[..], Some(README)),
        ("odd", &odd[..], Some(&b"\xef\xbb\xbf# \xff"[..])),
        ("a README in an annotation", &text[..], None),
        ("nothing", &[][..], None),
    ] {
        let bytes = manifest(annotations, readme);
        let mut blobs = vec![ARCHIVE, EMPTY_CONFIG];
        blobs.extend(readme);
        let mut all = [
            ("layout", of_layout(&bytes, &blobs).await),
            ("registry", of_registry(&bytes, &blobs).await),
            ("gitea", of_gitea(&bytes, readme).await),
        ];
        for (_, told) in &mut all {
            assert_eq!(told.manifest.bytes, bytes, "{what}");
            // Without a source of its own, a release has the address of its place.
            if told.about.repository.as_deref() != Some("https://git.example.com/aws") {
                assert_ne!(what, "full");
                told.about.repository = None;
            }
        }
        let [(_, first), others @ ..] = &all;
        for (kind, told) in others {
            assert_eq!(told, first, "{what}: {kind} differs from layout");
        }
        assert_eq!(first.readme.is_some(), what != "nothing", "{what}");
    }
}
