//! Against CNCF distribution as Debian packages it: open, with passwords, with tokens.

use std::process::Stdio;
use std::sync::Arc;

use bytes::Bytes;
use hyper::Method;
use registry_backends::oci::backend::OciBackend;
use registry_backends::oci::realm::host_of;
use registry_core::backend::Backend as _;
use registry_core::error::ErrorKind;
use registry_core::models::digest::Digest;
use registry_testing::canary::secret_for;
use registry_testing::docker_registry::{Access, DockerRegistry};
use registry_testing::played_registry::PlayedRegistry;
use registry_testing::pusher::Pusher;
use registry_testing::registry_store::Store;
use registry_testing::scripted_registry::ScriptedRegistry;
use registry_testing::token_server::{HOST, TokenServer, USER};
use registry_testing::tools::is_installed;
use tokio::process::Command;

use super::{backend, backend_as, backend_with, credentials_of, everything, id, versions, whole};

/// [`USER`], as `htpasswd -B` writes it.
const USERS: &str = "reader:$2y$04$sa1JqWPSht04NXWnrI4oPuIL1IwZAqTyFnML6a1d0kwrtJzNdAvLe\n";
const BASIC: &str = "Basic cmVhZGVyOmNhbmFyeTdmM2E5Yy5wYXNzd29yZC5yZWdpc3RyeQ==";

fn small_store() -> Store {
    let mut store = Store::default();
    store.push("provisioning/aws-provider", "1.0.0", b"archive of aws 1.0.0");
    store.push("provisioning/aws-provider", "1.1.0", b"archive of aws 1.1.0");
    store.push("provisioning/k8s-taskserv", "v2.0.0", b"archive of k8s");
    store.push("other/aws-provider", "9.9.9", b"not ours");
    for repository in store.repositories.clone().into_keys() {
        store.blob(&repository, b"{}");
    }
    store
}

async fn download(backend: &OciBackend, repository: &str, version: &str) -> Bytes {
    let id = id(repository);
    let release = backend.version(&id, &version.parse().unwrap()).await.unwrap();
    let artifact = release.artifact.chosen().unwrap();
    let opened = backend.open(&id, artifact, None).await.unwrap();
    whole(opened, artifact).await.unwrap()
}

#[tokio::test]
async fn the_recorded_zot_and_the_same_pushed_to_distribution_are_the_same_catalog() {
    let Some(real) = DockerRegistry::start(Access::Open).await else { return };
    let zot = PlayedRegistry::zot();
    Pusher::new(&real.url(), None).store(&zot.store).await;
    let played = ScriptedRegistry::start(move |seen| zot.answer(seen)).await;
    let (from_zot, from_real) = (backend(&played.url()), backend(&real.url()));
    let listed = from_zot.listing().await.unwrap();
    assert_eq!(listed.ids.len(), 11);
    assert_eq!(from_real.listing().await.unwrap(), listed);
    let lines = everything(&from_zot).await;
    assert!(lines.len() > 260, "{}", lines.len());
    assert_eq!(everything(&from_real).await, lines);
    real.stop().await;
}

#[tokio::test]
async fn an_open_registry_serves_lists_and_bytes() {
    let Some(real) = DockerRegistry::start(Access::Open).await else { return };
    Pusher::new(&real.url(), None).store(&small_store()).await;
    let backend = backend(&real.url());
    backend.probe().await.unwrap();
    let extension = backend.extension(&id("AWS-provider")).await.unwrap();
    assert_eq!(extension.id().to_string(), "provider/aws");
    assert_eq!(versions(&extension), ["1.1.0", "1.0.0"]);
    assert_eq!(download(&backend, "aws-provider", "1.0.0").await, "archive of aws 1.0.0");
    let release = backend.version(&id("aws-provider"), &"1.1.0".parse().unwrap()).await.unwrap();
    let artifact = release.artifact.chosen().unwrap();
    let part = backend.open(&id("aws-provider"), artifact, Some(11..14)).await.unwrap();
    assert_eq!(part.length, 3);
    assert_eq!(part.collect().await.unwrap(), "aws");
    let outside = backend.open(&id("aws-provider"), artifact, Some(0..1000)).await.unwrap_err();
    assert_eq!(outside.kind(), ErrorKind::RangeNotSatisfiable { size: 20 });
    assert!(backend.extension(&id("nope-provider")).await.unwrap_err().is_not_found());
    let no_tag = backend.version(&id("aws-provider"), &"9.9.9".parse().unwrap()).await;
    assert!(no_tag.unwrap_err().is_not_found());
}

