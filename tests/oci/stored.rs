//! Manifests, blobs and referrers as registries store them, and registries that answer wrongly.

use registry_core::backend::oci_content::{Reference, StoredManifest};
use registry_core::error::{ErrorKind, Result};
use registry_core::models::digest::Digest;
use registry_testing::played_registry::{Dialect, PlayedRegistry};
use registry_testing::registry_store::{OCI_INDEX, OCI_MANIFEST, Store, manifest_of};
use registry_testing::scripted_registry::{Reply, ScriptedRegistry, Sending};
use serde_json::{Value, json};

use super::*;

const NAME: &str = "provisioning/aws-provider";
const BLOB: &[u8] = b"0123456789";

fn tag() -> Reference {
    Reference::Tag("1.0.0".to_owned())
}

fn aws() -> ExtensionId {
    id("aws-provider")
}

async fn manifest(backend: &OciBackend, reference: &Reference) -> Result<StoredManifest> {
    backend.oci_content().unwrap().manifest(&aws(), reference).await
}

/// A registry that answers every request like this.
async fn always(reply: Reply) -> (ScriptedRegistry, OciBackend) {
    let server = ScriptedRegistry::start(move |_| reply.clone()).await;
    let backend = backend(&server.url());
    (server, backend)
}

fn of_type(media_type: &str, bytes: &str) -> Reply {
    Reply::new(200).header("content-type", media_type).bytes(bytes.to_owned())
}

#[tokio::test]
async fn what_a_sweep_has_read_costs_no_request() {
    let mut store = Store::default();
    store.push(NAME, "1.0.0", b"archive");
    let played = PlayedRegistry::new(Dialect::Zot, store);
    let server = ScriptedRegistry::start(move |seen| played.answer(seen)).await;
    let backend = backend(&server.url());
    let extension = backend.extension(&aws()).await.unwrap();
    let digest = extension.latest().unwrap().manifest_digest.clone().unwrap();
    server.take();
    let stored = manifest(&backend, &Reference::Digest(digest.clone())).await.unwrap();
    assert!(digest.matches(&stored.bytes));
    assert_eq!(server.take(), [""; 0]);
    // Not under another name, even though it is at hand.
    let content = backend.oci_content().unwrap();
    let other = content.manifest(&id("gcp-provider"), &Reference::Digest(digest)).await;
    assert!(other.unwrap_err().is_not_found());
    assert_eq!(server.take().len(), 1, "the registry was asked");
}

#[tokio::test]
async fn manifests_of_every_kind_pass_unchanged() {
    let docker_list = "application/vnd.docker.distribution.manifest.list.v2+json";
    let docker = "application/vnd.docker.distribution.manifest.v2+json";
    let of =
        |media_type: &str, rest: &str| format!("{{\n  \"mediaType\": {media_type:?},{rest} }}\n");
    let long = format!("\"x\":\"{}\"", "y".repeat(200_000));
    let many = format!("\"layers\":[{}{{}}]", "{},".repeat(10_000));
    for (announced, bytes, expected) in [
        (docker_list, of(docker_list, "\"manifests\":[]"), docker_list),
        (docker, of(docker, "\"layers\":null"), docker),
        (OCI_MANIFEST, of(OCI_MANIFEST, &long), OCI_MANIFEST),
        (OCI_MANIFEST, of(OCI_MANIFEST, &many), OCI_MANIFEST),
        (OCI_INDEX, "{\"manifests\":[]}".to_owned(), OCI_INDEX),
        ("application/octet-stream", "{\"manifests\":[]}".to_owned(), OCI_INDEX),
        ("application/octet-stream", "{\"layers\":[]}".to_owned(), OCI_MANIFEST),
        ("text/plain", of("text/html", "\"layers\":[]"), OCI_MANIFEST),
    ] {
        let (_server, backend) = always(of_type(announced, &bytes)).await;
        let digest = Digest::sha256(bytes.as_bytes());
        for reference in [tag(), Reference::Digest(digest.clone())] {
            let stored = manifest(&backend, &reference).await.unwrap();
            assert_eq!((stored.media_type.as_str(), &stored.digest), (expected, &digest));
            assert_eq!(stored.bytes, bytes);
        }
    }
}

