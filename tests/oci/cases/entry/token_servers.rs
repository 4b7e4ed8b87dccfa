//! Token servers away from the registry, and challenges and tokens without measure.

use registry_backends::oci::backend::OciBackend;
use registry_backends::oci::credentials::Credentials;
use registry_backends::oci::realm::host_of;
use registry_core::backend::Backend as _;
use registry_core::error::{Error, ErrorKind};
use registry_testing::canary::secret_for;
use registry_testing::chaos::Chaos;
use registry_testing::scripted_registry::{Reply, ScriptedRegistry, Seen};
use registry_testing::token_server::{HOST, USER};

use super::{challenged, guarded, tags};
use crate::oci::{backend_with, client, credentials_of, id};

/// A registry at `localhost`, and its token server at `127.0.0.1`, which is another host.
async fn apart() -> (ScriptedRegistry, String, ScriptedRegistry, Chaos) {
    let tokens = ScriptedRegistry::start_beside(Some(HOST), |seen| {
        let registry = seen.query("service").unwrap();
        Reply::json(format!(r#"{{"token":"{}"}}"#, secret_for(&registry, "good")))
    })
    .await;
    let tls = Chaos::to(tokens.url().trim_start_matches("http://"), true).await;
    let realm = format!("{}/token", tls.url());
    let refuse = move |seen: &Seen, _: &str| {
        challenged(&realm, &format!(",service=\"{}\"", seen.header("host").unwrap()))
    };
    let registry = guarded(refuse, |_| Reply::new(404)).await;
    let url = registry.url().replace("127.0.0.1", "localhost");
    (registry, url, tokens, tls)
}

async fn asked(backend: &OciBackend) -> Result<(), Error> {
    backend.extension(&id("aws-provider")).await.map(|_| ())
}

#[tokio::test]
async fn a_token_server_of_another_domain_is_told_who_we_are_only_where_the_operator_says_so() {
    let (registry, url, tokens, tls) = apart().await;
    let backend = |named: bool| {
        backend_with(&url, |settings| {
            settings.credentials = credentials_of(&url, USER);
            settings.upstream.ca_file = tls.ca_file();
            settings.token_hosts =
                named.then(|| host_of("127.0.0.1").unwrap()).into_iter().collect();
        })
    };
    for _ in 0..2 {
        let refused = asked(&backend(false)).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::BackendFaulty, "{}", refused.report());
        for part in ["127.0.0.1 is outside the domain of localhost", "token_hosts"] {
            assert!(refused.report().contains(part), "{}", refused.report());
            assert!(!refused.message().contains(part), "callers are not told: {refused}");
        }
    }
    assert_eq!(tokens.take(), [""; 0]);
    let named = asked(&backend(true)).await;
    assert!(!named.is_err_and(|error| error.kind() == ErrorKind::BackendFaulty));
    let seen = tokens.seen();
    assert_eq!(seen.len(), 1, "{seen:?}");
    assert!(seen[0].header("authorization").unwrap().starts_with("Basic "));
    assert!(registry.count("/tags/list") >= 2, "and the token serves");
}

#[tokio::test]
async fn without_anything_to_show_a_token_server_of_another_domain_is_asked() {
    let (_registry, url, tokens, tls) = apart().await;
    let backend = backend_with(&url, |settings| {
        settings.upstream.ca_file = tls.ca_file();
        settings.upstream.allow_private_redirects = true;
    });
    let _ = asked(&backend).await;
    let seen = tokens.seen();
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].header("authorization"), None);
}

