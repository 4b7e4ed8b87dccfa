//! Bad input and bad registries: each fails by itself, names the backend, and costs no other.

use std::sync::Arc;
use std::time::Duration;

use registry_backends::oci::client::referrers;
use registry_backends::oci::credentials::Credentials;
use registry_core::backend::Backend as _;
use registry_core::error::ErrorKind;
use registry_core::models::coverage::Coverage;
use registry_core::models::digest::Digest;
use registry_core::models::scope::Scope;
use registry_testing::ids::reasons;
use registry_testing::played_registry::{Dialect, PlayedRegistry};
use registry_testing::registry_store::Store;
use registry_testing::scripted_registry::{Reply, ScriptedRegistry, Sending};

use super::{backend, backend_as, backend_with, client, id, repository, versions};
use crate::support::served::Served;

#[tokio::test]
async fn registries_that_are_none_are_told_apart() {
    let unknown = backend("http://registry.invalid").listing().await.unwrap_err();
    assert!(matches!(unknown.kind(), ErrorKind::BackendUnavailable { .. }), "{unknown:?}");
    // Plain HTTP where HTTPS was configured is no registry, and nothing is downgraded.
    let plain = ScriptedRegistry::start(|_| Reply::json("{}")).await;
    let wrong = backend(&plain.url().replace("http://", "https://"));
    let error = wrong.probe().await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::BackendUnavailable { .. }), "{error:?}");
    assert_eq!(plain.take(), [""; 0]);
    let page = ScriptedRegistry::start(|_| {
        Reply::new(200).header("content-type", "text/html").bytes("<html>sign in</html>")
    })
    .await;
    let nonsense = backend(&page.url());
    assert_eq!(nonsense.listing().await.unwrap_err().kind(), ErrorKind::BackendFaulty);
    let error = nonsense.extension(&id("aws-provider")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BackendFaulty);
    let elsewhere = ScriptedRegistry::start(|_| Reply::new(404)).await;
    assert_eq!(
        backend(&elsewhere.url()).probe().await.unwrap_err().kind(),
        ErrorKind::BackendFaulty
    );
    let none = backend(&elsewhere.url()).listing().await.unwrap_err();
    assert!(none.message().contains("does not list its repositories"), "{none}");
}

