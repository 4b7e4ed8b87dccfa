//! Manifests beside an archive in Gitea: one that is true is served as it is, every other is not.

use registry_core::models::digest::Digest;
use registry_core::models::oci_manifest::{OciLayer, OciManifest, VERSION, layer_type};
use registry_testing::fake_gitea::state::{ORGANIZATION, State};
use registry_testing::fake_gitea::{FakeGitea, Fault};

use super::{Program, digest_of};

const REPOSITORY: &str = "extensions/aws-provider";
const ARCHIVE: &[u8] = b"the archive of aws";
const FILE: &str = "aws_prov.tar.gz";

fn manifest(layers: &[&[u8]], note: &str) -> Vec<u8> {
    let layers = layers.iter().map(|bytes| OciLayer {
        media_type: layer_type(FILE).unwrap().to_owned(),
        digest: Digest::sha256(bytes),
        size: bytes.len() as u64,
        title: "aws-1.0.0.tar.gz".to_owned(),
    });
    let annotations = [(VERSION, "1.0.0"), ("org.opencontainers.image.description", note)];
    let annotations = annotations.map(|(key, value)| (key.to_owned(), value.to_owned()));
    OciManifest { layers: layers.collect(), annotations: annotations.into() }.to_bytes()
}

/// A Gitea with one release that has this manifest beside its archive.
async fn gitea(manifest: &[u8]) -> FakeGitea {
    let mut state = State::empty();
    state.create("aws_prov", "described in Gitea");
    let name = format!("{FILE}.manifest.json");
    state.publish("aws_prov", "1.0.0", &[(FILE, ARCHIVE), (&name, manifest)]);
    FakeGitea::start(state).await
}

async fn program(gitea: &FakeGitea) -> Program {
    let url = gitea.url();
    let config =
        format!("[gitea]\nurl = \"{url}\"\norganization = \"{ORGANIZATION}\"\nretries = 0\n");
    Program::start(&config).await
}

#[tokio::test]
async fn a_true_manifest_is_served_byte_for_byte() {
    let stored = manifest(&[ARCHIVE], "described by its author");
    let gitea = gitea(&stored).await;
    let program = program(&gitea).await;
    assert_eq!(program.digest(REPOSITORY, "1.0.0").await, digest_of(&stored));
    assert_eq!(program.pull(REPOSITORY, "1.0.0").await, ARCHIVE);
}

#[tokio::test]
async fn a_manifest_that_lies_is_never_served_and_is_told() {
    let honest = manifest(&[ARCHIVE], "honest");
    let text = String::from_utf8(honest.clone()).unwrap();
    let length = format!("\"size\":{}", ARCHIVE.len());
    let other_size = text.replace(&length, "\"size\":7");
    assert_ne!(other_size, text);
    let lies: Vec<(&str, Vec<u8>)> = vec![
        ("a page", b"<html><body>Sign in</body></html>".to_vec()),
        ("nothing", Vec::new()),
        ("cut short", honest[..honest.len() / 2].to_vec()),
        ("not UTF-8", [&honest[..20], &[0xff, 0xfe], &honest[20..]].concat()),
        ("another size", other_size.into_bytes()),
        ("two archives", manifest(&[ARCHIVE, b"other"], "two")),
        ("no layer", manifest(&[], "none")),
        ("an index", text.replace("image.manifest", "image.index").into_bytes()),
        (
            "another type",
            text.replace("provisioning.extension.v1", "cncf.helm.config").into_bytes(),
        ),
        ("no archive", text.replace("layer.v1.tar+gzip", "layer.v1.text").into_bytes()),
        ("larger than 64 KiB", manifest(&[ARCHIVE], &"x".repeat(65 << 10))),
    ];
    for (what, lie) in lies {
        let gitea = gitea(&lie).await;
        let program = program(&gitea).await;
        let digest = program.digest(REPOSITORY, "1.0.0").await;
        assert_ne!(digest, digest_of(&lie), "{what}");
        assert_eq!(program.pull(REPOSITORY, "1.0.0").await, ARCHIVE, "{what}");
        let health = program.get("/api/v1/health").await.text();
        assert!(health.contains("manifest.json"), "{what}: {health}");
        // It stays the same one.
        assert_eq!(program.digest(REPOSITORY, "1.0.0").await, digest, "{what}");
    }
}

/// The lie has the size of the archive and another digest: only the archive can tell.
#[tokio::test]
async fn a_manifest_with_another_digest_never_brings_other_bytes() {
    let other = vec![b'x'; ARCHIVE.len()];
    let gitea = gitea(&manifest(&[&other], "another digest")).await;
    let program = program(&gitea).await;
    let path = format!("/v2/{REPOSITORY}/blobs/{}", digest_of(&other));
    let got = program.get(&path).await;
    assert!(got.status.is_client_error() || got.status.is_server_error(), "{}", got.status);
    assert_ne!(got.body, ARCHIVE);
}

#[tokio::test]
async fn a_manifest_that_cannot_be_read_now_is_waited_for() {
    let stored = manifest(&[ARCHIVE], "described by its author");
    let gitea = gitea(&stored).await;
    let uuid = gitea.edit(|state| {
        let release = &state.repository_mut("aws_prov").releases[0];
        release["assets"][1]["uuid"].as_str().unwrap().to_owned()
    });
    gitea.fault(&uuid, Fault::Answer(500, Vec::new(), b"broken".to_vec()));
    let program = program(&gitea).await;
    let path = format!("/v2/{REPOSITORY}/manifests/1.0.0");
    for _ in 0..2 {
        let got = program.get(&path).await;
        assert!(matches!(got.status.as_u16(), 502 | 503), "{}: {}", got.status, got.text());
    }
    gitea.heal();
    while program.head(&path).await.status != 200 {
        tokio::task::yield_now().await;
    }
    assert_eq!(program.digest(REPOSITORY, "1.0.0").await, digest_of(&stored));
}
