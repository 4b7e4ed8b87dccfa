//! A list is complete only if its pages prove it: reports O2, O3, O4, O14.

use std::sync::Arc;

use parking_lot::Mutex;
use registry_backends::local::backend::LocalBackend;
use registry_core::backend::{Backend as _, Listing};
use registry_core::error::Error;
use registry_core::models::backend_id::BackendId;
use registry_core::models::coverage::Coverage;
use registry_core::models::extension::Extension;
use registry_core::models::scope::Scope;
use registry_testing::played_registry::{Dialect, PlayedRegistry, Trouble};
use registry_testing::registry_store::Store;
use registry_testing::scripted_registry::{Reply, ScriptedRegistry, Seen, Sending};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{NAME, layout_of};
use crate::oci::{backend, id, versions};
use crate::support::layouts;
use crate::support::served::Served;

/// `1.000.0` and so on, in the order of their letters.
fn tags(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("1.{}.0", 1000 + number)).collect()
}

fn repositories(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("provisioning/e{number:04}-provider")).collect()
}

fn tag_page(names: &[String]) -> Reply {
    Reply::json(json!({"name": NAME, "tags": names}).to_string())
}

fn catalog_page(names: &[String]) -> Reply {
    Reply::json(json!({"repositories": names}).to_string())
}

/// How a registry pages a list of these names without `Link`.
fn unlinked(names: &[String], seen: &Seen) -> Vec<String> {
    let n = seen.query("n").map_or(names.len(), |n| n.parse().unwrap());
    let last = seen.query("last").unwrap_or_default();
    names.iter().filter(|name| **name > last).take(n).cloned().collect()
}

/// A registry with one archive behind every tag, whose lists come from here.
async fn listing(
    tags: impl Fn(&Seen) -> Reply + Send + Sync + 'static,
    catalog: impl Fn(&Seen) -> Reply + Send + Sync + 'static,
) -> ScriptedRegistry {
    let mut store = Store::default();
    store.push(NAME, "1.0.0", b"archive");
    ScriptedRegistry::start(move |seen| match seen.path() {
        path if path.ends_with("/v2/_catalog") => catalog(seen),
        path if path.ends_with("/tags/list") => tags(seen),
        path if path.contains("/manifests/") => {
            let mut any = seen.clone();
            any.target = format!("/v2/{NAME}/manifests/1.0.0");
            PlayedRegistry::new(Dialect::Distribution, store.clone()).answer(&any)
        }
        _ => PlayedRegistry::new(Dialect::Distribution, store.clone()).answer(seen),
    })
    .await
}

