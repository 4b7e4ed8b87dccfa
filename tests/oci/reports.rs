//! Inputs that users of other registries reported, and others of their kinds.

mod artifacts;
mod documents;
mod entry;
mod listings;
mod moved;
mod reasons;

use std::path::Path;

use registry_backends::local::backend::LocalBackend;
use registry_core::backend::Backend as _;
use registry_core::models::backend_id::BackendId;
use registry_core::models::extension::Extension;
use registry_testing::played_registry::{Dialect, PlayedRegistry};
use registry_testing::registry_store::{OCI_MANIFEST, Store};
use registry_testing::scripted_registry::ScriptedRegistry;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{backend, id};
use crate::support::layouts;

const NAME: &str = "provisioning/aws-provider";
/// What oras calls every file.
const TAR: &str = "application/vnd.oci.image.layer.v1.tar";
/// What oras calls a directory.
const TAR_GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// A layer as a manifest names it: media type, title, and a blob that is its title.
fn layer(store: &mut Store, media_type: &str, title: &str) -> Value {
    let bytes = format!("bytes of {title} as {media_type}");
    let digest = store.blob(NAME, bytes.as_bytes());
    json!({
        "mediaType": media_type, "digest": digest, "size": bytes.len(),
        "annotations": {"org.opencontainers.image.title": title},
    })
}

/// The same of a directory that oras packed.
fn directory(store: &mut Store, title: &str) -> Value {
    let mut layer = layer(store, TAR_GZIP, title);
    layer["annotations"]["io.deis.oras.content.unpack"] = "true".into();
    layer
}

/// The same without a title.
fn untitled(store: &mut Store, media_type: &str) -> Value {
    let mut layer = layer(store, media_type, "untitled");
    layer.as_object_mut().unwrap().remove("annotations");
    layer
}

/// A manifest with these layers.
fn manifest(layers: &[Value]) -> Value {
    json!({
        "schemaVersion": 2, "mediaType": OCI_MANIFEST,
        "artifactType": "application/vnd.unknown.artifact.v1",
        "config": {
            "mediaType": "application/vnd.oci.empty.v1+json",
            "digest": "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
            "size": 2,
        },
        "layers": layers,
    })
}

/// The extension `provider/aws` of this store, read from a registry and from a layout.
async fn both(store: &Store) -> [Extension; 2] {
    let played = PlayedRegistry::new(Dialect::Zot, store.clone());
    let server = ScriptedRegistry::start(move |seen| played.answer(seen)).await;
    let remote = backend(&server.url()).releases(&id("aws-provider")).await.unwrap();
    let dir = TempDir::new().unwrap();
    layout_of(store, dir.path());
    let local = LocalBackend::new(BackendId::LOCAL, dir.path())
        .extension(&id("aws-provider"))
        .await
        .unwrap();
    [remote, local]
}

/// Writes the store's `aws-provider` as a layout below this directory.
fn layout_of(store: &Store, root: &Path) {
    layouts::of_held(&root.join("aws-provider"), &store.repositories[NAME]);
}

/// The names of what is chosen of the latest release, by a registry's reader and a layout's.
async fn chosen(store: &Store) -> [Option<String>; 2] {
    both(store).await.map(|extension| {
        let release = extension.latest()?;
        Some(release.artifact.chosen()?.file_name.to_string())
    })
}

/// What is chosen of a manifest with these layers.
async fn chosen_of(layers: impl FnOnce(&mut Store) -> Vec<Value>) -> [Option<String>; 2] {
    let mut store = Store::default();
    let layers = layers(&mut store);
    store.push_manifest(NAME, "1.2.0", &manifest(&layers));
    chosen(&store).await
}

/// The same name from both.
fn twice(name: &str) -> [Option<String>; 2] {
    [Some(name.to_owned()), Some(name.to_owned())]
}

/// What an extension says of what is not served, in one line.
fn reasons(extension: &Extension) -> String {
    let reasons: Vec<&str> = extension.faults().iter().map(|fault| &*fault.reason).collect();
    reasons.join("; ")
}
