//! What publishers push: indexes, foreign manifests, several layers, odd tags.

use std::sync::Arc;

use registry_backends::oci::backend::OciBackend;
use registry_core::backend::Backend as _;
use registry_core::models::artifact::ArtifactChoice;
use registry_testing::played_registry::{Dialect, PlayedRegistry};
use registry_testing::registry_store::{OCI_INDEX, Store, manifest_of};
use registry_testing::scripted_registry::ScriptedRegistry;
use serde_json::{Value, json};

use crate::oci::{backend, id, versions};
use crate::support::served::Served;

const NAME: &str = "provisioning/aws-provider";

async fn serve(store: Store) -> (ScriptedRegistry, OciBackend) {
    let played = PlayedRegistry::new(Dialect::Distribution, store);
    let server = ScriptedRegistry::start(move |seen| played.answer(seen)).await;
    let backend = backend(&server.url());
    (server, backend)
}

fn index_of(children: &[(&str, &str)]) -> Value {
    let children: Vec<Value> = children
        .iter()
        .map(|(digest, os)| {
            json!({
                "mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": digest,
                "size": 1, "platform": {"os": os, "architecture": os},
            })
        })
        .collect();
    json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": children})
}

#[tokio::test]
async fn case_26_of_an_index_the_first_real_manifest_counts() {
    let mut store = Store::default();
    let good = store.push(NAME, "", b"archive");
    let attestation = store.push(NAME, "", b"attestation");
    let gone = format!("sha256:{}", "0".repeat(64));
    store.push_manifest(NAME, "1.0.0", &index_of(&[(&attestation, "unknown"), (&good, "linux")]));
    store.push_manifest(NAME, "1.1.0", &index_of(&[(&gone, "darwin"), (&good, "linux")]));
    store.push_manifest(NAME, "2.0.0", &index_of(&[(&attestation, "unknown")]));
    store.push_manifest(NAME, "2.1.0", &index_of(&[(&gone, "linux")]));
    let (_server, backend) = serve(store).await;
    let extension = backend.releases(&id("aws-provider")).await.unwrap();
    assert_eq!(versions(&extension), ["1.1.0", "1.0.0"]);
    assert_eq!(extension.latest().unwrap().artifact.chosen().unwrap().size, 7);
    assert_eq!(extension.faults().len(), 2, "{:?}", extension.faults());
    assert!(extension.faults().iter().all(|fault| fault.reason.starts_with("tag 2.")));
    let tag = "2.0.0".parse().unwrap();
    let error = backend.version(&id("aws-provider"), &tag).await.unwrap_err();
    assert_eq!(error.message(), "The index leads to no manifest that can be read");
}

#[tokio::test]
async fn case_27_a_chart_is_known_by_its_media_type() {
    let mut store = Store::default();
    let config =
        br#"{"name":"aws","version":"1.0.0","description":"a chart","keywords":["cloud"]}"#;
    let (prov, chart) = (store.blob(NAME, b"signature"), store.blob(NAME, b"chart"));
    let config_digest = store.blob(NAME, config);
    let manifest = json!({
        "schemaVersion": 2,
        "config": {
            "mediaType": "application/vnd.cncf.helm.config.v1+json",
            "digest": config_digest, "size": config.len(),
        },
        "layers": [
            {"mediaType": "application/vnd.cncf.helm.chart.provenance.v1.prov", "digest": prov, "size": 9},
            {"mediaType": "application/vnd.cncf.helm.chart.content.v1.tar+gzip", "digest": chart, "size": 5},
        ],
    });
    store.push_manifest(NAME, "1.0.0", &manifest);
    let (_server, backend) = serve(store).await;
    let extension = backend.extension(&id("aws-provider")).await.unwrap();
    let release = extension.latest().unwrap();
    let artifact = release.artifact.chosen().unwrap();
    assert_eq!((&*artifact.file_name, artifact.size), ("aws-1.0.0.tar.gz", 5));
    assert_eq!(release.about.description.as_deref(), Some("a chart"));
    assert_eq!(*release.about.keywords, ["cloud".into()]);
    assert_eq!(release.assets.len(), 2, "each layer can be asked for by its digest");
}

#[tokio::test]
async fn case_28_two_archives_without_a_rule_are_listed_and_named() {
    let mut store = Store::default();
    let layers =
        [(store.blob(NAME, b"one"), 3, "one.tar.gz"), (store.blob(NAME, b"three"), 5, "two.zip")];
    store.push_manifest(NAME, "1.0.0", &manifest_of(&layers));
    let (_server, backend) = serve(store).await;
    let extension = backend.extension(&id("aws-provider")).await.unwrap();
    let candidates = vec!["one.tar.gz".to_owned(), "two.zip".to_owned()];
    let release = extension.latest().unwrap();
    assert_eq!(release.artifact, ArtifactChoice::Ambiguous(candidates));
    let chosen = backend.open(&id("aws-provider"), &release.assets[1], None).await.unwrap();
    assert_eq!(chosen.collect().await.unwrap(), "three");
}

#[tokio::test]
async fn case_29_tags_are_listed_as_the_contract_says() {
    let hex = "0".repeat(64);
    let (digest, signature) = (format!("sha256-{hex}"), format!("sha256-{hex}.sig"));
    for hidden in [false, true] {
        let mut store = Store::default();
        for tag in ["1.10.0", "1.9.0", "v1.2.0", "1.0.0_build.1", "01.0.0", "2.0.0-rc1"] {
            store.push(NAME, tag, tag.as_bytes());
        }
        store.push(NAME, "latest", b"1.10.0");
        store.push(NAME, "1.2", if hidden { b"v1.2.0" } else { b"its own archive" });
        store.push(NAME, &digest, b"referrers");
        store.push(NAME, &signature, b"signature");
        let (_server, backend) = serve(store).await;
        let swept = backend.extension(&id("aws-provider")).await.unwrap();
        assert_eq!(swept.latest().unwrap().version.as_str(), "1.10.0");
        let read = backend.releases(&id("aws-provider")).await.unwrap();
        let shown = if hidden { "1.2.0" } else { "1.2" };
        let expected = ["2.0.0-rc1", "1.10.0", "1.9.0", shown, "1.0.0+build.1", "01.0.0"];
        assert_eq!(versions(&read), expected);
    }
}

/// Of older versions only the names are known at first.
#[tokio::test]
async fn an_older_version_without_an_archive_shows_on_no_path_before_all_are_read() {
    for path in ["/1.2.0/metadata", "/readme?version=1.2.0", "/1.2.0", "/resolve?constraint=^1"] {
        let mut store = Store::default();
        store.push(NAME, "2.0.0", b"newest");
        store.push_manifest(NAME, "1.2.0", &manifest_of(&[]));
        store.push_manifest(NAME, "1.1.0", &manifest_of(&[]));
        store.push(NAME, "1.0.0", b"oldest");
        let (_server, backend) = serve(store).await;
        let served = Served::over(vec![Arc::new(backend)]).await;
        let got = served.get(&format!("/extensions/provider/aws{path}")).await.json();
        if path.starts_with("/resolve") {
            assert_eq!(got["version"], "1.0.0", "{got}");
        } else {
            assert_eq!(got["message"], "Extension provider/aws has no version 1.2.0", "{path}");
        }
    }
}