#[tokio::test]
async fn what_is_no_manifest_is_a_fault_and_no_absence() {
    let huge = format!("{{\"x\":\"{}\"}}", "y".repeat(4 << 20));
    let docker = "application/vnd.docker.distribution.manifest.v2+json";
    for (what, reply) in [
        ("a login page", of_type("text/html", "<html>")),
        ("a page that says JSON", of_type("application/json", "<html>")),
        ("JSON that says HTML", of_type("text/html", "{\"layers\":[]}")),
        ("a list", of_type(OCI_MANIFEST, "[1]")),
        ("nothing", of_type(OCI_MANIFEST, "")),
        ("two types", of_type(docker, &format!("{{\"mediaType\":{OCI_MANIFEST:?}}}"))),
        ("five mebibytes", of_type(OCI_MANIFEST, &huge)),
        ("bytes without end", Reply::new(200).sending(Sending::Endless)),
    ] {
        let (_server, backend) = always(reply).await;
        let error = manifest(&backend, &tag()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BackendFaulty, "{what}: {error:?}");
    }
    let (_server, backend) = always(of_type(OCI_MANIFEST, "{\"layers\":[]}")).await;
    let other = Reference::Digest(Digest::sha256(b"other"));
    let error = manifest(&backend, &other).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BackendFaulty, "another one than was asked for");
}

