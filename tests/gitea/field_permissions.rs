//! What a token or a team may not read: refusals, which are neither absence nor an empty list.

use registry_backends::gitea::backend::GiteaBackend;
use registry_backends::gitea::settings::GiteaSettings;
use registry_core::backend::Backend as _;
use registry_core::error::ErrorKind;
use registry_testing::fake_gitea::recorded::{FORGEJO_9, GITEA, GITEA_1_22};
use registry_testing::fake_gitea::state::State;
use registry_testing::fake_gitea::{FakeGitea, Fault};

use super::{backend, backend_of, failure_of, id, listed, settings, versions_of};

const PERMISSION: &[u8] =
    br#"{"message":"user should have specific read permission or be a repo admin or a site admin"}"#;

fn forbidden(body: &[u8]) -> Fault {
    Fault::Answer(403, vec![("Content-Type", "application/json".to_owned())], body.to_vec())
}

fn with_token(fake: &FakeGitea, token: &str) -> GiteaBackend {
    backend_of(GiteaSettings { token: Some(fake.token(token)), ..settings(fake) })
}

#[tokio::test]
async fn g02_a_team_that_lost_the_releases_is_refused_and_nothing_is_absent() {
    for recording in [&GITEA, &GITEA_1_22, &FORGEJO_9] {
        let mut state = State::empty_as(recording);
        state.create_released("x_prov", "1.0.0", b"bytes");
        let fake = FakeGitea::start(state).await;
        let backend = backend(&fake);
        assert_eq!(listed(&backend).await, ["provider/x"]);
        assert_eq!(versions_of(&backend, "provider/x").await, ["1.0.0"]);

        fake.edit(|state| state.repository_mut("x_prov").refused = true);
        for _ in 0..2 {
            let error = failure_of(&backend, "provider/x").await;
            assert_eq!(error.kind(), ErrorKind::BackendRefused);
            assert!(error.message().contains("permission Releases"), "{error}");
            listed(&backend).await;
        }
        let tag = "1.0.0".parse().unwrap();
        let error = backend.version(&id("provider/x"), &tag).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BackendRefused, "{error}");

        fake.edit(|state| state.repository_mut("x_prov").refused = false);
        assert_eq!(versions_of(&backend, "provider/x").await, ["1.0.0"]);
    }
}

#[tokio::test]
async fn g02b_releases_that_were_switched_off_just_now_are_no_refusal() {
    let mut state = State::empty();
    state.create_released("x_prov", "1.0.0", b"bytes");
    let fake = FakeGitea::start(state).await;
    let backend = backend(&fake);
    listed(&backend).await;
    fake.edit(|state| state.repository_mut("x_prov").json["has_releases"] = false.into());
    let extension = backend.extension(&id("provider/x")).await.unwrap();
    assert_eq!((extension.releases().len(), extension.faults().len()), (0, 1));
    let tag = "1.0.0".parse().unwrap();
    assert!(backend.version(&id("provider/x"), &tag).await.unwrap_err().is_not_found());
}

#[tokio::test]
async fn g02c_a_refusal_is_one_on_every_level() {
    let mut state = State::empty();
    state.create_released("x_prov", "1.0.0", b"bytes");
    state.commit("x_prov", "1.0.0", &[("README.md", b"read me")]);
    let fake = FakeGitea::start(state).await;
    let backend = backend(&fake);
    let extension = backend.extension(&id("provider/x")).await.unwrap();
    let release = extension.latest().unwrap();
    for part in ["/tags/", "/contents", "/raw/"] {
        fake.fault(part, forbidden(PERMISSION));
        let error = backend.readme(extension.id(), release).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BackendRefused, "{part}: {error}");
        assert!(error.message().contains("permission Code"), "{part}: {error}");
        fake.heal();
    }
    for part in ["/repos?", "/x_prov?", "/x_prov/releases", "/settings/api"] {
        fake.fault(part, forbidden(PERMISSION));
        let fresh = super::backend(&fake);
        let refused = match fresh.listing().await {
            Ok(_) => fresh.extension(extension.id()).await.err(),
            Err(error) => Some(error),
        };
        let expected = (part != "/x_prov?").then_some(ErrorKind::BackendRefused);
        assert_eq!(refused.map(|error| error.kind()), expected, "{part}");
        fake.heal();
    }
    fake.fault("/attachments/", forbidden(b"{}"));
    let error = backend.open(extension.id(), super::archive(release), None).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BackendRefused);
}

