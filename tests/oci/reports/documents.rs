//! One bad value costs that value, and of several the first that can be read counts: O10, O19.

use registry_backends::local::backend::LocalBackend;
use registry_core::backend::Backend as _;
use registry_core::models::backend_id::BackendId;
use registry_core::models::extension::Extension;
use registry_testing::registry_store::Store;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{NAME, TAR, both, layer, layout_of, manifest};
use crate::oci::{id, versions};

const REVISION: &str = "org.opencontainers.image.revision";
const CREATED: &str = "org.opencontainers.image.created";
const DESCRIPTION: &str = "org.opencontainers.image.description";

/// A release 1.0.0 whose manifest was changed so.
async fn changed(change: impl FnOnce(&mut Store, &mut Value)) -> [Extension; 2] {
    let mut store = Store::default();
    let archive = layer(&mut store, TAR, "aws.tar.gz");
    let mut manifest = manifest(&[archive]);
    manifest["annotations"] = json!({DESCRIPTION: "told"});
    change(&mut store, &mut manifest);
    store.push_manifest(NAME, "1.0.0", &manifest);
    both(&store).await
}

fn is_whole(extension: &Extension) -> bool {
    extension.latest().is_some_and(|release| {
        release.artifact.chosen().is_some() && release.about.description.as_deref() == Some("told")
    })
}

#[tokio::test]
async fn o10_an_annotation_that_is_no_text_costs_itself_alone() {
    let bad = [json!(null), json!(5), json!(true), json!(["x"]), json!({"a": {"b": [1]}})];
    for value in &bad {
        let of_manifest = changed(|_, manifest| manifest["annotations"][REVISION] = value.clone());
        let of_layer =
            changed(|_, manifest| manifest["layers"][0]["annotations"][REVISION] = value.clone());
        let of_config =
            changed(|_, manifest| manifest["config"]["annotations"] = json!({REVISION: value}));
        for extension in of_manifest.await.iter().chain(&of_layer.await).chain(&of_config.await) {
            assert!(is_whole(extension), "{value}: {:?}", extension.faults());
        }
    }
}

/// What is done to a manifest.
type Change<'a> = &'a dyn Fn(&mut Value);

#[tokio::test]
async fn o10b_fields_of_another_shape_cost_themselves_alone() {
    let changes: [(&str, Change); 7] = [
        ("config", &|manifest| manifest["config"] = json!("none")),
        ("platform", &|manifest| manifest["layers"][0]["platform"] = json!("linux")),
        ("artifact type", &|manifest| manifest["layers"][0]["artifactType"] = json!(1)),
        ("subject", &|manifest| manifest["subject"] = json!([])),
        ("another layer", &|manifest| {
            manifest["layers"].as_array_mut().unwrap().insert(0, json!(null));
        }),
        ("an odd layer", &|manifest| manifest["layers"].as_array_mut().unwrap().push(json!("x"))),
        ("a layer's size", &|manifest| {
            let odd = json!({"mediaType": "text/plain", "digest": "x", "size": "12"});
            manifest["layers"].as_array_mut().unwrap().push(odd);
        }),
    ];
    for (what, change) in changes {
        for extension in changed(|_, manifest| change(manifest)).await {
            assert!(is_whole(&extension), "{what}: {:?}", extension.faults());
        }
    }
    let odd = changed(|_, manifest| manifest["annotations"] = json!(["x"])).await;
    assert!(odd.iter().all(|extension| extension.latest().is_some()), "no annotations at all");
}

#[tokio::test]
async fn o10c_one_entry_of_a_layouts_index_costs_itself_alone() {
    let odd = [
        json!({REVISION: null, "org.opencontainers.image.ref.name": "9.9.9"}),
        json!({"org.opencontainers.image.ref.name": null}),
        json!("none"),
    ];
    for annotations in &odd {
        let mut store = Store::default();
        store.push(NAME, "1.0.0", b"archive");
        let dir = TempDir::new().unwrap();
        layout_of(&store, dir.path());
        let path = dir.path().join("aws-provider/index.json");
        let mut index: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let entries = index["manifests"].as_array_mut().unwrap();
        let mut entry = entries[0].clone();
        entry["annotations"] = annotations.clone();
        entries.insert(0, entry);
        entries.insert(0, json!(null));
        std::fs::write(&path, index.to_string()).unwrap();
        let extension =
            LocalBackend::new(BackendId::LOCAL, dir.path()).extension(&id("aws-provider")).await;
        let versions = versions(&extension.unwrap());
        assert!(versions.contains(&"1.0.0".to_owned()), "{annotations}: {versions:?}");
    }
}

#[tokio::test]
async fn o10d_labels_and_keywords_of_a_config_blob_are_read_one_by_one() {
    let extensions = changed(|store, manifest| {
        let config = json!({
            "keywords": ["cloud", null, 5], "license": 3,
            "config": {"Labels": {DESCRIPTION: "of a label", REVISION: null}},
        });
        manifest["annotations"] = json!({});
        describe(store, manifest, &config);
    });
    for extension in extensions.await {
        let about = &extension.latest().unwrap().about;
        assert_eq!(about.description.as_deref(), Some("of a label"));
        assert_eq!(*about.keywords, ["cloud".into()]);
    }
}

/// Gives a manifest this config blob.
fn describe(store: &mut Store, manifest: &mut Value, config: &Value) {
    let text = config.to_string();
    let digest = store.blob(NAME, text.as_bytes());
    manifest["config"] = json!({
        "mediaType": "application/vnd.oci.image.config.v1+json",
        "digest": digest, "size": text.len(),
    });
}

#[tokio::test]
async fn o19_the_first_readable_date_counts() {
    for unreadable in ["1970-01-01T00:00:00Z", "yesterday", "9999-01-01T00:00:00Z", "0001-01-01"] {
        let extensions = changed(|store, manifest| {
            manifest["annotations"][CREATED] = unreadable.into();
            describe(store, manifest, &json!({"created": "2025-10-06T12:00:00Z"}));
        });
        for extension in extensions.await {
            let at = extension.latest().unwrap().published_at.map(|at| at.to_string());
            assert_eq!(at.as_deref(), Some("2025-10-06T12:00:00Z"), "{unreadable}");
        }
    }
}

#[tokio::test]
async fn o19b_every_claim_is_the_first_that_can_be_shown() {
    let extensions = changed(|store, manifest| {
        manifest["annotations"] = json!({
            "org.opencontainers.image.source": "git@example.com:a/b.git",
            "org.opencontainers.image.licenses": "  ",
            "io.artifacthub.package.keywords": " , ",
        });
        let labels = json!({
            "org.opencontainers.image.source": "HTTPS://example.com/a",
            "org.opencontainers.image.created": "2025-01-02T00:00:00Z",
        });
        let config = json!({
            "license": "MIT", "keywords": ["cloud"], "config": {"Labels": labels},
            "created": "1970-01-01T00:00:00Z",
        });
        describe(store, manifest, &config);
    });
    for extension in extensions.await {
        let release = extension.latest().unwrap();
        assert_eq!(release.about.repository.as_deref(), Some("HTTPS://example.com/a"));
        assert_eq!(release.about.license.as_deref(), Some("MIT"));
        assert_eq!(*release.about.keywords, ["cloud".into()]);
        let at = release.published_at.map(|at| at.to_string());
        assert_eq!(at.as_deref(), Some("2025-01-02T00:00:00Z"));
    }
}