#[tokio::test]
async fn a_blob_that_is_asked_for_as_a_manifest_does_not_open_the_breaker() {
    let archive = Digest::sha256(BLOB);
    let server = ScriptedRegistry::start(|seen| match seen.path() {
        path if path.contains("/manifests/") => Reply::new(500),
        path if path.contains("/blobs/") => of_type("application/octet-stream", "0123456789"),
        _ => Reply::json(r#"{"tags":[]}"#),
    })
    .await;
    let backend = backend(&server.url());
    for _ in 0..30 {
        let error = manifest(&backend, &Reference::Digest(archive.clone())).await.unwrap_err();
        assert!(error.is_not_found(), "{error:?}");
    }
    assert_eq!(server.count("/manifests/"), 30, "the breaker let all of them through");
}

#[tokio::test]
async fn a_manifest_of_a_registry_that_fails_is_not_absent() {
    let server = ScriptedRegistry::start(|seen| match seen.path() {
        path if path.contains("/manifests/") => Reply::new(500),
        // zot has manifests among its blobs.
        _ => of_type(OCI_MANIFEST, "{\"layers\":[]}"),
    })
    .await;
    let backend = backend(&server.url());
    for reference in [tag(), Reference::Digest(Digest::sha256(b"{\"layers\":[]}"))] {
        let error = manifest(&backend, &reference).await.unwrap_err();
        assert!(error.kind().is_unreachable(), "{error:?}");
    }
}

async fn blob(backend: &OciBackend, range: Option<std::ops::Range<u64>>) -> Result<Bytes> {
    let content = backend.oci_content().unwrap();
    let opened = content.blob(&aws(), &Digest::sha256(BLOB), range).await?;
    let length = opened.length;
    let bytes = opened.collect().await?;
    assert_eq!(bytes.len() as u64, length);
    Ok(bytes)
}

#[tokio::test]
async fn blobs_are_read_whatever_the_registry_makes_of_length_and_range() {
    let part = |range: &str| Reply::new(206).header("content-range", range).bytes(&b"234"[..]);
    for (what, reply, expected) in [
        ("the part", part("bytes 2-4/10"), Ok("234")),
        ("a part of unknown whole", part("bytes 2-4/*"), Ok("234")),
        ("the whole", Reply::new(200).bytes(BLOB), Ok("234")),
        ("another part", part("bytes 3-5/10"), Err(ErrorKind::BackendFaulty)),
        ("a part without a range", Reply::new(206).bytes(BLOB), Err(ErrorKind::BackendFaulty)),
        ("a shorter blob", part("bytes 2-3/4"), Err(ErrorKind::RangeNotSatisfiable { size: 4 })),
        ("refused", Reply::new(403), Err(ErrorKind::BackendRefused)),
        ("absent", Reply::new(404), Err(ErrorKind::NotFound)),
    ] {
        let (_server, backend) = always(reply).await;
        let found = blob(&backend, Some(2..5)).await.map_err(|error| error.kind());
        assert_eq!(found.as_deref(), expected.map(str::as_bytes).as_ref().copied(), "{what}");
    }
    // Without a length, the length comes from a `HEAD`.
    let server = ScriptedRegistry::start(|seen| match seen.method.as_str() {
        "HEAD" => Reply::new(200).bytes(BLOB),
        _ => Reply::new(200).sending(Sending::Chunked(Bytes::from_static(BLOB))),
    })
    .await;
    assert_eq!(blob(&backend(&server.url()), None).await.unwrap(), BLOB);
    assert_eq!(server.count("HEAD"), 1);
}

#[tokio::test]
async fn redirects_of_blobs_are_followed_without_credentials() {
    let store = ScriptedRegistry::start(|_| Reply::new(200).bytes(BLOB)).await;
    let to = format!("{}/bucket/x", store.url());
    let server = ScriptedRegistry::start(move |seen| match seen.path() {
        path if path.contains("/blobs/") => Reply::new(307).header("location", &to),
        _ => Reply::new(200),
    })
    .await;
    let url = server.url();
    let backend = backend_with(&url, |settings| {
        settings.upstream.allow_private_redirects = true;
        settings.credentials = credentials_of(&url, "user:SECRET");
    });
    assert_eq!(blob(&backend, None).await.unwrap(), BLOB);
    assert_eq!(blob(&backend, Some(2..5)).await.unwrap(), &BLOB[2..5]);
    assert!(store.seen().iter().all(|seen| seen.header("authorization").is_none()));
}

fn entries(index: &StoredManifest) -> Vec<Value> {
    let document: Value = serde_json::from_slice(&index.bytes).unwrap();
    document["manifests"].as_array().unwrap().clone()
}

async fn referrers(backend: &OciBackend) -> Result<StoredManifest> {
    backend.oci_content().unwrap().referrers(&aws(), &Digest::sha256(b"subject")).await
}

fn page(names: &[&str]) -> Reply {
    let entries = names.iter().map(|name| {
        let digest = Digest::sha256(name.as_bytes()).to_string();
        json!({"mediaType": OCI_MANIFEST, "digest": digest, "size": 1})
    });
    let manifests: Vec<Value> = entries.collect();
    of_type(OCI_INDEX, &json!({"schemaVersion": 2, "manifests": manifests}).to_string())
}

#[tokio::test]
async fn pages_of_referrers_are_one_index_that_is_kept() {
    let server = ScriptedRegistry::start(|seen| match seen.query("page").as_deref() {
        None => page(&["a", "b"]).header("link", "<?page=2>; rel=\"next\""),
        Some(_) => page(&["b", "c"]),
    })
    .await;
    let backend = backend(&server.url());
    let asked = (0..50).map(|_| referrers(&backend));
    let all = futures_util::future::join_all(asked).await;
    assert_eq!(entries(all[0].as_ref().unwrap()).len(), 3, "each once");
    assert!(all.iter().all(|one| one.as_ref().unwrap() == all[0].as_ref().unwrap()));
    referrers(&backend).await.unwrap();
    assert_eq!(server.take().len(), 2, "two pages, once");
    let other = backend_with(&server.url(), |settings| settings.ttl = std::time::Duration::ZERO);
    referrers(&other).await.unwrap();
    referrers(&other).await.unwrap();
    assert_eq!(server.take().len(), 4, "again after the time to live");
}

#[tokio::test]
async fn a_list_of_referrers_that_cannot_be_read_is_not_empty() {
    let image = json!({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "layers": []}).to_string();
    for (what, reply) in [
        ("a login page", of_type("text/html", "<html>")),
        ("a page that says JSON", of_type(OCI_INDEX, "<html>")),
        ("an index of another type", of_type("text/plain", "{\"manifests\":[]}")),
        ("an error with status 200", Reply::json(r#"{"errors":[{"code":"UNKNOWN"}]}"#)),
        ("an image", of_type(OCI_MANIFEST, &image)),
        ("refused", Reply::new(403)),
        ("a failure", Reply::new(500)),
    ] {
        let (server, backend) = always(reply).await;
        let error = referrers(&backend).await.unwrap_err();
        assert!(!error.is_not_found(), "{what}: {error:?}");
        let asked = server.take().len();
        referrers(&backend).await.unwrap_err();
        assert_eq!(server.take().len(), asked, "{what}: a failure is not kept");
    }
    // The same for the index of registries without the API.
    let server = ScriptedRegistry::start(move |seen| match seen.path() {
        path if path.contains("/referrers/") => Reply::new(404),
        _ => of_type(OCI_MANIFEST, &image),
    })
    .await;
    let error = referrers(&backend(&server.url())).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BackendFaulty);
}

#[tokio::test]
async fn a_manifest_by_sha512_is_verified_and_keeps_that_digest() {
    let bytes = manifest_of(&[]).to_string();
    let mut hasher = registry_core::models::digest::DigestHasher::new(
        registry_core::models::digest::Algorithm::Sha512,
    );
    hasher.update(bytes.as_bytes());
    let digest = hasher.finish();
    let (server, backend) = always(of_type(OCI_MANIFEST, &bytes)).await;
    let stored = manifest(&backend, &Reference::Digest(digest.clone())).await.unwrap();
    assert_eq!(stored.digest, digest);
    assert_eq!(server.take(), [format!("GET /v2/{NAME}/manifests/{digest}")]);
}
