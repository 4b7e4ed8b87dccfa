//! Who sees what, on every route: the matrix of caller, entry and route, made of docs/openapi.json,
//! so that a new route is in it by itself.

mod matrix;
mod world;

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::sync::Arc;

use matrix::{Asked, Operation, operations};
use registry_backends::gitea::webhook::GiteaWebhooks;
use registry_core::backend::webhook::WebhookReceiver;
use registry_core::models::backend_id::BackendId;
use registry_core::models::digest::Digest;
use registry_core::models::scope::Scope;
use registry_core::token_bucket::Rate;
use registry_server::edge::admission::Admission;
use registry_server::edge::auth::{ClientAuth, ClientTokens};
use registry_server::edge::middleware::HttpRules;
use registry_server::edge::rate_limit::RateLimiter;
use registry_testing::canary::{CLIENT, OTHER_CLIENT, WEBHOOK};
use reqwest::header::{HeaderMap, HeaderValue};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use world::{Entry, SHOWN, UNSEEN, World};

use crate::support::served::{Got, Served, Setup};

/// What is answered without a token; webhooks then ask for a signature.
const OPEN: [&str; 4] = ["/health", "/health/live", "/health/ready", "/webhooks/{backend}"];
/// What a proxy, a framework or Gitea would take for more than a client's own word.
const CLAIMS: [(&str, &str); 8] = [
    ("forwarded", "for=127.0.0.1;by=127.0.0.1"),
    ("x-forwarded-for", "127.0.0.1"),
    ("x-forwarded-user", "admin"),
    ("x-remote-user", "admin"),
    ("x-original-url", "/api/v1/health"),
    ("x-http-method-override", "GET"),
    ("sudo", "admin"),
    ("cookie", "session=admin"),
];

async fn served(world: &World, auth: Option<ClientAuth>) -> Served {
    // With shares, which every answer tells of, and which nobody here uses up.
    let many = NonZeroU32::new(1_000_000).unwrap();
    let rate = || Some(RateLimiter::new(Rate { per_second: many, burst: many }));
    let guesses = RateLimiter::new(Rate { per_second: many, burst: many });
    let auth = auth.map(Arc::new);
    let admission = Admission { auth, guesses, rate: rate(), ..Admission::default() };
    let defaults = Setup::default();
    let http = HttpRules { admission: Arc::new(admission), ..defaults.http };
    let receiver = GiteaWebhooks::new(&WEBHOOK.to_owned().into(), "ext".parse().unwrap()).unwrap();
    let receivers: Vec<(BackendId, Arc<dyn WebhookReceiver>)> =
        vec![(BackendId::GITEA, Arc::new(receiver))];
    let setup = Setup { http, receivers, ..Setup::default() };
    let served = Served::with(world.backends(), setup).await;
    served.catalog.syncer.sync(Scope::All).await.unwrap();
    served
}

fn auth() -> ClientAuth {
    let line = |client: &str, token: &str, expires: &str| {
        format!("{client} {} {expires}\n", Digest::sha256(token.as_bytes()).hex())
    };
    let tokens = line("ci", CLIENT, "") + &line("old", OTHER_CLIENT, "2020-01-01T00:00:00Z");
    ClientAuth::new(tokens.parse::<ClientTokens>().unwrap())
}

async fn ask(served: &Served, asked: &Asked, headers: &[(&str, &str)]) -> Got {
    let body = if asked.method == Method::POST { asked.body.clone() } else { String::new() };
    served.send_body(asked.method.clone(), &asked.target, headers, body.into()).await
}

fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

fn claiming(token: &str) -> Vec<(&str, &str)> {
    [&CLAIMS[..], &[("authorization", token)]].concat()
}

/// All that a caller can compare of an answer.
fn all_of(got: &Got) -> String {
    let mut headers: HeaderMap = got.headers.clone();
    // What is of one answer stays where it is among the others.
    for own in ["date", "x-request-id", "ratelimit"] {
        if let Some(value) = headers.get_mut(own) {
            *value = HeaderValue::from_static("");
        }
    }
    // In the order in which they are sent.
    let headers: Vec<_> = headers.iter().collect();
    format!("{} {headers:?} {}", got.status, got.text())
}

/// What an answer shows that is not shown, or says otherwise than it should.
fn wrong_in(asked: &Asked, got: &Got, entries: &[Entry]) -> Option<String> {
    let text = String::from_utf8_lossy(&got.body);
    let told = |what: &str| Some(format!("{} {}: {what}: {text}", asked.method, asked.target));
    if text.contains(UNSEEN) {
        return told("shows what it holds");
    }
    if got.status.is_server_error() || asked.names_unseen && !got.status.is_client_error() {
        return told(got.status.as_str());
    }
    let mut words = BTreeSet::new();
    serde_json::from_slice(&got.body).ok().into_iter().for_each(|json| words_of(&json, &mut words));
    let hidden = entries
        .iter()
        .filter(|entry| !entry.shown)
        .map(|entry| if SHOWN.contains(&entry.name) { entry.version.as_str() } else { entry.name });
    hidden.into_iter().find(|hidden| *hidden != "1.0.0" && words.contains(*hidden)).and_then(told)
}

