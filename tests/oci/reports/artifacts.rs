//! Which layer is the archive, and what it is called: reports O5, O6, O17.

use registry_testing::registry_store::{OCI_INDEX, Store};
use serde_json::{Value, json};

use super::{
    NAME, TAR, TAR_GZIP, both, chosen, chosen_of, directory, layer, manifest, reasons, twice,
    untitled,
};

#[tokio::test]
async fn o05_a_title_with_an_archives_ending_beats_one_without() {
    for beside in ["SHA256SUMS", "LICENSE", "README", "NOTICE", "checksums", "data"] {
        let found =
            chosen_of(|store| vec![layer(store, TAR, beside), layer(store, TAR, "hello.tar.gz")]);
        assert_eq!(found.await, twice("hello.tar.gz"), "{beside}");
    }
}

#[tokio::test]
async fn o05b_what_no_archive_can_be_is_none_even_alone() {
    for title in ["SHA256SUMS", "LICENSE", "readme", "SHA512SUMS", "MD5SUMS", "COPYING"] {
        let found = chosen_of(|store| vec![layer(store, TAR, title)]).await;
        assert_eq!(found, [None, None], "{title}");
    }
    let found = chosen_of(|store| vec![layer(store, TAR, "LICENSE"), layer(store, TAR, "aws")]);
    assert_eq!(found.await, twice("aws.tar"), "what may be one beats what is none");
}

#[tokio::test]
async fn o05c_words_in_a_media_type_are_whole_words() {
    for media_type in [
        "application/vnd.starlark",
        "application/vnd.target+json",
        "application/vnd.unzipped",
        "text/x-zipcode",
        "application/spdx+json",
    ] {
        let found = chosen_of(|store| {
            vec![untitled(store, media_type), layer(store, "application/gzip", "a.tar.gz")]
        });
        assert_eq!(found.await, twice("a.tar.gz"), "{media_type}");
    }
}

#[tokio::test]
async fn o05d_of_several_archives_the_one_named_after_the_version_is_chosen() {
    for named in ["aws-provider-1.2.0.zip", "aws-v1.2.0.tar.gz", "AWS-1.2.0.tgz"] {
        let found =
            chosen_of(|store| vec![layer(store, TAR, "other.tar.gz"), layer(store, TAR, named)]);
        assert_eq!(found.await, twice(named));
    }
    let mut store = Store::default();
    let layers = ["other.zip", "aws-1.2.0_build.3.zip"].map(|title| layer(&mut store, TAR, title));
    store.push_manifest(NAME, "1.2.0_build.3", &manifest(&layers));
    assert_eq!(chosen(&store).await, twice("aws-1.2.0_build.3.zip"));
}

#[tokio::test]
async fn o05e_equal_digests_are_one_candidate() {
    let found = chosen_of(|store| {
        let one = layer(store, TAR, "one.tar.gz");
        let mut other = one.clone();
        other["annotations"]["org.opencontainers.image.title"] = "two.tar.gz".into();
        vec![one, other]
    });
    assert_eq!(found.await, twice("one.tar.gz"));
}

#[tokio::test]
async fn o06_a_directory_that_oras_packed_is_an_archive() {
    for (title, name) in [
        ("aws-1.2.0", "aws-1.2.0.tar.gz"),
        (".", "aws-1.2.0.tar.gz"),
        ("./", "aws-1.2.0.tar.gz"),
        ("dist/aws-1.2.0/", "aws-1.2.0.tar.gz"),
        ("..", "aws-1.2.0.tar.gz"),
        ("my.dir", "my.dir.tar.gz"),
        ("README", "README.tar.gz"),
    ] {
        let found = chosen_of(|store| vec![directory(store, title)]).await;
        assert_eq!(found, twice(name), "{title}");
        let untold = chosen_of(|store| vec![layer(store, TAR_GZIP, title)]).await;
        assert_eq!(untold == twice(name), title != "README", "{title}: {untold:?}");
    }
}