async fn of_tags(answer: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Extension {
    let server = listing(answer, |_| Reply::new(404)).await;
    backend(&server.url()).extension(&id("aws-provider")).await.unwrap()
}

async fn of_catalog(
    answer: impl Fn(&Seen) -> Reply + Send + Sync + 'static,
) -> Result<Listing, Error> {
    let server = listing(|_| Reply::new(404), answer).await;
    backend(&server.url()).listing().await
}

/// What a registry may answer for a page that is not the first.
fn failures() -> Vec<(&'static str, Reply)> {
    let html = Reply::new(200).header("content-type", "text/html").bytes("<html>");
    let cut = Sending::Cut { announced: 100, bytes: "{".into() };
    vec![
        ("404", Reply::new(404)),
        ("410", Reply::new(410)),
        ("400", Reply::new(400)),
        ("401", Reply::new(401)),
        ("403", Reply::new(403)),
        ("500", Reply::new(500)),
        ("html", html),
        ("no list", Reply::json("{}")),
        ("errors", Reply::json(r#"{"errors":[{"code":"DENIED"}]}"#)),
        ("message", Reply::json(r#"{"message":"please log in"}"#)),
        ("cut", Reply::json("").sending(cut)),
    ]
}

fn is_partial(coverage: &Coverage) -> bool {
    matches!(coverage, Coverage::Partial(_) | Coverage::Refused(_))
}

#[tokio::test]
async fn o02_a_page_that_fails_leaves_the_pages_before_it() {
    for (what, failure) in failures() {
        let extension = of_tags(move |seen| match seen.query("last") {
            None => tag_page(&tags(3)).header("link", "<?last=1.1002.0&n=3>; rel=\"next\""),
            Some(_) => failure.clone(),
        })
        .await;
        assert_eq!(versions(&extension).len(), 3, "{what}");
        assert!(is_partial(extension.coverage()), "{what}: {:?}", extension.coverage());
    }
}

#[tokio::test]
async fn o02b_a_link_without_our_prefix_is_asked_under_it() {
    let all = tags(250);
    let served = Arc::new(all.clone());
    let server = listing(
        move |seen| {
            if !seen.path().starts_with("/sub/path/") {
                return Reply::new(404);
            }
            let page = unlinked(&served, seen);
            let link = page
                .last()
                .map(|last| format!("</v2/{NAME}/tags/list?n=100&last={last}>; rel=\"next\""));
            let reply = tag_page(&page);
            link.into_iter().fold(reply, |reply, link| reply.header("link", link))
        },
        |_| Reply::new(404),
    )
    .await;
    let url = format!("{}/sub/path", server.url());
    let extension = backend(&url).extension(&id("aws-provider")).await.unwrap();
    assert_eq!(extension.releases().len(), 250, "{:?}", extension.coverage());
    assert!(extension.coverage().is_complete());
}

#[tokio::test]
async fn o02c_a_known_extension_outlives_a_page_that_is_missing() {
    let broken = Arc::new(Mutex::new(false));
    let is_broken = Arc::clone(&broken);
    let server = listing(
        move |seen| match (*is_broken.lock(), seen.query("last")) {
            (false, _) => tag_page(&tags(4)),
            (true, None) => tag_page(&tags(2)).header("link", "</v2/x?last=1>; rel=\"next\""),
            (true, Some(_)) => Reply::new(404),
        },
        |_| catalog_page(&[NAME.to_owned()]),
    )
    .await;
    let served = Served::over(vec![Arc::new(backend(&server.url()))]).await;
    served.catalog.syncer.sync(Scope::All).await.unwrap();
    let all = served.get("/extensions/provider/aws/versions").await.column("version");
    assert_eq!(all.len(), 4);
    *broken.lock() = true;
    for _ in 0..3 {
        served.catalog.syncer.sync(Scope::All).await.unwrap();
    }
    let versions = served.get("/extensions/provider/aws/versions").await;
    assert_eq!(versions.column("version"), all);
    assert_eq!(versions.header("extension-registry-degraded"), "oci");
    let faults = served.get("/health").await.json()["backends"]["oci"]["faults"].to_string();
    assert!(faults.contains("provider/aws"), "{faults}");
    *broken.lock() = false;
    served.catalog.syncer.sync(Scope::All).await.unwrap();
    let mended = served.get("/extensions/provider/aws/versions").await;
    assert_eq!(mended.header("extension-registry-degraded"), "");
    assert_eq!(served.get("/health").await.json()["backends"]["oci"]["faults"], json!([]));
}

#[tokio::test]
async fn o03_a_full_page_without_a_link_is_not_the_end() {
    for count in [99, 100, 101, 130, 200, 1_050] {
        let extension = of_tags(move |seen| tag_page(&unlinked(&tags(count), seen))).await;
        assert_eq!(extension.releases().len(), count);
        assert!(extension.coverage().is_complete(), "{count}: {:?}", extension.coverage());
        let newest = format!("1.{}.0", 999 + count);
        assert_eq!(extension.latest().unwrap().version.as_str(), newest);
        let listed = of_catalog(move |seen| catalog_page(&unlinked(&repositories(count), seen)))
            .await
            .unwrap();
        assert_eq!((listed.ids.len(), listed.coverage.is_complete()), (count, true));
    }
}

#[tokio::test]
async fn o03b_a_registry_that_knows_no_last_has_told_all() {
    for count in [100, 200, 130, 99] {
        let server = listing(move |_| tag_page(&tags(count)), |_| Reply::new(404)).await;
        let extension = backend(&server.url()).extension(&id("aws-provider")).await.unwrap();
        assert_eq!(extension.releases().len(), count);
        assert!(extension.coverage().is_complete(), "{count}: {:?}", extension.coverage());
        let lists = if count % 100 == 0 { 2 } else { 1 };
        assert_eq!(server.count("/tags/list"), lists, "{count}");
    }
}

#[tokio::test]
async fn o03c_a_registry_that_refuses_last_has_not() {
    for (what, failure) in failures() {
        let extension = of_tags(move |seen| match seen.query("last") {
            None => tag_page(&tags(100)),
            Some(_) => failure.clone(),
        })
        .await;
        assert_eq!(extension.releases().len(), 100, "{what}");
        assert!(is_partial(extension.coverage()), "{what}");
    }
}

#[tokio::test]
async fn o03d_a_registry_that_goes_round_in_circles_ends_and_proves_nothing() {
    let server = listing(
        |seen| match seen.query("last").as_deref() {
            None => tag_page(&tags(2)).header("link", "<?last=a>; rel=next"),
            Some("a") => tag_page(&["9.0.0".to_owned()]).header("link", "<?last=b>; rel=next"),
            Some("b") => tag_page(&tags(2)).header("link", "<?last=c>; rel=next"),
            Some(_) => tag_page(&["9.0.0".to_owned()]).header("link", "<?last=a>; rel=next"),
        },
        |_| Reply::new(404),
    )
    .await;
    let extension = backend(&server.url()).extension(&id("aws-provider")).await.unwrap();
    assert_eq!(extension.releases().len(), 3);
    assert!(is_partial(extension.coverage()));
    assert!(server.count("/tags/list") < 6);
}

/// Answers with status 200 that are no list.
const NONSENSE: [&str; 8] = [
    "{}",
    r#"{"errors":[{"code":"UNAUTHORIZED","message":"please log in"}]}"#,
    r#"{"message":"please log in"}"#,
    r#"{"errors":[{"code":"x"}],"tags":null,"repositories":null}"#,
    r#"{"tags":"1.0.0","repositories":"a"}"#,
    "[]",
    "null",
    "",
];

#[tokio::test]
async fn o04_nonsense_is_no_empty_list() {
    for body in NONSENSE {
        let server = listing(move |_| Reply::json(body), move |_| Reply::json(body)).await;
        let asked = backend(&server.url());
        let error = asked.extension(&id("aws-provider")).await.unwrap_err();
        assert!(!error.is_not_found(), "{body}: {error}");
        let error = asked.listing().await.unwrap_err();
        assert!(!error.is_not_found(), "{body}: {error}");
    }
    let swapped = listing(|_| catalog_page(&repositories(2)), |_| tag_page(&tags(2))).await;
    assert!(backend(&swapped.url()).extension(&id("aws-provider")).await.is_err());
    assert!(backend(&swapped.url()).listing().await.is_err());
}

#[tokio::test]
async fn o04b_what_is_known_outlives_nonsense() {
    let answer = Arc::new(Mutex::new(None::<Reply>));
    let said = Arc::clone(&answer);
    let server = listing(
        move |_| said.lock().clone().unwrap_or_else(|| tag_page(&tags(2))),
        |_| catalog_page(&[NAME.to_owned()]),
    )
    .await;
    let served = Served::over(vec![Arc::new(backend(&server.url()))]).await;
    served.catalog.syncer.sync(Scope::All).await.unwrap();
    let html = Reply::new(200).header("content-type", "text/html").bytes("<html>");
    let bodies = NONSENSE.iter().map(|body| Reply::json(*body)).chain([html]);
    for reply in bodies.chain([r#"{"tags":null}"#, r#"{"tags":[]}"#].map(Reply::json)) {
        *answer.lock() = Some(reply.clone());
        served.catalog.syncer.sync(Scope::All).await.unwrap();
        served.catalog.syncer.sync(Scope::All).await.unwrap();
        let versions = served.get("/extensions/provider/aws/versions").await;
        assert_eq!(versions.column("version").len(), 2, "{reply:?}");
    }
    *answer.lock() = None;
    served.catalog.syncer.sync(Scope::All).await.unwrap();
    assert_eq!(served.get("/health").await.json()["backends"]["oci"]["faults"], json!([]));
}

#[tokio::test]
async fn o04c_an_element_that_is_no_name_costs_itself_and_the_proof() {
    let extension = of_tags(|_| Reply::json(r#"{"tags":["1.0.0",null,5,"1.1.0"]}"#)).await;
    assert_eq!(versions(&extension), ["1.1.0", "1.0.0"]);
    assert!(is_partial(extension.coverage()));
    let listed = of_catalog(|_| {
        Reply::json(r#"{"repositories":["provisioning/aws-provider",{"name":"x"}]}"#)
    });
    let listed = listed.await.unwrap();
    assert_eq!((listed.ids.len(), is_partial(&listed.coverage)), (1, true));
}

#[tokio::test]
async fn o04d_a_layout_whose_index_names_nothing_is_unreadable() {
    let mut store = Store::default();
    store.push(NAME, "1.0.0", b"archive");
    let dir = TempDir::new().unwrap();
    layout_of(&store, dir.path());
    let local = LocalBackend::new(BackendId::LOCAL, dir.path());
    let media_type = "application/vnd.oci.image.index.v1+json";
    let write =
        |index: &Value| layouts::write_index(&dir.path().join("aws-provider"), &index.to_string());
    for index in [
        json!({}),
        json!({"schemaVersion": 2, "mediaType": media_type}),
        json!({"schemaVersion": 2, "mediaType": media_type, "manifests": "none"}),
        json!({"errors": []}),
        json!([]),
    ] {
        write(&index);
        let error = local.extension(&id("aws-provider")).await.unwrap_err();
        assert!(!error.is_not_found(), "{index}: {error}");
    }
    write(&json!({"schemaVersion": 2, "manifests": null}));
    let empty = local.extension(&id("aws-provider")).await.unwrap();
    assert_eq!((empty.releases().len(), empty.coverage().is_complete()), (0, true));
    write(&json!({"schemaVersion": 2, "manifests": [null, "x"]}));
    let odd = local.extension(&id("aws-provider")).await.unwrap();
    assert!(is_partial(odd.coverage()));
}

#[tokio::test]
async fn o14_what_continues_a_list_is_asked_at_our_own_address() {
    for to in [
        "http://internal:5000/v2/_catalog",
        "https://127.0.0.1/v2/_catalog",
        "//registry.internal/v2/_catalog",
        "http://internal/some/prefix/v2/_catalog",
        "http://user:secret@internal/v2/_catalog",
    ] {
        let listed = of_catalog(move |seen| {
            let page = unlinked(&repositories(120), seen);
            let link = format!("<{to}?last={}&n=100>; rel=\"next\"", page.last().unwrap());
            let reply = catalog_page(&page);
            if page.len() == 100 { reply.header("link", link) } else { reply }
        });
        let listed = listed.await.unwrap();
        assert_eq!((listed.ids.len(), listed.coverage), (120, Coverage::Complete), "{to}");
        let extension = of_tags(move |seen| {
            let page = unlinked(&tags(130), seen);
            let to = to.replace("_catalog", &format!("{NAME}/tags/list"));
            let link = format!("<{to}?last={}&n=100>; rel=\"next\"", page.last().unwrap());
            let reply = tag_page(&page);
            if page.len() == 100 { reply.header("link", link) } else { reply }
        });
        assert_eq!(extension.await.releases().len(), 130, "{to}");
    }
}

#[tokio::test]
async fn o14b_a_catalog_whose_second_page_fails_is_partial() {
    for (what, failure) in failures() {
        let listed = of_catalog(move |seen| match seen.query("last") {
            None => catalog_page(&repositories(3)).header("link", "<?last=x&n=3>; rel=next"),
            Some(_) => failure.clone(),
        });
        let listed = listed.await.unwrap();
        assert_eq!(listed.ids.len(), 3, "{what}");
        assert!(is_partial(&listed.coverage), "{what}: {:?}", listed.coverage);
        assert_eq!(listed.faults.len(), 1, "{what}");
    }
}

#[tokio::test]
async fn o14c_a_list_that_is_partial_marks_the_answers_made_of_it() {
    let broken = Arc::new(Mutex::new(false));
    let is_broken = Arc::clone(&broken);
    let server = listing(
        |_| tag_page(&tags(1)),
        move |seen| match (*is_broken.lock(), seen.query("last")) {
            (false, _) => catalog_page(&repositories(4)),
            (true, None) => catalog_page(&repositories(3)).header("link", "<?last=x>; rel=next"),
            (true, Some(_)) => Reply::new(500),
        },
    )
    .await;
    let served = Served::over(vec![Arc::new(backend(&server.url()))]).await;
    served.catalog.syncer.sync(Scope::All).await.unwrap();
    for (is_broken, mark) in [(false, ""), (true, "oci"), (false, ""), (true, "oci"), (false, "")] {
        *broken.lock() = is_broken;
        served.catalog.syncer.sync(Scope::All).await.unwrap();
        let list = served.get("/extensions").await;
        assert_eq!(list.column("name").len(), 4);
        assert_eq!(list.header("extension-registry-degraded"), mark);
        let faults = served.get("/health").await.json()["backends"]["oci"]["faults"].to_string();
        assert_eq!(faults.contains("_catalog"), is_broken, "{faults}");
    }
}

#[tokio::test]
async fn o01_an_empty_catalog_is_complete() {
    for body in [r#"{"repositories":[]}"#, r#"{"repositories":null}"#] {
        let listed = of_catalog(move |_| Reply::json(body)).await.unwrap();
        assert_eq!((listed.ids.len(), listed.coverage), (0, Coverage::Complete), "{body}");
    }
}

#[tokio::test]
async fn o02d_a_refusal_of_what_the_catalog_names_is_no_absence() {
    let server = listing(|_| Reply::new(403), |_| catalog_page(&[NAME.to_owned()])).await;
    let asked = backend(&server.url());
    asked.listing().await.unwrap();
    let error = asked.extension(&id("aws-provider")).await.unwrap_err();
    assert!(!error.is_not_found(), "{error}");
}

#[tokio::test]
async fn o04e_no_trouble_with_lists_loses_what_is_known() {
    let mut store = Store::default();
    for number in 0..120 {
        let name = format!("provisioning/e{number:03}-provider");
        for tag in ["1.0.0", "1.1.0"] {
            store.push(&name, tag, b"archive");
        }
    }
    let played = PlayedRegistry::new(Dialect::Zot, store);
    let played = Arc::new(Mutex::new(played));
    let said = Arc::clone(&played);
    let server = ScriptedRegistry::start(move |seen| {
        let played = said.lock().clone();
        played.answer(seen)
    })
    .await;
    let asked = backend(&server.url());
    for (trouble, complete) in [
        (None, true),
        (Some(Trouble::Unlinked(100)), true),
        (Some(Trouble::SecondPage(404)), false),
        (Some(Trouble::SecondPage(500)), false),
    ] {
        played.lock().trouble = trouble;
        let listing = asked.listing().await.unwrap();
        assert_eq!(listing.coverage.is_complete(), complete, "{trouble:?}");
        assert_eq!(listing.ids.len(), if complete { 120 } else { 1 }, "{trouble:?}");
        let extension = asked.extension(&id("e000-provider")).await.unwrap();
        assert_eq!(extension.coverage().is_complete(), complete, "{trouble:?}");
    }
    played.lock().trouble = Some(Trouble::Nonsense(r#"{"message":"please log in"}"#));
    assert!(asked.listing().await.is_err());
    assert!(asked.extension(&id("e000-provider")).await.is_err());
    played.lock().trouble = Some(Trouble::Empty);
    assert_eq!(asked.listing().await.unwrap().ids, []);
    assert!(asked.extension(&id("e000-provider")).await.unwrap().releases().is_empty());
}