#[tokio::test]
async fn a_registry_with_passwords_lets_in_who_has_one() {
    let Some(real) = DockerRegistry::start(Access::Passwords(USERS)).await else { return };
    Pusher::new(&real.url(), Some(BASIC)).store(&small_store()).await;
    let docker = format!(
        r#"{{"auths":{{"{}":{{"auth":"{}"}}}}}}"#,
        real.authority(),
        BASIC.trim_start_matches("Basic ")
    );
    for credentials in [USER, &docker] {
        let backend = backend_as(&real.url(), credentials);
        assert_eq!(backend.listing().await.unwrap().ids.len(), 2);
        assert_eq!(download(&backend, "k8s-taskserv", "v2.0.0").await, "archive of k8s");
        assert!(backend.extension(&id("nope-provider")).await.unwrap_err().is_not_found());
    }
    for wrong in ["reader:SECRET", &USER.replace("reader", "nobody"), "SECRET"] {
        let refused = backend_as(&real.url(), wrong);
        let error = refused.listing().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BackendRefused, "{wrong}");
        assert_eq!(refused.probe().await.unwrap_err().kind(), ErrorKind::BackendRefused);
        let error = refused.extension(&id("aws-provider")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BackendRefused, "{wrong}");
        assert!(!error.report().contains("canary"));
    }
    let nobody = backend(&real.url());
    assert_eq!(nobody.probe().await.unwrap_err().kind(), ErrorKind::BackendRefused);
}

#[tokio::test]
async fn a_registry_with_tokens_is_asked_with_them() {
    // The first token ended long ago.
    let tokens = TokenServer::start(1).await;
    let (realm, certificate) = (tokens.realm(), tokens.signer.certificate_pem.clone());
    let access = Access::Tokens { realm: &realm, certificate: &certificate };
    let Some(real) = DockerRegistry::start(access).await else { return };
    let store = small_store();
    let scopes: Vec<String> = store
        .repositories
        .keys()
        .map(|repository| format!("repository:{repository}:pull,push"))
        .collect();
    let pusher = format!("Bearer {}", tokens.signer.token(&scopes, 300));
    Pusher::new(&real.url(), Some(&pusher)).store(&store).await;
    // The token server has a port of its own, which only an operator can know to be right.
    let backend_as = |credentials: &str| {
        backend_with(&real.url(), |settings| {
            settings.credentials = credentials_of(&real.url(), credentials);
            settings.token_hosts = vec![host_of("127.0.0.1").unwrap()];
        })
    };
    let backend = backend_as(USER);
    let stale = backend.listing().await.unwrap_err();
    assert_eq!(stale.kind(), ErrorKind::BackendRefused, "one token for one request");
    assert_eq!(backend.listing().await.unwrap().ids.len(), 2, "the next one is another");
    assert_eq!(tokens.server.take().len(), 2, "the one that ended and its successor");
    let extension = backend.releases(&id("aws-provider")).await.unwrap();
    assert_eq!(versions(&extension), ["1.1.0", "1.0.0"]);
    assert_eq!(download(&backend, "aws-provider", "1.0.0").await, "archive of aws 1.0.0");
    let asked = tokens.server.take();
    assert_eq!(asked.len(), 1, "one token serves a repository: {asked:?}");
    assert!(asked[0].contains("repository%3Aprovisioning%2Faws-provider%3Apull"), "{asked:?}");
    let wrong = backend_as(&format!("reader:{}", secret_for(HOST, "wrong")));
    let error = wrong.listing().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BackendRefused);
    wrong.renew_credentials(credentials_of(&real.url(), USER));
    assert_eq!(wrong.listing().await.unwrap().ids.len(), 2, "the new credentials are used");
}

