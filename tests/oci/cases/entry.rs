//! Being let in: challenges, tokens, refusals.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use registry_backends::oci::client::Client;
use registry_backends::oci::credentials::Credentials;
use registry_core::backend::Backend as _;
use registry_core::error::ErrorKind;
use registry_testing::canary::{name_of, secret_for};
use registry_testing::scripted_registry::{Reply, ScriptedRegistry, Seen, Sending};

use crate::oci::{backend, backend_as, client, credentials_of, id, repository};

mod token_servers;

/// A registry that lets in who shows the token `good`, refuses everyone else so, and has a token
/// server that answers so.
async fn guarded(
    refuse: impl Fn(&Seen, &str) -> Reply + Send + Sync + 'static,
    token: impl Fn(&Seen) -> Reply + Send + Sync + 'static,
) -> ScriptedRegistry {
    ScriptedRegistry::start(move |seen| {
        if seen.path() == "/token" {
            return token(seen);
        }
        if token_in(seen) == Some("good") {
            return Reply::json(r#"{"name":"x","tags":["1.0.0"]}"#);
        }
        let host = seen.header("host").unwrap();
        refuse(seen, &format!("http://{host}/token"))
    })
    .await
}

fn challenged(realm: &str, rest: &str) -> Reply {
    Reply::new(401).header("www-authenticate", format!("Bearer realm=\"{realm}\"{rest}"))
}

fn good_token(seen: &Seen) -> Reply {
    Reply::json(format!(r#"{{"token":"{}"}}"#, token_for(seen, "good")))
}

/// A token of this name for whom was asked, good for five minutes.
fn lasting_token(seen: &Seen, name: &str) -> Reply {
    Reply::json(format!(r#"{{"token":"{}","expires_in":300}}"#, token_for(seen, name)))
}

fn token_for(seen: &Seen, name: &str) -> String {
    secret_for(seen.header("host").unwrap(), name)
}

/// The name of the token that a request shows.
fn token_in(seen: &Seen) -> Option<&str> {
    seen.header("authorization")?.strip_prefix("Bearer ").map(name_of)
}

async fn tags(client: &Client) -> Result<usize, ErrorKind> {
    let found = client.lister().tags(&repository("aws-provider")).await;
    found.map(|found| found.names.len()).map_err(|error| error.kind())
}

#[tokio::test]
async fn case_13_a_refusal_of_any_body_is_one() {
    for body in [r#"{"code":"UNAUTHORIZED"}"#, "", "<html>", "[[["] {
        let server = ScriptedRegistry::start(move |_| Reply::new(401).bytes(body)).await;
        let client = client(&server.url(), Credentials::Anonymous);
        assert_eq!(tags(&client).await, Err(ErrorKind::BackendRefused), "{body}");
    }
}

#[tokio::test]
async fn case_14_a_stale_token_is_dropped_and_fetched_anew_once() {
    let (given, ended) = (AtomicUsize::new(0), Arc::new(AtomicBool::new(false)));
    let has_ended = Arc::clone(&ended);
    let server = guarded(
        move |seen, realm| match seen.header("authorization") {
            Some(_) if !has_ended.load(Ordering::SeqCst) => Reply::json(r#"{"tags":["1.0.0"]}"#),
            // zot says nothing of where to get a better one.
            Some(_) => Reply::new(401).bytes(r#"{"errors":[{"code":"UNSUPPORTED"}]}"#),
            None => challenged(realm, ""),
        },
        move |seen| match given.fetch_add(1, Ordering::SeqCst) {
            0 => lasting_token(seen, "stale"),
            _ => lasting_token(seen, "good"),
        },
    )
    .await;
    let client = client(&server.url(), Credentials::Anonymous);
    assert_eq!(tags(&client).await, Ok(1));
    ended.store(true, Ordering::SeqCst);
    server.take();
    assert_eq!(tags(&client).await, Ok(1));
    let shown: Vec<Option<String>> = server
        .seen()
        .iter()
        .filter(|seen| seen.path() != "/token")
        .map(|seen| token_in(seen).map(ToOwned::to_owned))
        .collect();
    let expected = [Some("stale".to_owned()), None, Some("good".to_owned())];
    assert_eq!(shown, expected);
    assert_eq!(server.count("/token"), 1);
    assert_eq!(tags(&client).await, Ok(1), "and it is kept");
    assert_eq!(server.count("/token"), 1);
}

#[tokio::test]
async fn case_15_a_bad_token_is_tried_without_once() {
    let server = guarded(
        |seen, realm| match token_in(seen) {
            Some("anonymous") => Reply::json(r#"{"name":"x","tags":["1.0.0"]}"#),
            Some(_) => Reply::new(403).bytes(r#"{"errors":[{"code":"DENIED"}]}"#),
            None => challenged(realm, ""),
        },
        |seen| lasting_token(seen, "anonymous"),
    )
    .await;
    let bad = client(&server.url(), credentials_of(&server.url(), "SECRET"));
    assert_eq!(tags(&bad).await, Ok(1), "what anyone may read is read");
    assert_eq!(server.take().len(), 4);
    let denying = ScriptedRegistry::start(|_| Reply::new(403)).await;
    let backend = backend_as(&denying.url(), "SECRET");
    let error = backend.extension(&id("aws-provider")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BackendRefused, "these credentials never served");
    assert_eq!(denying.take().len(), 2);
}

#[tokio::test]
async fn case_16_a_refusal_of_one_repository_is_a_no_where_others_are_served() {
    let server = ScriptedRegistry::start(|seen| match seen.path() {
        "/v2/_catalog" => Reply::json(r#"{"repositories":["provisioning/aws-provider"]}"#),
        path if path.contains("aws") => Reply::json(r#"{"tags":null}"#),
        _ => Reply::new(401).header("www-authenticate", ""),
    })
    .await;
    let backend = backend(&server.url());
    let unknown = id("unknown-provider");
    let before = backend.extension(&unknown).await.unwrap_err();
    assert_eq!(before.kind(), ErrorKind::BackendRefused, "nothing shows that we may ask at all");
    backend.listing().await.unwrap();
    let after = backend.extension(&unknown).await.unwrap_err();
    assert!(after.is_not_found());
    assert_eq!(after.message(), "Extension provider/unknown not found");
    let version = backend.version(&unknown, &"1.0.0".parse().unwrap()).await.unwrap_err();
    assert!(version.is_not_found());
}

#[tokio::test]
async fn case_17_scopes_are_echoed() {
    for (rest, expected) in [
        (r#",service="s",scope="*""#, "service=s&scope=*"),
        (r#",scope="repository::pull""#, "scope=repository%3A%3Apull"),
        (r#",scope="""#, ""),
        ("", ""),
        (r#",scope="a:b:pull,push c:d:pull""#, "scope=a%3Ab%3Apull%2Cpush&scope=c%3Ad%3Apull"),
    ] {
        let server = guarded(move |_, realm| challenged(realm, rest), good_token).await;
        assert_eq!(tags(&client(&server.url(), Credentials::Anonymous)).await, Ok(1));
        let asked = server.take().into_iter().find(|asked| asked.contains("/token")).unwrap();
        let query = asked.split_once('?').map_or("", |(_, query)| query);
        assert_eq!(query, expected, "{rest}");
    }
}

#[tokio::test]
async fn case_18_fifty_callers_fetch_one_token() {
    let server = guarded(
        |_, realm| challenged(realm, r#",scope="x""#),
        |seen| Reply::json(format!(r#"{{"access_token":"{}"}}"#, token_for(seen, "good"))),
    )
    .await;
    let client = Arc::new(client(&server.url(), Credentials::Anonymous));
    for answer in join_all((0..50).map(|_| tags(&client))).await {
        assert_eq!(answer, Ok(1));
    }
    assert_eq!(server.count("/token"), 1);
    assert_eq!(tags(&client).await, Ok(1), "without an end it lasts a minute");
    assert_eq!(server.count("/token"), 1);
}

#[tokio::test]
async fn case_19_an_identity_token_is_exchanged_by_post_or_else_by_get() {
    for answers_post in [true, false] {
        let server = guarded(
            |_, realm| challenged(realm, r#",service="s",scope="x y""#),
            move |seen| match (seen.method.as_str(), answers_post) {
                ("POST", true) => {
                    let secret = token_for(seen, "secret");
                    let form = format!(
                        "grant_type=refresh_token&client_id=extension-registry&\
                         refresh_token={secret}&service=s&scope=x+y"
                    );
                    assert_eq!(seen.body, form);
                    good_token(seen)
                }
                ("POST", false) => {
                    Reply::new(404).header("content-type", "text/html").bytes("<html>")
                }
                _ => good_token(seen),
            },
        )
        .await;
        let client = client(&server.url(), credentials_of(&server.url(), "<token>:SECRET"));
        assert_eq!(tags(&client).await, Ok(1));
        let posts = server.count("POST /token");
        assert_eq!((posts, server.count("GET /token")), (1, usize::from(!answers_post)));
    }
}

#[tokio::test]
async fn case_20_token_servers_where_none_should_be_are_not_asked() {
    let canary = ScriptedRegistry::start(good_token).await;
    let elsewhere = canary.url().replace("127.0.0.1", "localhost");
    for realm in [
        "http://169.254.169.254/token",
        "https://169.254.169.254/token",
        "http://auth.example/token",
        "ftp://127.0.0.1/token",
        "https://user:password@127.0.0.1/",
        "/token",
        elsewhere.as_str(),
    ] {
        let realm = realm.to_owned();
        let server = guarded(move |_, _| challenged(&realm, ""), good_token).await;
        let backend = backend_as(&server.url(), "user:SECRET");
        let error = backend.extension(&id("aws-provider")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BackendFaulty, "{}", error.report());
        assert!(!error.report().contains("canary"));
    }
    assert_eq!(canary.take(), [""; 0]);
}

#[tokio::test]
async fn a_catalog_that_only_a_password_opens_is_opened_with_it() {
    let server = guarded(
        |seen, realm| match (seen.path(), seen.header("authorization")) {
            ("/v2/_catalog", Some(shown)) if shown.starts_with("Basic ") => {
                Reply::json(r#"{"repositories":["provisioning/aws-provider"]}"#)
            }
            ("/v2/_catalog", Some(_)) => {
                Reply::new(401).header("www-authenticate", "Basic realm=\"harbor\"")
            }
            _ => challenged(realm, r#",scope="registry:catalog:*""#),
        },
        |seen| lasting_token(seen, "elsewhere"),
    )
    .await;
    let backend = backend_as(&server.url(), "admin:SECRET");
    assert_eq!(backend.listing().await.unwrap().ids, [id("aws-provider")]);
    server.take();
    backend.listing().await.unwrap();
    assert_eq!(server.take().len(), 1, "what served is remembered");
}

#[tokio::test]
async fn row_12_a_token_that_ends_for_fifty_callers_at_once_is_fetched_anew_once() {
    let (given, ended) = (AtomicUsize::new(0), Arc::new(AtomicBool::new(false)));
    let has_ended = Arc::clone(&ended);
    let server = guarded(
        move |seen, realm| match token_in(seen) {
            Some("first") if !has_ended.load(Ordering::SeqCst) => {
                Reply::json(r#"{"tags":["1.0.0"]}"#)
            }
            _ => challenged(realm, ""),
        },
        move |seen| match given.fetch_add(1, Ordering::SeqCst) {
            0 => lasting_token(seen, "first"),
            _ => lasting_token(seen, "good"),
        },
    )
    .await;
    let client = Arc::new(client(&server.url(), Credentials::Anonymous));
    assert_eq!(tags(&client).await, Ok(1));
    ended.store(true, Ordering::SeqCst);
    for answer in join_all((0..50).map(|_| tags(&client))).await {
        assert_eq!(answer, Ok(1));
    }
    assert_eq!(server.count("/token"), 2, "the first, and one for all of them");
}

#[tokio::test(start_paused = true)]
async fn o13d_a_token_server_that_limits_is_left_alone_for_as_long_as_callers_are_told() {
    type Answer = fn() -> Reply;
    let answers: [(Answer, u64); 3] = [
        (|| Reply::new(429), 5),
        (|| Reply::new(429).header("retry-after", "60"), 60),
        (
            || {
                Reply::new(403)
                    .header("x-ratelimit-remaining", "0")
                    .header("x-ratelimit-reset", "45")
            },
            45,
        ),
    ];
    for (answer, seconds) in answers {
        let server = guarded(|_, realm| challenged(realm, ""), move |_| answer()).await;
        let client = client(&server.url(), Credentials::Anonymous);
        let retry_after = Duration::from_secs(seconds);
        for _ in 0..3 {
            let kind = tags(&client).await.unwrap_err();
            assert_eq!(kind, ErrorKind::BackendUnavailable { retry_after });
        }
        assert_eq!(server.count("/token"), 1, "{seconds} s");
    }
}

#[tokio::test(start_paused = true)]
async fn row_13_a_token_server_that_fails_hangs_or_never_ends_says_nothing_of_the_registry() {
    type Answer = fn() -> Reply;
    type Expected = fn(ErrorKind) -> bool;
    let answers: [(Answer, Expected); 6] = [
        (|| Reply::new(500), |kind| matches!(kind, ErrorKind::BackendUnavailable { .. })),
        (|| Reply::new(429), |kind| matches!(kind, ErrorKind::BackendUnavailable { .. })),
        (|| Reply::json("").sending(Sending::Silence), |kind| kind == ErrorKind::BackendTimeout),
        (|| Reply::json("").sending(Sending::Dripping), |kind| kind == ErrorKind::BackendTimeout),
        (|| Reply::json("").sending(Sending::Endless), |kind| kind == ErrorKind::BackendFaulty),
        (|| Reply::json("<html>"), |kind| kind == ErrorKind::BackendFaulty),
    ];
    for (answer, expected) in answers {
        let healed = Arc::new(AtomicBool::new(false));
        let heals = Arc::clone(&healed);
        let server = guarded(
            |_, realm| challenged(realm, ""),
            move |seen| if heals.load(Ordering::SeqCst) { good_token(seen) } else { answer() },
        )
        .await;
        let client = client(&server.url(), Credentials::Anonymous);
        let kind = tags(&client).await.unwrap_err();
        assert!(expected(kind), "{:?}: {kind:?}", answer());
        healed.store(true, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_secs(301)).await;
        assert_eq!(tags(&client).await, Ok(1), "{:?}", answer());
    }
}