#[tokio::test]
async fn a_challenge_or_token_longer_than_any_registry_needs_is_none() {
    // The longest is more than any head of an answer that is read whole.
    for (scopes, kind) in [(10_000, ErrorKind::BackendRefused), (100_000, ErrorKind::BackendFaulty)]
    {
        let scopes = format!(",scope=\"{}\"", "a ".repeat(scopes));
        let endless = guarded(move |_, realm| challenged(realm, &scopes), super::good_token).await;
        let asking = client(&endless.url(), Credentials::Anonymous);
        assert_eq!(tags(&asking).await, Err(kind));
        assert_eq!(endless.count("/token"), 0);
    }
    let long = guarded(
        |_, realm| challenged(realm, ""),
        |_| Reply::json(format!(r#"{{"token":"{}"}}"#, "x".repeat(16 * 1024 + 1))),
    )
    .await;
    let asking = client(&long.url(), Credentials::Anonymous);
    assert_eq!(tags(&asking).await, Err(ErrorKind::BackendFaulty));
    assert_eq!((long.count("/tags/list"), long.count("/token")), (1, 1));
}

/// A registry may move its token server: what was remembered of the former must not outlive it.
#[tokio::test]
async fn a_registry_whose_token_server_is_gone_is_asked_where_the_new_one_is() {
    let server = guarded(
        |seen, realm| {
            if seen.query("n").is_some() {
                challenged(realm, &format!(",service=\"{}\"", seen.header("host").unwrap()))
            } else {
                Reply::new(404)
            }
        },
        {
            let given = std::sync::atomic::AtomicUsize::new(0);
            move |seen| match given.fetch_add(1, std::sync::atomic::Ordering::SeqCst) {
                // Good for no time at all, so that the next question needs another one.
                0 => Reply::json(format!(
                    r#"{{"token":"{}","expires_in":1}}"#,
                    super::token_for(seen, "good")
                )),
                1 => Reply::new(404),
                _ => super::good_token(seen),
            }
        },
    )
    .await;
    let asking = client(&server.url(), Credentials::Anonymous);
    assert_eq!(tags(&asking).await, Ok(1));
    assert_eq!(tags(&asking).await, Err(ErrorKind::BackendFaulty));
    server.take();
    assert_eq!(tags(&asking).await, Ok(1));
    let asked = server.take();
    assert_eq!(asked.len(), 3, "without a token, for one, and with it: {asked:?}");
}

#[tokio::test]
async fn no_redirect_of_a_token_server_is_followed() {
    let stranger = ScriptedRegistry::start(|_| Reply::json(r#"{"token":"x"}"#)).await;
    for status in [301, 302, 303, 307, 308] {
        let away = stranger.url();
        let server = guarded(
            |_, realm| challenged(realm, ""),
            move |seen| {
                let here = format!("http://{}/elsewhere", seen.header("host").unwrap());
                let to = if status == 307 { away.clone() } else { here };
                Reply::new(status).header("location", to).header("set-cookie", "canary=1")
            },
        )
        .await;
        for credentials in ["user:SECRET", "<token>:SECRET"] {
            let asking = client(&server.url(), credentials_of(&server.url(), credentials));
            assert_eq!(tags(&asking).await, Err(ErrorKind::BackendFaulty), "{status}");
            assert_eq!(server.count("/elsewhere"), 0, "{status}");
        }
    }
    assert_eq!(stranger.take(), [""; 0]);
}

/// Whoever may open a port on the registry's machine is not the registry, whose origin is more than
/// its host.
#[tokio::test]
async fn s12b_a_token_server_at_another_port_gets_nothing_unless_it_is_named() {
    let tokens = ScriptedRegistry::start_beside(Some(HOST), |seen| {
        let registry = seen.query("service").unwrap();
        Reply::json(format!(r#"{{"token":"{}"}}"#, secret_for(&registry, "good")))
    })
    .await;
    let realm = format!("{}/token", tokens.url());
    let refuse = move |seen: &Seen, _: &str| {
        challenged(&realm, &format!(",service=\"{}\"", seen.header("host").unwrap()))
    };
    let registry = guarded(refuse, |_| Reply::new(404)).await;
    let url = registry.url();
    let other = tokens.url().replace("http://", "");
    let backend = |credentials: &str, named: Option<&str>| {
        backend_with(&url, |settings| {
            if !credentials.is_empty() {
                settings.credentials = credentials_of(&url, credentials);
            }
            settings.token_hosts = named.map(|host| host_of(host).unwrap()).into_iter().collect();
        })
    };
    for credentials in [USER, "<token>:SECRET", ""] {
        let refused = asked(&backend(credentials, None)).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::BackendFaulty, "{}", refused.report());
        for part in [other.as_str(), url.trim_start_matches("http://"), "token_hosts"] {
            assert!(refused.report().contains(part), "{}", refused.report());
            assert!(!refused.message().contains(part), "callers are not told: {refused}");
        }
        assert_eq!(tokens.take(), [""; 0], "{credentials}");
    }
    for named in ["127.0.0.1", &other] {
        let told = asked(&backend(USER, Some(named))).await;
        assert!(!told.is_err_and(|error| error.kind() == ErrorKind::BackendFaulty), "{named}");
        assert_eq!(tokens.take().len(), 1, "{named}");
    }
}