#[tokio::test]
async fn fifty_callers_with_a_stale_token_fetch_one_new_one() {
    let tokens = TokenServer::start(0).await;
    let (realm, certificate) = (tokens.realm(), tokens.signer.certificate_pem.clone());
    let access = Access::Tokens { realm: &realm, certificate: &certificate };
    let Some(real) = DockerRegistry::start(access).await else { return };
    let credentials = credentials_of(&real.url(), USER);
    let named = vec![host_of("127.0.0.1").unwrap()];
    let client = Arc::new(super::client_trusting(&real.url(), credentials, named));
    let asks = (0..50)
        .map(|_| async { client.lister().catalog(|_| true).await.map(|found| found.names.len()) });
    let answers = futures_util::future::join_all(asks).await;
    assert!(answers.into_iter().all(|answer| answer.is_ok_and(|count| count == 0)));
    assert_eq!(tokens.server.take().len(), 1);
    assert!(client.ping().await.is_ok());
}

#[tokio::test]
async fn what_skopeo_copied_and_oras_pushed_downloads_byte_equal() {
    if !is_installed("/usr/bin/skopeo") {
        return;
    }
    let Some(real) = DockerRegistry::start(Access::Open).await else { return };
    let pusher = Pusher::new(&real.url(), None);
    let archive = (0..300_000_u32).map(|number| (number % 251) as u8).collect::<Bytes>();
    let mut store = Store::default();
    store.push("provisioning/oras-provider", "1.0.0", &archive);
    store.blob("provisioning/oras-provider", b"{}");
    pusher.store(&store).await;
    // Into a layout and back under another name, as between two registries without a network.
    let layout = format!("oci:{}/layout:1.0.0", real.directory().display());
    let docker = |name: &str| format!("docker://{}/provisioning/{name}:1.0.0", real.authority());
    for (from, to) in
        [(docker("oras-provider"), layout.clone()), (layout, docker("skopeo-provider"))]
    {
        let copied = Command::new("/usr/bin/skopeo")
            .args(["copy", "--src-tls-verify=false", "--dest-tls-verify=false"])
            .args(["--insecure-policy", &from, &to])
            .stdin(Stdio::null())
            .output()
            .await
            .unwrap();
        assert!(copied.status.success(), "{}", String::from_utf8_lossy(&copied.stderr));
    }
    let backend = backend(&real.url());
    for name in ["oras-provider", "skopeo-provider"] {
        assert_eq!(download(&backend, name, "1.0.0").await, archive, "{name}");
    }
}

#[tokio::test]
async fn deleted_tags_and_lost_blobs_break_nothing_else() {
    let Some(real) = DockerRegistry::start(Access::Open).await else { return };
    let store = small_store();
    let pusher = Pusher::new(&real.url(), None);
    pusher.store(&store).await;
    let (_, digest) = &store.repositories["provisioning/k8s-taskserv"].tags[0];
    let target = format!("/v2/provisioning/k8s-taskserv/manifests/{digest}");
    let (status, ..) = pusher.send(Method::DELETE, &target, &[], Bytes::new()).await;
    assert_eq!(status.as_u16(), 202);
    let backend = backend(&real.url());
    let gone = backend.extension(&id("k8s-taskserv")).await.unwrap();
    assert_eq!(versions(&gone), [""; 0], "no tag is left, and that is no failure");
    let release = backend.version(&id("aws-provider"), &"1.0.0".parse().unwrap()).await.unwrap();
    let artifact = release.artifact.chosen().unwrap();
    let hex = Digest::sha256(b"archive of aws 1.0.0").hex().to_owned();
    let blob = real.directory().join("storage/docker/registry/v2/blobs/sha256");
    std::fs::remove_file(blob.join(&hex[..2]).join(&hex).join("data")).unwrap();
    let error = backend.open(&id("aws-provider"), artifact, None).await.unwrap_err();
    assert!(error.is_not_found(), "{}", error.report());
    assert_eq!(download(&backend, "aws-provider", "1.1.0").await, "archive of aws 1.1.0");
}
