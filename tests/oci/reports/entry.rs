//! Being let in: reports O11, O12, O16, O18.

use std::sync::atomic::{AtomicBool, Ordering};

use registry_backends::oci::address::RegistryAddress;
use registry_backends::oci::credentials::{Credentials, InvalidCredentials};
use registry_backends::oci::settings::read_credentials;
use registry_core::backend::Backend as _;
use registry_core::models::artifact::Artifact;
use registry_core::models::digest::Digest;
use registry_testing::canary::secret_for;
use registry_testing::scripted_registry::{Reply, ScriptedRegistry, Seen};
use secrecy::ExposeSecret as _;

use crate::oci::{backend, backend_as, client, credentials_of, id, repository};

fn parsed(text: &str, registry: &str) -> Result<Credentials, InvalidCredentials> {
    let registry: RegistryAddress = registry.parse().unwrap();
    Credentials::parse(text, &registry, &"Team/infra".parse().unwrap())
}

fn user_of(credentials: &Credentials) -> &str {
    match credentials {
        Credentials::Password { user, .. } => user,
        _ => panic!("no password"),
    }
}

#[test]
fn o11_hosts_are_compared_with_their_ports() {
    for (registry, key, found) in [
        ("host:443", "host:443", true),
        ("host", "host:443", true),
        ("host:443", "host", true),
        ("http://host:80", "host:80", true),
        ("http://host", "host:80", true),
        ("http://host:443", "host:443", true),
        ("http://host:443", "host", false),
        ("host:443", "https://host:443/v2/", true),
        ("host", "host:80", false),
        ("host", "host:5000", false),
        ("[::1]:443", "[::1]:443", true),
        ("[::1]:443", "[0:0:0:0:0:0:0:1]", true),
        ("HOST", "HTTPS://host:443", true),
        ("host", "host:443/Team", true),
        ("host", "host/TEAM/infra", true),
        ("bücher.example", "bücher.example", true),
        ("docker.io", "registry-1.docker.io:443", true),
    ] {
        let text = format!(r#"{{"auths":{{"{key}":{{"auth":"dTpw"}}}}}}"#);
        let parsed = parsed(&text, registry);
        assert_eq!(parsed.is_ok(), found, "{key} for {registry}: {parsed:?}");
    }
    let helper = parsed(r#"{"credHelpers":{"host:443":"gcloud"}}"#, "host");
    assert!(matches!(helper, Err(InvalidCredentials::Helper(_))), "{helper:?}");
}

#[test]
fn o11b_the_scheme_of_a_registry_is_read_without_case() {
    for text in ["HTTPS://host", "Https://host:443/"] {
        let address: RegistryAddress = text.parse().unwrap();
        assert_eq!(address.base().as_str(), "https://host/");
    }
    assert_eq!(
        "HTTP://host:80".parse::<RegistryAddress>().unwrap().base().as_str(),
        "http://host/"
    );
}

#[test]
fn o12_a_document_is_never_taken_for_a_password() {
    let config = r#"{"auths":{"host":{"auth":"dTpw"},"other":{"auth":"c2VjcmV0OnNlY3JldA=="}}}"#;
    let marked = format!("\u{feff}{config}");
    assert_eq!(user_of(&parsed(&marked, "host").unwrap()), "u");
    assert_eq!(user_of(&parsed(&format!("\u{feff} \n{config}"), "host").unwrap()), "u");
    for before in
        ["\u{200b}", "[", "'", "\"", "\u{feff}\u{feff}x", "auths:", "export=", "\0", ")]}'"]
    {
        let text = format!("{before}{config}");
        let refused = parsed(&text, "host");
        assert!(refused.is_err(), "{before:?}: {refused:?}");
        assert!(!refused.unwrap_err().to_string().contains("dTpw"), "{before:?}");
    }
    let plain = parsed("\u{feff}user:pass", "host").unwrap();
    let Credentials::Password { user, password } = plain else { panic!("a password") };
    assert_eq!((user.as_str(), password.expose_secret()), ("user", "pass"));
    let Credentials::Token(token) = parsed("\u{feff}token\n", "host").unwrap() else { panic!() };
    assert_eq!(token.expose_secret(), "token");
    for good in ["robot$acme+x:p{\"[", "AWS:eyJ9", r"corp\me:p", "me@example.com:a'b", "<token>:x"]
    {
        assert!(parsed(good, "host").is_ok(), "{good}");
    }
}

#[test]
fn o12b_a_file_in_another_encoding_stops_the_start() {
    let dir = tempfile::TempDir::new().unwrap();
    let path = dir.path().join("config.json");
    let config = r#"{"auths":{"host":{"auth":"dTpw"}}}"#;
    let little: Vec<u8> = config.encode_utf16().flat_map(u16::to_le_bytes).collect();
    std::fs::write(&path, [b"\xff\xfe".to_vec(), little.clone()].concat()).unwrap();
    let read = || read_credentials(&path, &"host".parse().unwrap(), &"team".parse().unwrap());
    assert!(read().is_err(), "UTF-16");
    std::fs::write(&path, little).unwrap();
    assert!(read().is_err(), "UTF-16 without its mark is text with zero bytes");
}

#[test]
fn o12c_one_bad_entry_of_a_configuration_costs_no_other() {
    let text = r#"{"auths":{"other":null,"third":{"auth":5},"host":{"auth":"dTpw","email":null}},
        "credHelpers":null,"credsStore":""}"#;
    assert_eq!(user_of(&parsed(text, "host").unwrap()), "u");
}

/// A planted token for whoever is asked.
fn token(seen: &Seen) -> String {
    secret_for(seen.header("host").unwrap(), "good")
}

/// A registry that offers both ways in, and whose token server answers so.
async fn offering(token: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> ScriptedRegistry {
    ScriptedRegistry::start(move |seen| {
        if seen.path() == "/token" {
            return token(seen);
        }
        if seen.header("authorization").is_some_and(|shown| shown.starts_with("Basic ")) {
            return Reply::json(r#"{"name":"x","tags":["1.0.0"]}"#);
        }
        let realm = format!("http://{}/token", seen.header("host").unwrap());
        Reply::new(401)
            .header("www-authenticate", format!("Bearer realm=\"{realm}\",service=\"s\""))
            .header("www-authenticate", "Basic realm=\"r\"")
    })
    .await
}

#[tokio::test]
async fn o16_a_password_is_tried_where_its_token_server_does_not_serve() {
    let html = || Reply::new(200).header("content-type", "text/html").bytes("<html>");
    let answers: [(&str, Reply); 6] = [
        ("404", Reply::new(404)),
        ("401", Reply::new(401)),
        ("405", Reply::new(405)),
        ("html", html()),
        ("no token", Reply::json("{}")),
        ("redirect", Reply::new(302).header("location", "https://elsewhere.invalid/")),
    ];
    for (what, answer) in answers {
        let server = offering(move |_| answer.clone()).await;
        let asking = client(&server.url(), credentials_of(&server.url(), "user:SECRET"));
        let found = asking.lister().tags(&repository("aws-provider")).await;
        assert_eq!(found.unwrap().names, ["1.0.0"], "{what}");
        assert_eq!(server.count("/token"), 1, "{what}");
        server.take();
        asking.lister().tags(&repository("aws-provider")).await.unwrap();
        assert_eq!(server.take().len(), 1, "{what}: the way in is remembered");
    }
}

#[tokio::test]
async fn o16b_a_token_server_that_goes_away_later_is_done_without_too() {
    static GONE: AtomicBool = AtomicBool::new(false);
    let server = ScriptedRegistry::start(|seen| {
        let shown = seen.header("authorization").unwrap_or_default();
        match (seen.path(), GONE.load(Ordering::SeqCst)) {
            ("/token", true) => Reply::new(404),
            ("/token", false) => {
                Reply::json(format!(r#"{{"token":"{}","expires_in":1}}"#, token(seen)))
            }
            (_, gone)
                if shown.starts_with("Basic ") && gone
                    || shown == format!("Bearer {}", token(seen)) =>
            {
                Reply::json(r#"{"name":"x","tags":["1.0.0"]}"#)
            }
            _ => {
                let realm = format!("http://{}/token", seen.header("host").unwrap());
                let both = format!("Bearer realm=\"{realm}\", Basic realm=\"r\"");
                Reply::new(401).header("www-authenticate", both)
            }
        }
    })
    .await;
    let asking = client(&server.url(), credentials_of(&server.url(), "user:SECRET"));
    asking.lister().tags(&repository("aws-provider")).await.unwrap();
    GONE.store(true, Ordering::SeqCst);
    let found = asking.lister().tags(&repository("aws-provider")).await;
    assert_eq!(found.unwrap().names, ["1.0.0"]);
}

#[tokio::test]
async fn o16c_where_neither_serves_the_token_servers_failure_is_told() {
    let server = ScriptedRegistry::start(|seen| {
        if seen.path() == "/token" {
            Reply::new(404)
        } else {
            let realm = format!("http://{}/token", seen.header("host").unwrap());
            let both = format!("Bearer realm=\"{realm}\", Basic realm=\"r\"");
            Reply::new(401).header("www-authenticate", both)
        }
    })
    .await;
    let asking = client(&server.url(), credentials_of(&server.url(), "user:SECRET"));
    let error = asking.lister().tags(&repository("aws-provider")).await.unwrap_err();
    assert!(error.message().contains("token server"), "{error}");
    let anonymous = client(&server.url(), Credentials::Anonymous);
    let error = anonymous.lister().tags(&repository("aws-provider")).await.unwrap_err();
    assert!(error.message().contains("token server"), "{error}");
}

#[tokio::test]
async fn o16d_a_token_that_says_its_lifetime_as_text_is_a_token() {
    for lifetime in ["\"300\"", "300.0", "null", "-1", "{}"] {
        let server = ScriptedRegistry::start(move |seen| match seen.path() {
            "/token" => {
                Reply::json(format!(r#"{{"token":"{}","expires_in":{lifetime}}}"#, token(seen)))
            }
            _ if seen.header("authorization").is_some() => {
                Reply::json(r#"{"name":"x","tags":["1.0.0"]}"#)
            }
            _ => {
                let realm = format!("http://{}/token", seen.header("host").unwrap());
                Reply::new(401).header("www-authenticate", format!("Bearer realm=\"{realm}\""))
            }
        })
        .await;
        let asking = client(&server.url(), Credentials::Anonymous);
        let found = asking.lister().tags(&repository("aws-provider")).await;
        assert_eq!(found.unwrap().names, ["1.0.0"], "{lifetime}");
    }
}

fn artifact() -> Artifact {
    let digest = Digest::sha256(b"archive");
    Artifact {
        key: registry_core::models::artifact::ArtifactKey::new(digest.to_string()),
        file_name: "a.tar.gz".into(),
        size: 7,
        digest: Some(digest),
        url: None,
    }
}

#[tokio::test]
async fn o18_a_refused_redirect_says_what_allows_it() {
    let away = ["http://10.1.2.3/blob", "http://127.0.0.2/blob", "http://[fd00::1]/blob"];
    for away in away {
        let server =
            ScriptedRegistry::start(move |_| Reply::new(307).header("location", away)).await;
        let opened = backend(&server.url()).open(&id("aws-provider"), &artifact(), None).await;
        let error = opened.err().unwrap();
        assert!(error.message().contains("allow_private_redirects"), "{away}: {error}");
        let manifest = backend(&server.url())
            .version(&id("aws-provider"), &"1.0.0".parse().unwrap())
            .await
            .unwrap_err();
        assert!(manifest.report().contains("allow_private_redirects"), "{}", manifest.report());
    }
}

#[tokio::test]
async fn o18b_a_registry_that_wants_https_is_said_to() {
    let server = ScriptedRegistry::start(|seen| {
        let host = seen.header("host").unwrap().split(':').next().unwrap().to_owned();
        Reply::new(301).header("location", format!("https://{host}{}", seen.target))
    })
    .await;
    let asking = backend(&server.url());
    for error in [
        asking.probe().await.unwrap_err(),
        asking.listing().await.unwrap_err(),
        asking.extension(&id("aws-provider")).await.unwrap_err(),
        asking.version(&id("aws-provider"), &"1.0.0".parse().unwrap()).await.unwrap_err(),
        asking.open(&id("aws-provider"), &artifact(), None).await.err().unwrap(),
    ] {
        assert!(error.report().contains("https://"), "{}", error.report());
    }
}

#[tokio::test]
async fn o18c_a_token_server_at_a_private_address_is_to_be_named() {
    let server = ScriptedRegistry::start(|_| {
        Reply::new(401)
            .header("www-authenticate", "Bearer realm=\"https://10.1.2.3/token\",service=\"s\"")
    })
    .await;
    for who in ["", "user:SECRET"] {
        let asking =
            if who.is_empty() { backend(&server.url()) } else { backend_as(&server.url(), who) };
        let error = asking.extension(&id("aws-provider")).await.unwrap_err();
        assert!(error.report().contains("token_hosts"), "{}", error.report());
    }
}
