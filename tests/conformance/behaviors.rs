//! The behaviors themselves, each a function over any [`Stage`].

use std::sync::Arc;

use registry_core::error::ErrorKind;
use registry_core::models::artifact::Artifact;
use registry_core::models::digest::Digest;
use registry_core::models::extension::{Extension, Release};
use registry_core::models::naming::ExtensionId;
use registry_core::models::readme::Readme;
use registry_core::models::tag::Tag;

use super::Stage;

/// Every behavior once more by name; `conforms!` makes a test of each for a backend.
macro_rules! conforms {
    ($backend:ident, $stage:expr) => {
        $crate::conformance::behaviors::each_behavior!($backend, $stage;
            an_empty_backend_lists_nothing
            a_listing_is_complete
            a_listing_names_each_extension_once
            a_listing_leaves_out_what_is_no_extension
            a_listing_names_empty_repositories_or_leaves_them_out
            a_removed_extension_leaves_the_listing
            all_three_types_are_found
            names_that_hold_other_suffixes_are_found
            an_unknown_extension_is_not_found
            the_type_is_part_of_the_name
            names_are_found_without_regard_to_case
            an_extension_has_all_its_releases
            releases_come_newest_first
            prereleases_are_releases_but_not_the_latest
            unversioned_tags_come_last
            tags_keep_their_spelling
            housekeeping_tags_are_hidden
            an_empty_repository_is_an_extension_without_releases
            a_removed_extension_is_not_found
            a_new_release_is_seen
            a_replaced_release_is_seen
            the_latest_release_is_described
            the_latest_release_is_read_in_full
            a_version_is_read_by_its_tag
            an_unknown_tag_is_not_found
            a_version_of_an_unknown_extension_is_not_found
            an_artifact_is_opened_whole
            an_artifact_of_many_pieces_is_opened_whole
            a_part_of_an_artifact_is_opened
            the_last_byte_of_an_artifact_is_opened
            a_part_outside_an_artifact_is_refused
            an_empty_part_of_an_artifact_is_refused
            the_artifact_of_a_removed_extension_is_gone
            a_digest_is_that_of_the_bytes
            a_readme_is_that_of_its_version
            a_replaced_readme_has_another_identity
            a_release_without_a_readme_says_so
            a_probe_succeeds
            releases_name_their_backend
        );
    };
}

macro_rules! each_behavior {
    ($backend:ident, $stage:expr; $($behavior:ident)+) => {
        mod $backend {
            pub const COUNT: usize = [$(stringify!($behavior)),+].len();
            $(
                #[tokio::test]
                async fn $behavior() {
                    let stage = $stage;
                    $crate::conformance::behaviors::$behavior(&stage).await;
                }
            )+

            #[test]
            fn no_behavior_is_left_out() {
                assert!(COUNT >= 25, "{COUNT} behaviors");
                let source = include_str!("behaviors.rs");
                let written = source.matches("\npub async fn ").count();
                assert_eq!(COUNT, written, "behaviors listed, and written");
            }
        }
    };
}

pub(crate) use {conforms, each_behavior};

fn id(text: &str) -> ExtensionId {
    let (extension_type, name) = text.split_once('/').unwrap();
    ExtensionId { name: name.parse().unwrap(), extension_type: extension_type.parse().unwrap() }
}

fn tag(text: &str) -> Tag {
    text.parse().unwrap()
}

fn aws() -> ExtensionId {
    id("provider/aws")
}

async fn publish(stage: &impl Stage, tags: &[&str]) {
    for tag in tags {
        stage.publish(&aws(), tag, "described", format!("bytes of {tag}").as_bytes()).await;
    }
}

async fn listed(stage: &impl Stage) -> Vec<String> {
    let listing = stage.backend().listing().await.unwrap();
    let mut ids: Vec<String> = listing.ids.iter().map(ToString::to_string).collect();
    ids.sort();
    ids
}

async fn extension(stage: &impl Stage) -> Extension {
    stage.backend().extension(&aws()).await.unwrap()
}

fn versions(extension: &Extension) -> Vec<&str> {
    extension.releases().iter().map(|release| release.version.as_str()).collect()
}

async fn release(stage: &impl Stage, of: &str) -> Release {
    stage.backend().version(&aws(), &tag(of)).await.unwrap()
}

