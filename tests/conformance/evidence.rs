//! What the service makes of each backend's odd answers: an answer counts as complete, absent or
//! empty only if it proves that. Run over every backend, as the other behaviors are.

use async_trait::async_trait;
use registry_core::models::backend_id::BackendId;
use registry_core::models::naming::ExtensionId;
use registry_core::models::scope::Scope;
use registry_testing::ids::id;

use super::Stage;
use crate::support::served::Served;

/// A way in which a list of releases goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Breakage {
    /// A part of the list cannot be had: its second page fails.
    Part,
    /// A success that is no list.
    Nonsense,
    /// The list is refused.
    Refusal,
}

/// A stage that can answer wrongly.
#[async_trait]
pub trait Breakable: Stage {
    /// Releases on one page of a list, where there are pages.
    fn page(&self) -> usize;
    /// From now on every list of releases goes wrong in this way.
    async fn break_lists(&self, breakage: Breakage);
    /// Lists are right again.
    async fn mend_lists(&self);
    /// Removes every release of an extension, and leaves its repository.
    async fn empty(&self, id: &ExtensionId);
}

/// Every behavior once more by name; `is_skeptical!` makes a test of each for a backend.
macro_rules! is_skeptical {
    ($backend:ident, $stage:expr) => {
        mod $backend {
            $crate::conformance::evidence::each_test!($stage;
                an_empty_backend_is_ready_and_shows_what_is_published
                a_list_of_exactly_one_page_is_whole
                a_list_of_more_than_one_page_is_whole
                a_part_that_fails_removes_nothing_and_is_marked_until_it_is_mended
                nonsense_removes_nothing_and_is_a_fault_until_it_is_mended
                a_refusal_removes_nothing_and_is_a_fault_until_it_is_mended
                releases_that_are_suddenly_gone_stay_after_one_answer
                a_moved_tag_has_one_digest_in_every_answer
                what_cannot_be_listed_has_a_reason
                a_version_is_found_with_and_without_its_v
                of_two_spellings_each_is_found_as_it_is_written
                two_spellings_with_archives_of_their_own_are_no_change
            );
        }
    };
}

macro_rules! each_test {
    ($stage:expr; $($behavior:ident)+) => {
        $(
            #[tokio::test]
            async fn $behavior() {
                let stage = $stage;
                $crate::conformance::evidence::$behavior(&stage).await;
            }
        )+

        #[test]
        fn no_behavior_is_left_out() {
            let count = [$(stringify!($behavior)),+].len();
            let written = include_str!("evidence.rs").matches("\npub async fn ").count();
            assert_eq!(count, written, "behaviors listed, and written");
        }
    };
}

pub(crate) use {each_test, is_skeptical};

fn aws() -> ExtensionId {
    id("provider/aws")
}

const AWS: &str = "/extensions/provider/aws";

async fn served(stage: &impl Breakable) -> Served {
    let served = Served::over(vec![stage.backend()]).await;
    served.catalog.syncer.sync(Scope::All).await.unwrap();
    served.catalog.store.published().await;
    served
}

fn source(stage: &impl Breakable) -> BackendId {
    stage.backend().id()
}

async fn publish(stage: &impl Breakable, count: usize) {
    for patch in 0..count {
        stage.publish(&aws(), &format!("1.0.{patch}"), "described", b"bytes").await;
    }
}

async fn count_of_versions(served: &Served) -> usize {
    served.get(&format!("{AWS}/versions")).await.json().as_array().map_or(0, Vec::len)
}

async fn faults(served: &Served, source: BackendId) -> Vec<String> {
    let health = served.get("/health").await.json();
    let faults = health["backends"][source.as_str()]["faults"].as_array().unwrap().clone();
    faults.iter().map(|fault| format!("{}: {}", fault["repository"], fault["reason"])).collect()
}

/// Reads the extension again, as a notice or a round does.
async fn read_again(served: &Served) {
    let _ = served.catalog.reader.refresh(&aws(), Scope::All).await;
    served.catalog.store.published().await;
}

async fn marked(served: &Served) -> String {
    served.get(AWS).await.header("extension-registry-degraded").to_owned()
}

