//! Where a list ends, whatever a proxy does to its headers and however long its rows are.

use registry_core::backend::Backend as _;
use registry_core::models::coverage::Coverage;
use registry_core::models::extension::Extension;
use registry_testing::fake_gitea::state::State;
use registry_testing::fake_gitea::{FakeGitea, Fault};

use super::{asked, backend, failure_of, id, is_complete, listed};

const LINK: &[&str] = &["Link"];
const BOTH: &[&str] = &["Link", "X-Total-Count"];

fn reasons(extension: &Extension) -> Vec<&str> {
    extension.faults().iter().map(|fault| fault.reason.as_str()).collect()
}

fn many(repositories: usize, releases: usize) -> State {
    let mut state = State::empty();
    for number in 0..repositories {
        state.create(&format!("e{number:03}_prov"), "one of many");
    }
    for number in 0..releases {
        let archive: (&str, &[u8]) = ("e000_prov.tar.gz", b"bytes");
        state.publish("e000_prov", &format!("1.{number}.0"), &[archive]);
    }
    state
}

#[tokio::test]
async fn g12_a_list_goes_on_though_a_proxy_drops_its_link() {
    for (without, repositories, releases) in
        [(LINK, 56, 56), (BOTH, 56, 120), (LINK, 50, 100), (BOTH, 100, 50), (BOTH, 1, 1)]
    {
        let fake = FakeGitea::start(many(repositories, releases)).await;
        fake.fault("/repos?", Fault::Without(without));
        fake.fault("/releases?", Fault::Without(without));
        let backend = backend(&fake);
        let listing = backend.listing().await.unwrap();
        assert_eq!(listing.ids.len(), repositories, "{without:?}");
        assert!(is_complete(&listing));
        assert_eq!(listing.faults, [], "{without:?}");
        let extension = backend.extension(&id("provider/e000")).await.unwrap();
        assert_eq!(extension.releases().len(), releases, "{without:?}");
        assert_eq!(reasons(&extension), [""; 0]);
    }
}

#[tokio::test]
async fn g12b_a_server_that_cuts_its_pages_smaller_is_read_to_the_end() {
    for (without, tells) in [(LINK, true), (BOTH, true), (LINK, false), (BOTH, false)] {
        let mut state = many(56, 33);
        state.max_items = 20;
        let fake = FakeGitea::start(state).await;
        fake.fault("/repos?", Fault::Without(without));
        fake.fault("/releases?", Fault::Without(without));
        if !tells {
            fake.fault("/settings/api", Fault::html(404));
            let kind = vec![("Content-Type", "application/json".to_owned())];
            fake.heal();
            fake.fault("/settings/api", Fault::Answer(404, kind, b"{}".to_vec()));
            fake.fault("/repos?", Fault::Without(without));
            fake.fault("/releases?", Fault::Without(without));
        }
        let backend = backend(&fake);
        assert_eq!(listed(&backend).await.len(), 56, "{without:?} {tells}");
        let extension = backend.extension(&id("provider/e000")).await.unwrap();
        assert_eq!(extension.releases().len(), 33, "{without:?} {tells}");
    }
}

#[tokio::test]
async fn g12c_one_page_is_one_question() {
    let fake = FakeGitea::start(many(50, 50)).await;
    let backend = backend(&fake);
    listed(&backend).await;
    assert_eq!(asked(&fake, "/repos?"), 1);
    backend.extension(&id("provider/e000")).await.unwrap();
    assert_eq!(asked(&fake, "/releases?"), 1);
}

#[tokio::test]
async fn g12d_a_total_that_never_comes_is_a_contradiction() {
    let fake = FakeGitea::start(many(1, 50)).await;
    let rows = fake.edit(|state| state.repository_mut("e000_prov").releases.clone());
    let headers = |total: &str| {
        vec![("Content-Type", "application/json".to_owned()), ("X-Total-Count", total.to_owned())]
    };
    let first = serde_json::to_vec(&rows).unwrap();
    fake.fault("/releases?page=1&", Fault::Answer(200, headers("56"), first));
    fake.fault("/releases?", Fault::Answer(200, headers("56"), b"[]".to_vec()));
    let backend = backend(&fake);
    let extension = backend.extension(&id("provider/e000")).await.unwrap();
    assert_eq!(extension.releases().len(), 50);
    let Coverage::Partial(why) = extension.coverage() else { panic!("{:?}", extension.coverage()) };
    assert!(why.contains("56") && why.contains("50"), "{why}");
    assert!(extension.faults()[0].unreadable);
}

#[tokio::test]
async fn g16_a_page_that_is_too_long_is_asked_for_in_parts() {
    let mut state = many(1, 50);
    let notes = "n".repeat(180 * 1024);
    for release in &mut state.repository_mut("e000_prov").releases {
        release["body"] = notes.as_str().into();
    }
    let fake = FakeGitea::start(state).await;
    let backend = backend(&fake);
    let extension = backend.extension(&id("provider/e000")).await.unwrap();
    assert_eq!(extension.releases().len(), 50);
    assert_eq!(reasons(&extension), [""; 0]);
}

#[tokio::test]
async fn g16b_repositories_with_long_rows_are_listed() {
    let mut state = many(57, 0);
    for one in &mut state.repositories {
        one.json["description"] = "d".repeat(200 * 1024).into();
    }
    let fake = FakeGitea::start(state).await;
    let listing = backend(&fake).listing().await.unwrap();
    assert_eq!((listing.ids.len(), is_complete(&listing)), (57, true), "{:?}", listing.faults);
}

#[tokio::test]
async fn g16c_a_row_that_is_too_long_by_itself_costs_that_row() {
    let mut state = many(1, 60);
    state.repository_mut("e000_prov").releases[7]["body"] = "n".repeat(9 * 1024 * 1024).into();
    state.repository_mut("e000_prov").releases[55]["body"] = "n".repeat(2 * 1024 * 1024).into();
    let fake = FakeGitea::start(state).await;
    let extension = backend(&fake).extension(&id("provider/e000")).await.unwrap();
    assert_eq!(extension.releases().len(), 58);
    assert_eq!(reasons(&extension), ["2 of its releases cannot be read"]);
}

#[tokio::test]
async fn g16d_a_feed_with_long_rows_is_read() {
    let mut state = many(2, 1);
    for second in 0..50 {
        state.happened("push_tag", "e001_prov", second);
    }
    for entry in &mut state.feed {
        entry["content"] = "c".repeat(200 * 1024).into();
    }
    let fake = FakeGitea::start(state).await;
    let backend = backend(&fake);
    backend.changes(None).await.unwrap();
    assert!(failure_of(&backend, "provider/none").await.is_not_found());
}