/// Every text of a document, but what `/health` tells operators that it cannot serve.
fn words_of(json: &Value, words: &mut BTreeSet<String>) {
    match json {
        Value::String(text) => {
            words.insert(text.clone());
        }
        Value::Array(rows) => rows.iter().for_each(|row| words_of(row, words)),
        Value::Object(fields) => {
            let fields = fields.iter().filter(|(name, _)| *name != "faults");
            fields.for_each(|(_, value)| words_of(value, words));
        }
        _ => {}
    }
}

#[tokio::test]
async fn who_is_let_in_sees_on_every_route_what_is_shown_and_nothing_else() {
    let world = World::new().await;
    let mut wrong = BTreeSet::new();
    for operation in operations() {
        let matrix = operation.matrix(&world.entries);
        // For each route anew: what another one taught the service may hide what this one shows.
        let open = served(&world, None).await;
        let closed = served(&world, Some(auth())).await;
        let mut good = 0;
        for asked in &matrix {
            let got = ask(&open, asked, &[]).await;
            good += usize::from(got.status.is_success());
            let claimed = ask(&closed, asked, &claiming(&bearer(CLIENT))).await;
            assert_eq!(claimed.status, got.status, "{asked:?} with a token, and claims of more");
            wrong.extend(wrong_in(asked, &got, &world.entries));
            wrong.extend(wrong_in(asked, &claimed, &world.entries));
        }
        assert!(good > 0 || operation.method == Method::POST, "{}", operation.template);
        for asked in matrix.into_iter().filter(|asked| asked.method == Method::GET) {
            let asked = Asked { method: Method::HEAD, ..asked };
            let got = ask(&open, &asked, &[]).await;
            wrong.extend(wrong_in(&asked, &got, &world.entries));
        }
    }
    assert_eq!(wrong, BTreeSet::new());
}

#[tokio::test]
async fn who_is_not_let_in_learns_on_no_route_whether_anything_is_there() {
    let world = World::new().await;
    let served = served(&world, Some(auth())).await;
    let (wrong, expired) = (bearer(&format!("{CLIENT}x")), bearer(OTHER_CLIENT));
    for operation in operations() {
        let Operation { template, method, is_open, .. } = &operation;
        assert_eq!(*is_open, OPEN.contains(&template.as_str()), "{template} in the contract");
        // What is kept, and what a target means once it was asked for, is as closed.
        for asked in operation.ends(world.entries.iter().filter(|entry| entry.shown)) {
            ask(&served, &asked, &[("authorization", &bearer(CLIENT))]).await;
        }
        let mut answers = BTreeSet::new();
        for asked in operation.ends(&world.entries) {
            for token in [None, Some(&wrong), Some(&expired)] {
                let headers = token.map_or(CLAIMS.to_vec(), |token| claiming(token));
                let got = ask(&served, &asked, &headers).await;
                if template.starts_with("/health") {
                    assert_eq!(got.status, StatusCode::OK);
                    assert!(!got.text().contains("provider"), "{template}: {}", got.text());
                } else {
                    answers.insert(all_of(&got));
                    let told = got.header("www-authenticate").starts_with("Bearer ");
                    assert!(told || *is_open, "{asked:?}: {got:?}");
                }
            }
            for method in [Method::HEAD, Method::DELETE].into_iter().filter(|_| !is_open) {
                let status = ask(&served, &Asked { method, ..asked.clone() }, &[]).await.status;
                assert_eq!(status, StatusCode::UNAUTHORIZED, "{asked:?}");
            }
        }
        // One without a token, one with a wrong one.
        let expected = if *is_open { usize::from(method == Method::POST) } else { 2 };
        assert_eq!(answers.len(), expected, "{template}: {answers:?}");
    }
}

#[tokio::test]
async fn health_names_what_cannot_be_served_to_clients_alone() {
    let world = World::new().await;
    let served = served(&world, Some(auth())).await;
    let gitea = async |headers: &[(&str, &str)]| {
        served.get_with("/health", headers).await.json()["backends"]["gitea"].clone()
    };
    let told = gitea(&[("authorization", &bearer(CLIENT))]).await;
    assert!(told["faults"].to_string().contains("provider/off"), "{told}");
    for headers in [Vec::new(), claiming(&bearer(OTHER_CLIENT))] {
        let told = gitea(&headers).await;
        assert_eq!((&told["faults"], &told["extensions"]), (&json!([]), &1.into()));
    }
}