/// Breaks the lists, looks, and mends them.
async fn breaks_and_mends(stage: &impl Breakable, breakage: Breakage) {
    let count = stage.page() + 3;
    publish(stage, count).await;
    let served = served(stage).await;
    assert_eq!(count_of_versions(&served).await, count);
    stage.break_lists(breakage).await;
    for _ in 0..3 {
        read_again(&served).await;
        assert_eq!(count_of_versions(&served).await, count, "{breakage:?}: nothing goes");
    }
    let name = source(stage);
    assert_eq!(marked(&served).await, name.as_str(), "{breakage:?}");
    let told = faults(&served, name).await;
    assert!(told.iter().any(|fault| fault.contains("provider/aws")), "{breakage:?}: {told:?}");
    assert_eq!(served.get(&format!("{AWS}/1.0.0")).await.status, 200, "{breakage:?}");
    stage.mend_lists().await;
    read_again(&served).await;
    assert_eq!(marked(&served).await, "", "{breakage:?}");
    assert_eq!(faults(&served, name).await, Vec::<String>::new(), "{breakage:?}");
    assert_eq!(count_of_versions(&served).await, count, "{breakage:?}");
}

pub async fn an_empty_backend_is_ready_and_shows_what_is_published(stage: &impl Breakable) {
    let served = served(stage).await;
    let got = served.get("/extensions").await;
    assert_eq!((got.status.as_u16(), got.text().as_str()), (200, "[]"));
    assert_eq!(got.header("extension-registry-degraded"), "");
    assert_eq!(served.get("/health/ready").await.status, 200);
    assert_eq!(served.get(AWS).await.status, 404);
    publish(stage, 1).await;
    served.catalog.syncer.notice(source(stage), vec![aws()]);
    while served.get("/extensions").await.text() == "[]" {
        tokio::task::yield_now().await;
    }
    assert_eq!(served.get(&format!("{AWS}/1.0.0")).await.text(), "bytes");
}

pub async fn a_list_of_exactly_one_page_is_whole(stage: &impl Breakable) {
    publish(stage, stage.page()).await;
    let served = served(stage).await;
    assert_eq!(count_of_versions(&served).await, stage.page());
    assert_eq!(faults(&served, source(stage)).await, Vec::<String>::new());
    assert_eq!(marked(&served).await, "");
}

pub async fn a_list_of_more_than_one_page_is_whole(stage: &impl Breakable) {
    let count = 2 * stage.page() + 1;
    publish(stage, count).await;
    let served = served(stage).await;
    assert_eq!(count_of_versions(&served).await, count);
    let latest = served.get(AWS).await.json()["version"].clone();
    assert_eq!(latest, format!("1.0.{}", count - 1));
}

pub async fn a_part_that_fails_removes_nothing_and_is_marked_until_it_is_mended(
    stage: &impl Breakable,
) {
    breaks_and_mends(stage, Breakage::Part).await;
}

pub async fn nonsense_removes_nothing_and_is_a_fault_until_it_is_mended(stage: &impl Breakable) {
    breaks_and_mends(stage, Breakage::Nonsense).await;
}

pub async fn a_refusal_removes_nothing_and_is_a_fault_until_it_is_mended(stage: &impl Breakable) {
    breaks_and_mends(stage, Breakage::Refusal).await;
}

pub async fn releases_that_are_suddenly_gone_stay_after_one_answer(stage: &impl Breakable) {
    publish(stage, 2).await;
    stage.publish(&id("provider/other"), "1.0.0", "described", b"other").await;
    let served = served(stage).await;
    stage.empty(&aws()).await;
    read_again(&served).await;
    assert_eq!(count_of_versions(&served).await, 2, "one empty answer is no proof");
    assert_eq!(marked(&served).await, source(stage).as_str());
}

pub async fn a_moved_tag_has_one_digest_in_every_answer(stage: &impl Breakable) {
    publish(stage, 2).await;
    let served = served(stage).await;
    let digests = async || {
        let mut digests = Vec::new();
        let versions = served.get(&format!("{AWS}/versions")).await.json();
        let row = |one: &&serde_json::Value| one["version"] == "1.0.0";
        digests.push(versions.as_array().unwrap().iter().find(row).unwrap()["digest"].clone());
        for path in ["1.0.0/metadata", "resolve?constraint==1.0.0"] {
            digests.push(served.get(&format!("{AWS}/{path}")).await.json()["digest"].clone());
        }
        digests
    };
    digests().await;
    stage.publish(&aws(), "1.0.0", "described", b"other bytes").await;
    read_again(&served).await;
    let got = served.get(&format!("{AWS}/1.0.0")).await;
    assert_eq!(got.text(), "other bytes");
    served.catalog.store.published().await;
    let digest = registry_core::models::digest::Digest::sha256(b"other bytes").to_string();
    for known in digests().await {
        assert_eq!(known, digest.as_str());
    }
}