async fn published(stage: &impl Stage, archive: &[u8]) -> Arc<Artifact> {
    stage.publish(&aws(), "1.0.0", "described", archive).await;
    release(stage, "1.0.0").await.artifact.chosen().unwrap().clone()
}

async fn opened(
    stage: &impl Stage,
    artifact: &Artifact,
    range: Option<std::ops::Range<u64>>,
) -> Vec<u8> {
    let download = stage.backend().open(&aws(), artifact, range).await.unwrap();
    let length = download.length;
    let bytes = download.collect().await.unwrap();
    assert_eq!(bytes.len() as u64, length, "announced and sent");
    bytes.to_vec()
}

pub async fn an_empty_backend_lists_nothing(stage: &impl Stage) {
    assert_eq!(listed(stage).await, [""; 0]);
}

pub async fn a_listing_is_complete(stage: &impl Stage) {
    publish(stage, &["1.0.0"]).await;
    assert!(stage.backend().listing().await.unwrap().coverage.is_complete());
}

pub async fn a_listing_names_each_extension_once(stage: &impl Stage) {
    publish(stage, &["1.0.0", "1.1.0", "2.0.0"]).await;
    stage.publish(&id("taskserv/redis"), "1.0.0", "d", b"x").await;
    assert_eq!(listed(stage).await, ["provider/aws", "taskserv/redis"]);
}

pub async fn a_listing_leaves_out_what_is_no_extension(stage: &impl Stage) {
    publish(stage, &["1.0.0"]).await;
    stage.create_foreign().await;
    assert_eq!(listed(stage).await, ["provider/aws"]);
}

pub async fn a_listing_names_empty_repositories_or_leaves_them_out(stage: &impl Stage) {
    stage.create(&id("cluster/void")).await;
    publish(stage, &["1.0.0"]).await;
    let found = listed(stage).await;
    let expected = [vec!["cluster/void", "provider/aws"], vec!["provider/aws"]];
    assert!(expected.iter().any(|ids| *ids == found), "{found:?}");
}

pub async fn a_removed_extension_leaves_the_listing(stage: &impl Stage) {
    publish(stage, &["1.0.0"]).await;
    stage.publish(&id("taskserv/redis"), "1.0.0", "d", b"x").await;
    stage.remove(&aws()).await;
    assert_eq!(listed(stage).await, ["taskserv/redis"]);
}

pub async fn all_three_types_are_found(stage: &impl Stage) {
    for name in ["provider/a", "taskserv/b", "cluster/c"] {
        stage.publish(&id(name), "1.0.0", "d", b"x").await;
    }
    assert_eq!(listed(stage).await, ["cluster/c", "provider/a", "taskserv/b"]);
}

pub async fn names_that_hold_other_suffixes_are_found(stage: &impl Stage) {
    let odd = id("taskserv/my_prov");
    stage.publish(&odd, "1.0.0", "d", b"x").await;
    assert_eq!(listed(stage).await, ["taskserv/my_prov"]);
    assert_eq!(stage.backend().extension(&odd).await.unwrap().id(), &odd);
}

