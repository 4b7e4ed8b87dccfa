//! Targets that cannot be published to: the reason, and what helps.

use registry_testing::fake_gitea::Fault;
use registry_testing::fake_gitea::recorded::{FORGEJO_9, GITEA, GITEA_1_22};
use registry_testing::fake_gitea::state::State;

use crate::client::gitea::Author;

#[tokio::test(flavor = "multi_thread")]
async fn a_scope_that_is_missing_is_named_as_every_version_words_it() {
    for recording in [&GITEA, &GITEA_1_22, &FORGEJO_9] {
        let mut state = State::empty_as(recording);
        state.create("aws_prov", "AWS");
        let author = Author::at(state).await;
        let scopes = |scopes: &[&'static str]| {
            author.fake.edit(|state| {
                state.publisher.as_mut().unwrap().scopes = scopes.to_vec();
            });
        };
        scopes(&["read:repository", "read:organization"]);
        author.fails(&[], 4, "lacks the scope write:repository");
        assert!(author.releases().is_empty());
        scopes(&["read:misc"]);
        author.fails(&[], 4, "lacks the scope write:repository");
        scopes(&["write:repository"]);
        author.publishes(&[]);
        author.whole();
        author.fake.edit(|state| state.repositories.clear());
        author.fails(&["--create-repository"], 4, "lacks the scope write:organization");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_have_no_release_is_refused_before_anything_is_written() {
    for (key, value, code, part) in [
        ("archived", serde_json::json!(true), 4, "is archived"),
        ("has_releases", serde_json::json!(false), 4, "has no releases"),
        ("empty", serde_json::json!(true), 2, "is empty"),
    ] {
        let author = Author::new().await;
        author.fake.edit(|state| state.repository_mut("aws_prov").json[key] = value);
        author.fails(&[], code, part);
        assert_eq!(author.writes(), [""; 0], "{key}");
    }
    let author = Author::new().await;
    author.fake.edit(|state| state.publisher.as_mut().unwrap().pushes = false);
    author.fails(&[], 4, "may not be written to with this token");
    assert_eq!(author.writes(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_organization_and_a_repository_that_are_missing_are_told_apart() {
    let author = Author::new().await;
    let target = author.target();
    let nowhere = target.replace("provisioning-extensions", "nowhere");
    let publish = |to: &str, more: &[&str]| {
        let fixed = ["publish", "aws", "--to", to, "--token-file", "token"];
        let words: Vec<&str> = fixed.iter().chain(more).copied().collect();
        author.user.run(&words)
    };
    let ran = publish(&nowhere, &[]);
    assert_eq!(ran.code, 3, "{}", ran.stderr);
    assert!(ran.stderr.contains("has no organization nowhere"), "{}", ran.stderr);
    let ran = publish(&nowhere, &["--create-repository"]);
    assert_eq!(ran.code, 3, "{}", ran.stderr);
    let ran = publish(&target, &["--name", "other"]);
    assert!(
        ran.stderr.contains("has no repository provisioning-extensions/other_prov"),
        "{}",
        ran.stderr
    );
    assert_eq!(author.writes().len(), 1, "the repository that could not be created");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renamed_repository_is_told() {
    let author = Author::new().await;
    author.fake.edit(|state| {
        state.repository_mut("aws_prov").json["name"] = "amazon_prov".into();
        state.renamed.insert("aws_prov".to_owned(), "amazon_prov".to_owned());
    });
    author.fails(&[], 2, "was renamed to amazon_prov");
}

#[tokio::test(flavor = "multi_thread")]
async fn types_and_sizes_that_the_server_refuses_name_the_setting() {
    let author = Author::new().await;
    author.fake.edit(|state| state.allowed_types = Some(vec![".zip", ".gz"]));
    author.fails(&[], 1, "ALLOWED_TYPES of [repository.release]");
    assert!(author.releases().is_empty());
    author.fake.edit(|state| state.allowed_types = None);
    author.fake.fault("assets?name=aws_prov.tar.gz", Fault::html(413));
    author.fails(&[], 1, "MAX_SIZE of [attachment]");
    assert!(author.releases().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_token_none_and_one_in_the_clear_are_refused() {
    let author = Author::new().await;
    let wrong: String = author.fake.token("wrong");
    author.user.write("token", &wrong);
    author.fails(&[], 4, "401");
    let target = author.target();
    author.user.fails(&["publish", "aws", "--to", &target], 4, "needs a token");
    let ran = author.user.fails(
        &["publish", "aws", "--to", "gitea+http://git.example.com/x", "--token-file", "token"],
        2,
        "not sent to gitea+http://git.example.com/x over plain HTTP",
    );
    assert!(!ran.stderr.contains(&wrong));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_gitea_is_told_and_never_taken_for_absence() {
    let author = Author::new().await;
    for fault in
        [Fault::html(200), Fault::html(404), Fault::json("[]"), Fault::json("{\"id\": \"x\"}")]
    {
        author.fake.fault("/repos/", fault);
        author.fails(&["--create-repository"], 2, "127.0.0.1");
        author.fake.heal();
    }
    assert_eq!(author.writes(), [""; 0]);
    author.fake.fault("/repos/", Fault::html(503));
    author.fails(&["--create-repository"], 5, "503");
    assert_eq!(author.writes(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_under_a_path_is_published_to() {
    let mut state = State::empty();
    state.create("aws_prov", "AWS");
    "/git".clone_into(&mut state.sub_path);
    let author = Author::at(state).await;
    assert!(author.target().contains("/git/"));
    author.publishes(&[]);
    author.whole();
}