pub async fn what_cannot_be_listed_has_a_reason(stage: &impl Breakable) {
    publish(stage, 1).await;
    stage.create(&id("provider/empty")).await;
    let listing = stage.backend().listing().await.unwrap();
    let served = served(stage).await;
    // Some registries do not name a repository without tags.
    if listing.ids.contains(&id("provider/empty")) {
        let told = faults(&served, source(stage)).await;
        assert!(told.iter().any(|fault| fault.contains("provider/empty")), "{told:?}");
    }
    let got = served.get("/extensions/provider/empty").await;
    assert_eq!(got.status, 404, "{}", got.text());
}

/// What the three paths of one version answer: its archive, its tag, its README.
async fn of_version(served: &Served, version: &str) -> (String, String, String) {
    let archive = served.get(&format!("{AWS}/{version}")).await.text();
    let metadata = served.get(&format!("{AWS}/{version}/metadata")).await.json();
    let readme = served.get(&format!("{AWS}/readme?version={version}")).await.text();
    (archive, metadata["tag"].as_str().unwrap_or_default().to_owned(), readme)
}

pub async fn a_version_is_found_with_and_without_its_v(stage: &impl Breakable) {
    stage.publish_readme(&aws(), "v1.2.0", "# marked").await;
    stage.publish_readme(&aws(), "1.3.0", "# plain").await;
    let served = served(stage).await;
    for (asked, tag, readme) in [
        ("1.2.0", "v1.2.0", "# marked"),
        ("v1.2.0", "v1.2.0", "# marked"),
        ("V1.2.0", "v1.2.0", "# marked"),
        ("1.3.0", "1.3.0", "# plain"),
        ("v1.3.0", "1.3.0", "# plain"),
    ] {
        let expected = ("archive".to_owned(), tag.to_owned(), readme.to_owned());
        assert_eq!(of_version(&served, asked).await, expected, "{asked}");
    }
    for absent in ["v1.4.0", "1.2", "vv1.2.0", "v"] {
        let got = served.get(&format!("{AWS}/{absent}")).await;
        assert_eq!(got.status, 404, "{absent}: {}", got.text());
    }
}

pub async fn of_two_spellings_each_is_found_as_it_is_written(stage: &impl Breakable) {
    stage.publish_readme(&aws(), "1.0.0", "# plain").await;
    stage.publish_readme(&aws(), "v1.0.0", "# marked").await;
    let served = served(stage).await;
    let versions = served.get(&format!("{AWS}/versions")).await;
    assert_eq!(versions.column("tag"), ["1.0.0"], "one version is listed once");
    for (asked, tag, readme) in [("1.0.0", "1.0.0", "# plain"), ("v1.0.0", "v1.0.0", "# marked")] {
        let expected = ("archive".to_owned(), tag.to_owned(), readme.to_owned());
        assert_eq!(of_version(&served, asked).await, expected, "{asked}");
    }
    // No tag is written like this one.
    let got = served.get(&format!("{AWS}/V1.0.0/metadata")).await;
    assert_eq!(got.json()["tag"], "1.0.0", "the listed one goes before the other");
}

pub async fn two_spellings_with_archives_of_their_own_are_no_change(stage: &impl Breakable) {
    stage.publish(&aws(), "1.0.0", "described", b"plain").await;
    stage.publish(&aws(), "v1.0.0", "described", b"marked").await;
    let served = served(stage).await;
    for _ in 0..3 {
        for (asked, bytes) in [("1.0.0", "plain"), ("v1.0.0", "marked"), ("V1.0.0", "plain")] {
            let got = served.get(&format!("{AWS}/{asked}")).await;
            assert_eq!((got.status.as_u16(), got.text().as_str()), (200, bytes), "{asked}");
            let metadata = served.get(&format!("{AWS}/{asked}/metadata")).await.json();
            assert_eq!(metadata["change"], serde_json::Value::Null, "{asked}: {metadata}");
            let asset = &metadata["assets"][0]["href"];
            for href in [&metadata["href"], asset].into_iter().filter_map(|href| href.as_str()) {
                let path = href.strip_prefix("/api/v1").unwrap();
                assert_eq!(served.get(path).await.text(), bytes, "{asked}: {href}");
            }
        }
        read_again(&served).await;
    }
    // Under the spelling that stands for the version other bytes are a change all the same.
    stage.publish(&aws(), "1.0.0", "described", b"other").await;
    read_again(&served).await;
    let refused = served.get(&format!("{AWS}/1.0.0")).await;
    assert_eq!(refused.status.as_u16(), 502, "{}", refused.text());
    assert_eq!(served.get(&format!("{AWS}/v1.0.0")).await.text(), "marked");
}