pub async fn an_unknown_extension_is_not_found(stage: &impl Stage) {
    let error = stage.backend().extension(&aws()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

pub async fn the_type_is_part_of_the_name(stage: &impl Stage) {
    publish(stage, &["1.0.0"]).await;
    let error = stage.backend().extension(&id("cluster/aws")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

pub async fn names_are_found_without_regard_to_case(stage: &impl Stage) {
    publish(stage, &["1.0.0"]).await;
    let found = stage.backend().extension(&id("provider/AWS")).await.unwrap();
    assert_eq!(found.id().name.as_str(), "aws", "spelled as the backend does");
}

pub async fn an_extension_has_all_its_releases(stage: &impl Stage) {
    publish(stage, &["1.0.0", "1.1.0", "1.2.0"]).await;
    assert_eq!(extension(stage).await.releases().len(), 3);
}

pub async fn releases_come_newest_first(stage: &impl Stage) {
    publish(stage, &["1.9.0", "1.10.0", "1.2.0"]).await;
    assert_eq!(versions(&extension(stage).await), ["1.10.0", "1.9.0", "1.2.0"]);
}

pub async fn prereleases_are_releases_but_not_the_latest(stage: &impl Stage) {
    publish(stage, &["1.0.0", "2.0.0-rc.1"]).await;
    let extension = extension(stage).await;
    assert_eq!(versions(&extension), ["2.0.0-rc.1", "1.0.0"]);
    assert_eq!(extension.latest().unwrap().tag, tag("1.0.0"));
}

pub async fn unversioned_tags_come_last(stage: &impl Stage) {
    publish(stage, &["nightly", "0.1.0"]).await;
    assert_eq!(versions(&extension(stage).await), ["0.1.0", "nightly"]);
}

pub async fn tags_keep_their_spelling(stage: &impl Stage) {
    publish(stage, &["v1.2.0"]).await;
    let extension = extension(stage).await;
    let latest = extension.latest().unwrap();
    assert_eq!((latest.tag.as_str(), latest.version.as_str()), ("v1.2.0", "1.2.0"));
}

pub async fn housekeeping_tags_are_hidden(stage: &impl Stage) {
    publish(stage, &["1.0.0", "latest", "1.0.0.sig"]).await;
    assert_eq!(versions(&extension(stage).await), ["1.0.0"]);
}

pub async fn an_empty_repository_is_an_extension_without_releases(stage: &impl Stage) {
    stage.create(&aws()).await;
    match stage.backend().extension(&aws()).await {
        Ok(extension) => assert_eq!(extension.releases().len(), 0),
        // A registry forgets a repository with its last tag.
        Err(error) => assert_eq!(error.kind(), ErrorKind::NotFound),
    }
}

pub async fn a_removed_extension_is_not_found(stage: &impl Stage) {
    publish(stage, &["1.0.0"]).await;
    assert_eq!(versions(&extension(stage).await), ["1.0.0"]);
    stage.remove(&aws()).await;
    let error = stage.backend().extension(&aws()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

pub async fn a_new_release_is_seen(stage: &impl Stage) {
    publish(stage, &["1.0.0"]).await;
    assert_eq!(versions(&extension(stage).await), ["1.0.0"]);
    publish(stage, &["1.1.0"]).await;
    assert_eq!(versions(&extension(stage).await), ["1.1.0", "1.0.0"]);
}

pub async fn a_replaced_release_is_seen(stage: &impl Stage) {
    let first = published(stage, b"first").await;
    let second = published(stage, b"second one").await;
    assert_ne!(first.key, second.key, "other bytes have another identity");
    assert_eq!(opened(stage, &second, None).await, b"second one");
}

pub async fn the_latest_release_is_described(stage: &impl Stage) {
    publish(stage, &["1.0.0", "1.1.0"]).await;
    let extension = extension(stage).await;
    let about = &extension.latest().unwrap().about;
    assert_eq!(about.description.as_deref(), Some("described"));
}

pub async fn the_latest_release_is_read_in_full(stage: &impl Stage) {
    publish(stage, &["1.0.0"]).await;
    let extension = extension(stage).await;
    let artifact = extension.latest().unwrap().artifact.chosen().unwrap();
    assert_eq!(artifact.size, "bytes of 1.0.0".len() as u64);
    assert!(!artifact.file_name.is_empty());
}

pub async fn a_version_is_read_by_its_tag(stage: &impl Stage) {
    publish(stage, &["1.0.0", "v1.1.0"]).await;
    let release = release(stage, "v1.1.0").await;
    assert_eq!(release.version.as_str(), "1.1.0");
    let artifact = release.artifact.chosen().unwrap();
    assert_eq!(opened(stage, artifact, None).await, b"bytes of v1.1.0");
}

pub async fn an_unknown_tag_is_not_found(stage: &impl Stage) {
    publish(stage, &["1.0.0"]).await;
    let error = stage.backend().version(&aws(), &tag("9.9.9")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

pub async fn a_version_of_an_unknown_extension_is_not_found(stage: &impl Stage) {
    let error = stage.backend().version(&aws(), &tag("1.0.0")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

pub async fn an_artifact_is_opened_whole(stage: &impl Stage) {
    let artifact = published(stage, b"0123456789").await;
    assert_eq!(artifact.size, 10);
    assert_eq!(opened(stage, &artifact, None).await, b"0123456789");
}

pub async fn an_artifact_of_many_pieces_is_opened_whole(stage: &impl Stage) {
    let archive: Vec<u8> = (0..300_000_u32).map(|i| (i % 251) as u8).collect();
    let artifact = published(stage, &archive).await;
    assert!(opened(stage, &artifact, None).await == archive);
    assert!(opened(stage, &artifact, Some(99_999..200_001)).await == archive[99_999..200_001]);
}

pub async fn a_part_of_an_artifact_is_opened(stage: &impl Stage) {
    let artifact = published(stage, b"0123456789").await;
    assert_eq!(opened(stage, &artifact, Some(2..5)).await, b"234");
}

pub async fn the_last_byte_of_an_artifact_is_opened(stage: &impl Stage) {
    let artifact = published(stage, b"0123456789").await;
    assert_eq!(opened(stage, &artifact, Some(9..10)).await, b"9");
}

pub async fn a_part_outside_an_artifact_is_refused(stage: &impl Stage) {
    let artifact = published(stage, b"0123456789").await;
    for range in [10..11, 5..11, 100..200] {
        let error = stage.backend().open(&aws(), &artifact, Some(range)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::RangeNotSatisfiable { size: 10 });
    }
}

pub async fn an_empty_part_of_an_artifact_is_refused(stage: &impl Stage) {
    let artifact = published(stage, b"0123456789").await;
    let error = stage.backend().open(&aws(), &artifact, Some(3..3)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::RangeNotSatisfiable { size: 10 });
}

pub async fn the_artifact_of_a_removed_extension_is_gone(stage: &impl Stage) {
    let artifact = published(stage, b"0123456789").await;
    stage.remove(&aws()).await;
    let error = stage.backend().open(&aws(), &artifact, None).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

pub async fn a_digest_is_that_of_the_bytes(stage: &impl Stage) {
    let artifact = published(stage, b"0123456789").await;
    if let Some(digest) = &artifact.digest {
        assert_eq!(*digest, Digest::sha256(b"0123456789"));
    }
}

async fn readme(stage: &impl Stage, of: &str) -> Readme {
    let release = release(stage, of).await;
    stage.backend().readme(&aws(), &release).await.unwrap()
}

pub async fn a_readme_is_that_of_its_version(stage: &impl Stage) {
    stage.publish_readme(&aws(), "1.0.0", "# First\n").await;
    stage.publish_readme(&aws(), "1.1.0", "# Second, with ünicode").await;
    assert_eq!(readme(stage, "1.0.0").await.text, "# First\n");
    assert_eq!(readme(stage, "1.1.0").await.text, "# Second, with ünicode");
    let archive = release(stage, "1.0.0").await.artifact.chosen().unwrap().clone();
    assert_eq!(opened(stage, &archive, None).await, b"archive", "it is not taken for the archive");
}

pub async fn a_replaced_readme_has_another_identity(stage: &impl Stage) {
    stage.publish_readme(&aws(), "1.0.0", "# Before").await;
    let before = readme(stage, "1.0.0").await;
    assert_eq!(before, readme(stage, "1.0.0").await, "the same as long as nobody touches it");
    stage.publish_readme(&aws(), "1.0.0", "# Behind").await;
    let after = readme(stage, "1.0.0").await;
    assert_ne!(before.identity, after.identity);
    assert_eq!(after.text, "# Behind");
}

pub async fn a_release_without_a_readme_says_so(stage: &impl Stage) {
    publish(stage, &["1.0.0"]).await;
    let release = release(stage, "1.0.0").await;
    let error = stage.backend().readme(&aws(), &release).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(error.message(), "Extension provider/aws 1.0.0 has no README");
}

pub async fn a_probe_succeeds(stage: &impl Stage) {
    stage.backend().probe().await.unwrap();
}

pub async fn releases_name_their_backend(stage: &impl Stage) {
    publish(stage, &["1.0.0", "0.9.0"]).await;
    let backend = stage.backend().id();
    let found = extension(stage).await;
    assert_eq!(found.releases().len(), 2);
    assert!(found.releases().iter().all(|release| release.backend == backend));
    assert_eq!(release(stage, "1.0.0").await.backend, backend);
}