#[tokio::test]
async fn g10_a_listing_whose_repositories_cannot_be_read_is_no_answer() {
    for recording in [&GITEA, &GITEA_1_22, &FORGEJO_9] {
        let mut state = State::empty_as(recording);
        state.create_released("x_prov", "1.0.0", b"bytes");
        let fake = FakeGitea::start(state).await;
        let weak = with_token(&fake, "<orgonly>");
        let refused =
            [weak.listing().await.err(), weak.changes(None).await.err(), weak.probe().await.err()];
        for error in refused {
            let error = error.unwrap();
            assert_eq!(error.kind(), ErrorKind::BackendRefused);
            let message = "The Gitea token lacks the scope read:repository";
            assert_eq!(error.message(), message);
        }

        // The same token in the place of a good one.
        let rotated = backend(&fake);
        let cursor = rotated.changes(None).await.unwrap();
        listed(&rotated).await;
        assert_eq!(versions_of(&rotated, "provider/x").await, ["1.0.0"]);
        rotated.replace_token(Some(&fake.token("<orgonly>"))).unwrap();
        let registry_core::backend::changes::Changes::These { cursor, .. } = cursor else {
            panic!("it can tell")
        };
        let error = rotated.changes(Some(&cursor)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BackendRefused);
    }
}

#[tokio::test]
async fn g10b_that_the_token_may_read_repositories_is_asked_once() {
    let mut state = State::empty();
    for name in ["a_prov", "b_prov"] {
        state.create_released(name, "1.0.0", b"bytes");
    }
    let fake = FakeGitea::start(state).await;
    let backend = backend(&fake);
    listed(&backend).await;
    listed(&backend).await;
    let seen = fake.take_seen();
    let single = seen.iter().filter(|seen| seen.target.ends_with("_prov"));
    assert_eq!(single.count(), 1, "{seen:?}");
}

#[tokio::test]
async fn g17_a_private_organization_is_no_empty_one_without_a_token() {
    for recording in [&GITEA_1_22, &FORGEJO_9] {
        let fake = FakeGitea::start(State::recorded_privately(recording)).await;
        let nobody = backend_of(GiteaSettings {
            organization: "field-org".parse().unwrap(),
            token: None,
            ..settings(&fake)
        });
        for error in [
            nobody.listing().await.err(),
            nobody.changes(None).await.err(),
            nobody.probe().await.err(),
        ] {
            let error = error.unwrap();
            assert!(error.message().contains("organization is not visible"), "{error}");
            assert_eq!(error.kind(), ErrorKind::BackendRefused);
        }
    }
}

#[tokio::test]
async fn g17b_all_access_lost_while_running_is_no_quiet_round() {
    let fake = FakeGitea::start(State::recorded_privately(&GITEA_1_22)).await;
    let backend =
        backend_of(GiteaSettings { organization: "field-org".parse().unwrap(), ..settings(&fake) });
    let changes = backend.changes(None).await.unwrap();
    let registry_core::backend::changes::Changes::These { cursor, .. } = changes else {
        panic!("it can tell")
    };
    assert_eq!(listed(&backend).await, ["provider/locked"]);
    fake.edit(|state| state.tokens.get_mut("<read>").unwrap().member = false);
    let error = backend.changes(Some(&cursor)).await.unwrap_err();
    assert!(error.message().contains("organization is not visible"), "{error}");
    assert!(backend.listing().await.is_err());
    assert!(backend.probe().await.is_err());
}

#[tokio::test]
async fn g17c_an_organization_without_repositories_is_an_empty_one() {
    for recording in [&GITEA, &GITEA_1_22, &FORGEJO_9] {
        let fake = FakeGitea::start(State::empty_as(recording)).await;
        let backend = backend(&fake);
        assert_eq!(listed(&backend).await, [""; 0]);
        assert!(super::is_complete(&backend.listing().await.unwrap()));
        backend.probe().await.unwrap();
        backend.changes(None).await.unwrap();
    }
}

#[tokio::test]
async fn g18_the_missing_scope_is_named_in_every_wording() {
    let mut state = State::empty();
    state.create_released("x_prov", "1.0.0", b"bytes");
    let fake = FakeGitea::start(state).await;
    let backend = backend(&fake);
    let lacks = "token does not have at least one of required scope(s)";
    for (said, scope) in [
        (format!("{lacks}, required=[read:repository], token scope=read:misc"), "read:repository"),
        (format!("{lacks}: [read:organization]"), "read:organization"),
        (
            format!("{lacks}: [read:repository write:repository]"),
            "read:repository,write:repository",
        ),
        ("token does not have required scope: read:repository".to_owned(), "read:repository"),
        (format!("{lacks}, token scope=read:misc, required=[read:user]"), "read:user"),
        ("access token lacks scope(s) \"read:repository\"".to_owned(), "read:repository"),
        (format!("{lacks}: [<script>]"), "that it needs"),
    ] {
        fake.fault(
            "/releases",
            forbidden(&serde_json::to_vec(&serde_json::json!({"message": said})).unwrap()),
        );
        let error = failure_of(&backend, "provider/x").await;
        assert_eq!(error.kind(), ErrorKind::BackendRefused);
        assert_eq!(error.message(), format!("The Gitea token lacks the scope {scope}"), "{said}");
        fake.heal();
    }
    let limited = br#"{"message":"token scope is limited to public repos"}"#;
    fake.fault("/releases", forbidden(limited));
    let error = failure_of(&backend, "provider/x").await;
    assert!(error.message().contains("limited to public repositories"), "{error}");
}
