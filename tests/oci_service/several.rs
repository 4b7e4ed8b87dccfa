//! One extension in several backends: its owner's releases, or the union of all.

use registry_testing::fake_gitea::FakeGitea;
use registry_testing::fake_gitea::state::{ORGANIZATION, State};
use registry_testing::registry_store::Store;
use registry_testing::scripted_registry::ScriptedRegistry;

use super::{Program, code, digest_of, registry};

const REPOSITORY: &str = "provisioning/aws-provider";

/// A Gitea and a registry that both have `aws`, of other versions but one.
async fn both() -> (FakeGitea, ScriptedRegistry, Store) {
    let mut state = State::empty();
    state.create_released("aws_prov", "1.0.0", b"gitea 1.0.0");
    state.publish("aws_prov", "2.0.0", &[("aws_prov.tar.gz", b"gitea 2.0.0")]);
    let gitea = FakeGitea::start(state).await;
    let mut store = Store::default();
    store.blob(REPOSITORY, b"{}");
    store.push(REPOSITORY, "1.0.0", b"registry 1.0.0");
    store.push(REPOSITORY, "3.0.0", b"registry 3.0.0");
    (gitea, registry(store.clone()).await, store)
}

fn config(gitea: &FakeGitea, registry: &ScriptedRegistry, catalog: &str) -> String {
    format!(
        "[catalog]\n{catalog}\n[gitea]\nurl = \"{}\"\norganization = \"{ORGANIZATION}\"\n\
         [oci]\nregistry = \"{}\"\nnamespace = \"provisioning\"\n",
        gitea.url(),
        registry.url()
    )
}

async fn missing(program: &Program, path: &str, expected: &str) {
    let got = program.get(path).await;
    assert_eq!((got.status.as_u16(), &*code(&got)), (404, expected), "{path}: {}", got.text());
    let head = program.head(path).await;
    assert_eq!((head.status.as_u16(), head.body.len()), (404, 0), "{path}");
}

#[tokio::test]
async fn content_of_a_shadowed_backend_is_not_to_be_had_under_the_name() {
    let (gitea, registry, store) = both().await;
    let program = Program::start(&config(&gitea, &registry, "")).await;
    assert_eq!(program.tags(REPOSITORY).await, ["1.0.0", "2.0.0"]);
    assert_eq!(program.pull(REPOSITORY, "1.0.0").await, b"gitea 1.0.0");
    assert_eq!(program.pull(REPOSITORY, "2.0.0").await, b"gitea 2.0.0");
    missing(&program, &format!("/v2/{REPOSITORY}/manifests/3.0.0"), "MANIFEST_UNKNOWN").await;
    for digest in store.repositories[REPOSITORY].manifests.keys() {
        missing(&program, &format!("/v2/{REPOSITORY}/manifests/{digest}"), "MANIFEST_UNKNOWN")
            .await;
    }
    for bytes in [b"registry 1.0.0", b"registry 3.0.0"] {
        let path = format!("/v2/{REPOSITORY}/blobs/{}", digest_of(bytes));
        missing(&program, &path, "BLOB_UNKNOWN").await;
    }
}

#[tokio::test]
async fn in_a_union_each_version_is_passed_through_or_made_by_where_it_lives() {
    let (gitea, registry, store) = both().await;
    let program = Program::start(&config(&gitea, &registry, "merge = \"union\"")).await;
    assert_eq!(program.tags(REPOSITORY).await, ["1.0.0", "2.0.0", "3.0.0"]);
    let held = &store.repositories[REPOSITORY];
    let stored = held.digest_of("3.0.0").unwrap();
    assert_eq!(program.digest(REPOSITORY, "3.0.0").await, stored);
    assert_eq!(program.digest(REPOSITORY, "latest").await, stored);
    for (tag, bytes) in
        [("1.0.0", "gitea 1.0.0"), ("2.0.0", "gitea 2.0.0"), ("3.0.0", "registry 3.0.0")]
    {
        assert_eq!(program.pull(REPOSITORY, tag).await, bytes.as_bytes(), "{tag}");
        // Its digest leads to the same manifest.
        let digest = program.digest(REPOSITORY, tag).await;
        let by_digest = program.get(&format!("/v2/{REPOSITORY}/manifests/{digest}")).await;
        assert_eq!(digest_of(&by_digest.body), digest);
    }
    // The first backend has 1.0.0, so the registry's is in no list and nowhere else.
    let hidden = held.digest_of("1.0.0").unwrap();
    missing(&program, &format!("/v2/{REPOSITORY}/manifests/{hidden}"), "MANIFEST_UNKNOWN").await;
    missing(
        &program,
        &format!("/v2/{REPOSITORY}/blobs/{}", digest_of(b"registry 1.0.0")),
        "BLOB_UNKNOWN",
    )
    .await;
}