#[tokio::test]
async fn row_20_one_bad_release_hides_no_other() {
    let name = "provisioning/aws-provider";
    for (what, manifest) in [
        ("5 MiB", Reply::new(200).bytes(vec![b' '; 5 * 1024 * 1024])),
        ("endless", Reply::new(200).sending(Sending::Endless)),
        ("html", Reply::new(200).header("content-type", "text/html").bytes("<html>")),
        ("not json", Reply::new(200).bytes("{")),
        ("an array", Reply::new(200).bytes("[1]")),
        ("no digest", Reply::new(200).bytes(r#"{"layers":[{"mediaType":"x.tar","digest":"x"}]}"#)),
        ("gone", Reply::new(404)),
        (
            "other type",
            Reply::new(200)
                .header("content-type", "application/vnd.oci.image.index.v1+json")
                .bytes(r#"{"mediaType":"application/vnd.oci.image.manifest.v1+json","layers":[]}"#),
        ),
    ] {
        let mut store = Store::default();
        store.push(name, "1.0.0", b"archive");
        store.push(name, "2.0.0", b"never read");
        let played = PlayedRegistry::new(Dialect::Distribution, store);
        let server = ScriptedRegistry::start(move |seen| match seen.path() {
            path if path.ends_with("/manifests/2.0.0") => manifest.clone(),
            _ => played.answer(seen),
        })
        .await;
        let extension = backend(&server.url()).extension(&id("aws-provider")).await.unwrap();
        assert_eq!(versions(&extension), ["1.0.0"], "{what}");
        assert!(extension.latest().unwrap().artifact.chosen().is_some(), "{what}");
        assert!(
            extension.faults()[0].reason.starts_with("tag 2.0.0: "),
            "{:?}",
            extension.faults()
        );
    }
}

#[tokio::test]
async fn a_registry_that_fails_for_now_says_nothing_of_what_it_has() {
    for status in [429, 500, 502, 503] {
        let mut store = Store::default();
        store.push("provisioning/aws-provider", "1.0.0", b"archive");
        let played = PlayedRegistry::new(Dialect::Distribution, store);
        let server = ScriptedRegistry::start(move |seen| match seen.path() {
            path if path.contains("/manifests/") => Reply::new(status),
            _ => played.answer(seen),
        })
        .await;
        let error = backend(&server.url()).extension(&id("aws-provider")).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::BackendUnavailable { .. }), "{error:?}");
    }
    let failing_page = ScriptedRegistry::start(|seen| match seen.query("last") {
        None => Reply::json(r#"{"tags":["1.0.0"]}"#).header("link", "<?last=1.0.0>; rel=next"),
        Some(_) => Reply::new(503),
    })
    .await;
    let extension = backend(&failing_page.url()).extension(&id("aws-provider")).await.unwrap();
    assert!(!extension.coverage().is_complete(), "half a list proves half");
}

#[tokio::test]
async fn silence_ends_with_the_deadline() {
    for sending in [Sending::Silence, Sending::Stalled] {
        let sending = parking_lot::Mutex::new(Some(sending));
        let server = ScriptedRegistry::start(move |_| {
            let reply = Reply::new(200).header("content-type", "application/json");
            reply.sending(sending.lock().take().unwrap())
        })
        .await;
        let hasty = backend_with(&server.url(), |settings| {
            settings.upstream.timeout = Duration::from_millis(200);
        });
        assert_eq!(hasty.listing().await.unwrap_err().kind(), ErrorKind::BackendTimeout);
    }
}

#[tokio::test]
async fn row_21_of_a_hundred_thousand_tags_the_newest_ten_thousand_are_listed() {
    let tags: Vec<String> = (0..100_000).map(|number| format!("1.0.{number}")).collect();
    let list = serde_json::json!({"tags": tags}).to_string();
    let mut store = Store::default();
    store.push("provisioning/aws-provider", "1.0.99999", b"archive");
    let played = PlayedRegistry::new(Dialect::Distribution, store);
    let server = ScriptedRegistry::start(move |seen| match seen.path() {
        path if path.ends_with("/tags/list") => Reply::json(list.clone()),
        _ => played.answer(seen),
    })
    .await;
    let extension = backend(&server.url()).extension(&id("aws-provider")).await.unwrap();
    assert_eq!(extension.releases().len(), 10_000);
    assert_eq!(extension.latest().unwrap().version.as_str(), "1.0.99999");
    assert_eq!(extension.releases().last().unwrap().version.as_str(), "1.0.90000");
    let bounded = Coverage::Bounded("90000 of its tags are older than those listed".into());
    assert_eq!(extension.coverage(), &bounded);
    assert_eq!(server.take().len(), 2, "the list and a manifest");
}

/// An index whose entries all are this document.
fn index_of(document: &str) -> String {
    let entry = serde_json::json!({"digest": Digest::sha256(document.as_bytes()).to_string()});
    serde_json::json!({"manifests": vec![entry; 1_000]}).to_string()
}

#[tokio::test]
async fn row_20_indexes_that_name_the_same_over_and_over_are_left() {
    let nothing = r#"{"manifests":[]}"#.to_owned();
    let inner = index_of(&nothing);
    let outer = index_of(&inner);
    let server = ScriptedRegistry::start(move |seen| {
        let documents = [&nothing, &inner, &outer];
        let named =
            |text: &&&String| seen.path().ends_with(&Digest::sha256(text.as_bytes()).to_string());
        match seen.path() {
            path if path.ends_with("/tags/list") => Reply::json(r#"{"tags":["1.0.0"]}"#),
            path if path.ends_with("/manifests/1.0.0") => Reply::new(200).bytes(outer.clone()),
            _ => Reply::new(200).bytes((**documents.iter().find(named).unwrap()).clone()),
        }
    })
    .await;
    let extension = backend(&server.url()).extension(&id("aws-provider")).await.unwrap();
    assert_eq!(extension.releases().len(), 0);
    assert_eq!(
        reasons(&extension),
        ["tag 1.0.0: The index leads to no manifest that can be read"],
        "after 64 documents, of 32 times 32 that are named"
    );
    assert!(server.count("/manifests/") <= 64, "{}", server.count("/manifests/"));
}

#[tokio::test]
async fn a_version_in_a_gap_of_its_list_is_asked_for_by_its_tag() {
    let mut store = Store::default();
    for tag in ["2.0.0", "1.0.0"] {
        store.push("provisioning/aws-provider", tag, tag.as_bytes());
    }
    let played = PlayedRegistry::new(Dialect::Distribution, store);
    let server = ScriptedRegistry::start(move |seen| {
        match (seen.path().ends_with("/tags/list"), seen.query("last")) {
            (true, None) => {
                Reply::json(r#"{"tags":["2.0.0"]}"#).header("link", "<?last=1>; rel=next")
            }
            (true, Some(_)) => Reply::json("nonsense"),
            (false, _) => played.answer(seen),
        }
    })
    .await;
    let served = Served::over(vec![Arc::new(backend(&server.url()))]).await;
    served.catalog.reader.ready(Scope::All).await.unwrap();
    let versions = served.get("/extensions/provider/aws/versions").await;
    assert_eq!(versions.column("version"), ["2.0.0"]);
    assert_eq!(served.get("/extensions/provider/aws/1.0.0").await.text(), "1.0.0");
    assert_eq!(served.get("/extensions/provider/aws/1.0.0/metadata").await.json()["tag"], "1.0.0");
    for absent in ["9.0.0", "latest.sig"] {
        let got = served.get(&format!("/extensions/provider/aws/{absent}")).await;
        assert_eq!(got.status, 404, "{absent}");
    }
    server.take();
    assert_eq!(served.get("/extensions/provider/aws/9.0.0").await.status, 404);
    assert_eq!(server.take(), [""; 0], "the no is remembered");
}

#[tokio::test]
async fn row_22_listings_without_end_are_cut() {
    let turning = ScriptedRegistry::start(|_| {
        Reply::json(r#"{"tags":["1.0.0"]}"#).header("link", "</v2/x?turn=1>; rel=next")
    })
    .await;
    let names = client(&turning.url(), Credentials::Anonymous);
    let found = names.lister().tags(&repository("aws-provider")).await.unwrap();
    assert_eq!((found.names.len(), found.gap.unwrap().kind()), (1, ErrorKind::BackendFaulty));
    assert_eq!(turning.take().len(), 2);
    let endless = ScriptedRegistry::start(|seen| {
        let next: u32 = seen.query("last").map_or(1, |last| last.parse::<u32>().unwrap() + 1);
        Reply::json(format!(r#"{{"tags":["1.0.{next}"]}}"#))
            .header("link", format!("<?last={next}>; rel=next"))
    })
    .await;
    let names = client(&endless.url(), Credentials::Anonymous);
    let found = names.lister().tags(&repository("aws-provider")).await.unwrap();
    assert!(found.gap.is_some());
    let requested = endless.take().len();
    assert!(requested <= found.names.len() + 1, "{requested}: no page is requested twice");
    assert!((900..=1_001).contains(&found.names.len()), "{}", found.names.len());
    let huge = ScriptedRegistry::start(|_| {
        Reply::new(200).header("content-type", "application/json").sending(Sending::Endless)
    })
    .await;
    assert_eq!(backend(&huge.url()).listing().await.unwrap_err().kind(), ErrorKind::BackendFaulty);
}

#[tokio::test]
async fn a_listing_of_too_many_names_is_cut() {
    let endless = ScriptedRegistry::start(|seen| {
        let page: u32 = seen.query("last").map_or(0, |last| last.parse().unwrap());
        let tags: Vec<String> = (0..100_000).map(|number| format!("{page}.0.{number}")).collect();
        Reply::json(serde_json::json!({"tags": tags}).to_string())
            .header("link", format!("<?last={}>; rel=next", page + 1))
    })
    .await;
    let found = client(&endless.url(), Credentials::Anonymous);
    let found = found.lister().tags(&repository("aws-provider")).await.unwrap();
    assert_eq!(found.gap.unwrap().message(), "The registry's listing is too long");
    assert!((10_000..=20_000).contains(&found.names.len()), "{}", found.names.len());
    assert_eq!(endless.take().len(), 3, "of a thousand pages");
}

#[tokio::test]
async fn a_list_of_referrers_without_end_is_left_after_twenty_pages() {
    let endless = ScriptedRegistry::start(|seen| {
        let page: u32 = seen.query("page").map_or(0, |page| page.parse().unwrap());
        Reply::new(200)
            .header("content-type", "application/vnd.oci.image.index.v1+json")
            .header("link", format!("<?page={}>; rel=next", page + 1))
            .bytes(r#"{"schemaVersion":2,"manifests":[]}"#)
    })
    .await;
    let registry = client(&endless.url(), Credentials::Anonymous);
    let digest = Digest::sha256(b"subject");
    let error = referrers(&registry, &repository("aws-provider"), &digest).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BackendFaulty);
    assert_eq!(endless.take().len(), 20);
}

#[tokio::test]
async fn a_configuration_of_more_than_64_kib_is_not_asked_for() {
    let name = "provisioning/aws-provider";
    for (size, asked) in [(64 * 1024, 1), (64 * 1024 + 1, 0)] {
        let mut store = Store::default();
        let (layer, config) = (store.blob(name, b"archive"), store.blob(name, &vec![b' '; size]));
        let manifest = serde_json::json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": {
                "mediaType": "application/vnd.x+json", "digest": config.clone(), "size": size,
            },
            "layers": [{
                "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip",
                "digest": layer, "size": 7,
                "annotations": {"org.opencontainers.image.title": "x.tar.gz"},
            }],
        });
        store.push_manifest(name, "1.0.0", &manifest);
        let played = PlayedRegistry::new(Dialect::Distribution, store);
        let server = ScriptedRegistry::start(move |seen| played.answer(seen)).await;
        let extension = backend(&server.url()).extension(&id("aws-provider")).await.unwrap();
        assert_eq!(versions(&extension), ["1.0.0"]);
        assert_eq!(server.count(&config), asked, "{size}");
    }
}

#[tokio::test]
async fn a_compressed_answer_is_nonsense_and_never_grows() {
    let server = ScriptedRegistry::start(|_| {
        let bomb = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3].repeat(100);
        Reply::json(bomb).header("content-encoding", "gzip")
    })
    .await;
    let error = backend(&server.url()).listing().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BackendFaulty, "{}", error.report());
}

#[tokio::test]
async fn secrets_are_in_no_error() {
    let server = ScriptedRegistry::start(|seen| {
        if seen.path() == "/token" {
            Reply::new(500).bytes("canary")
        } else {
            let host = seen.header("host").unwrap();
            let realm = format!("Bearer realm=\"http://{host}/token?canary=1\"");
            Reply::new(401).header("www-authenticate", realm)
        }
    })
    .await;
    for credentials in ["SECRET", "user:SECRET", "<token>:SECRET"] {
        let backend = backend_as(&server.url(), credentials);
        let error = backend.extension(&id("aws-provider")).await.unwrap_err();
        assert!(!format!("{} {error:?}", error.report()).contains("canary"));
        let error = backend.listing().await.unwrap_err();
        assert!(!format!("{} {error:?}", error.report()).contains("canary"));
    }
}

#[tokio::test]
async fn referrers_are_found_by_the_api_and_by_the_tag() {
    let zot = PlayedRegistry::zot();
    let digest: Digest =
        "sha256:557ff2a52bb6ae6397f6f26ff5e859dce667fd2403e5d4f83c15b70fd9d7ddef".parse().unwrap();
    let server = ScriptedRegistry::start(move |seen| zot.answer(seen)).await;
    let registry = client(&server.url(), Credentials::Anonymous);
    let found = referrers(&registry, &repository("aws-provider"), &digest).await.unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].artifact_type, "application/spdx+json");
    let mut store = Store::default();
    let index = serde_json::json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [{"digest": digest.to_string(), "artifactType": "application/x"}],
    });
    let tag = format!("sha256-{}", digest.hex());
    let name = "provisioning/aws-provider";
    store.blob(name, b"{}");
    let played = PlayedRegistry::new(Dialect::Distribution, store.clone());
    let without = ScriptedRegistry::start(move |seen| played.answer(seen)).await;
    let registry = client(&without.url(), Credentials::Anonymous);
    assert_eq!(referrers(&registry, &repository("aws-provider"), &digest).await.unwrap().len(), 0);
    store.repositories.get_mut(name).unwrap();
    let bytes = index.to_string();
    let tagged = store.blob(name, bytes.as_bytes());
    let held = store.repositories.get_mut(name).unwrap();
    held.manifests.insert(tagged.clone(), "application/vnd.oci.image.index.v1+json".to_owned());
    held.tags.push((tag, tagged));
    let played = PlayedRegistry::new(Dialect::Distribution, store);
    let with = ScriptedRegistry::start(move |seen| played.answer(seen)).await;
    let registry = client(&with.url(), Credentials::Anonymous);
    let found = referrers(&registry, &repository("aws-provider"), &digest).await.unwrap();
    assert_eq!(found[0].artifact_type, "application/x");
}