#[tokio::test]
async fn o06b_the_name_offered_has_the_ending_of_its_format() {
    for (media_type, title, name) in [
        ("application/zip", "aws-1.2.0", "aws-1.2.0.zip"),
        ("archive/zip", "", "aws-1.2.0.zip"),
        ("application/vnd.oci.image.layer.v1.tar+zstd", "aws", "aws.tar.zst"),
        ("application/vnd.devcontainers.layer.v1+tar", "", "aws-1.2.0.tar"),
        ("application/vnd.docker.image.rootfs.diff.tar.gzip", "", "aws-1.2.0.tar.gz"),
        ("application/gzip", "aws-1.2.0", "aws-1.2.0.tar.gz"),
        ("application/x-tar", "aws-1.2.0-rc.1", "aws-1.2.0-rc.1.tar"),
        (TAR, "aws-1.2.0.TGZ", "aws-1.2.0.TGZ"),
    ] {
        let found = chosen_of(|store| match title {
            "" => vec![untitled(store, media_type)],
            title => vec![layer(store, media_type, title)],
        });
        assert_eq!(found.await, twice(name), "{media_type} {title}");
    }
}

#[tokio::test]
async fn o06c_a_directory_named_after_the_version_beats_other_archives() {
    let found =
        chosen_of(|store| vec![layer(store, TAR, "hello.tar.gz"), directory(store, "aws-1.2.0")]);
    assert_eq!(found.await, twice("aws-1.2.0.tar.gz"));
    let found =
        chosen_of(|store| vec![layer(store, TAR, "hello.tar.gz"), directory(store, "docs")]);
    assert_eq!(found.await, twice("hello.tar.gz"));
}

fn index(store: &mut Store, children: &[Value]) -> Value {
    let entries: Vec<Value> = children
        .iter()
        .map(|child| {
            let digest = store.push_manifest(NAME, "", child);
            let media_type = child["mediaType"].clone();
            json!({"mediaType": media_type, "digest": digest, "size": child.to_string().len()})
        })
        .collect();
    json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries})
}

#[tokio::test]
async fn o17_an_index_is_looked_through_for_a_manifest_with_an_archive() {
    let readme = |store: &mut Store| manifest(&[layer(store, "text/markdown", "README.md")]);
    let signature = |store: &mut Store| {
        manifest(&[layer(store, "application/vnd.dev.cosign.simplesigning.v1+json", "sig")])
    };
    let empty = |_: &mut Store| manifest(&[]);
    let nested = |store: &mut Store| {
        let inner = readme(store);
        index(store, &[inner])
    };
    let firsts: [&dyn Fn(&mut Store) -> Value; 4] = [&readme, &signature, &empty, &nested];
    for (number, first) in firsts.iter().enumerate() {
        let mut store = Store::default();
        let (first, good) = (first(&mut store), layer(&mut store, TAR, "aws.tar.gz"));
        let outer = index(&mut store, &[first, manifest(&[good])]);
        store.push_manifest(NAME, "1.2.0", &outer);
        assert_eq!(chosen(&store).await, twice("aws.tar.gz"), "{number}");
    }
}

#[tokio::test]
async fn o17b_an_index_without_any_archive_says_so() {
    let mut store = Store::default();
    let children: Vec<Value> = (0..3)
        .map(|number| manifest(&[layer(&mut store, "text/plain", &format!("{number}.txt"))]))
        .collect();
    let outer = index(&mut store, &children);
    store.push_manifest(NAME, "1.2.0", &outer);
    for extension in both(&store).await {
        assert!(extension.releases().is_empty());
        let faults = reasons(&extension);
        assert!(faults.contains("tag 1.2.0") && faults.contains("archive"), "{faults}");
    }
}

#[tokio::test]
async fn o07e_the_only_layer_without_a_word_is_known_by_its_first_bytes() {
    let tar = [vec![b'a'; 257], b"ustar\0".to_vec(), vec![0; 1024]].concat();
    for (bytes, name) in [
        (&b"\x1f\x8b\x08 and more"[..], Some("aws-1.2.0.tar.gz")),
        (b"PK\x03\x04", Some("aws-1.2.0.zip")),
        (&tar, Some("aws-1.2.0.tar")),
        (b"\x7fELF", None),
        (b"x", None),
        (b"", None),
    ] {
        let mut store = Store::default();
        let digest = store.blob(NAME, bytes);
        let opaque = json!({
            "mediaType": "application/vnd.example.thing", "digest": digest, "size": bytes.len(),
        });
        let mut manifest = manifest(&[opaque]);
        manifest["artifactType"] = "application/vnd.example.thing".into();
        store.push_manifest(NAME, "1.2.0", &manifest);
        let name = name.map(str::to_owned);
        assert_eq!(chosen(&store).await, [name.clone(), name]);
    }
}
