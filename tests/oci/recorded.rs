//! The played registries held to what the real ones said, exchange by exchange.

use base64::Engine as _;
use bytes::Bytes;
use hyper::Method;
use registry_testing::played_registry::{Dialect, PlayedRegistry};
use registry_testing::pusher::Pusher;
use registry_testing::registry_store::Store;
use registry_testing::scripted_registry::ScriptedRegistry;
use serde_json::Value;

const ZOT: &str = include_str!("../fixtures/zot.jsonl");
const DISTRIBUTION: &str = include_str!("../fixtures/distribution-2.8.jsonl");

/// Headers that a reader can rely on.
const COMPARED: [&str; 8] = [
    "content-type",
    "content-length",
    "content-range",
    "accept-ranges",
    "docker-content-digest",
    "docker-distribution-api-version",
    "etag",
    "link",
];

/// The ids of exchanges that the played registry answers otherwise.
async fn differing(dialect: Dialect, recorded: &str) -> Vec<String> {
    let played = PlayedRegistry::new(dialect, Store::of_recorded_zot());
    let server = ScriptedRegistry::start(move |seen| played.answer(seen)).await;
    let client = Pusher::new(&server.url(), None);
    let mut differing = Vec::new();
    for line in recorded.lines() {
        let exchange: Value = serde_json::from_str(line).unwrap();
        let request = &exchange["request"];
        let method: Method = request["method"].as_str().unwrap().parse().unwrap();
        let headers: Vec<(&str, &str)> = request["headers"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str().unwrap()))
            .collect();
        let path = request["path"].as_str().unwrap();
        let (status, found, body) = client.send(method, path, &headers, Bytes::new()).await;
        let expected = &exchange["response"];
        let same = expected["status"] == status.as_u16()
            && COMPARED.iter().all(|name| is_same_header(name, expected, &found))
            && is_same_body(expected, &body);
        if !same {
            differing.push(exchange["id"].as_str().unwrap().to_owned());
        }
    }
    differing
}

fn is_same_header(name: &str, expected: &Value, found: &hyper::HeaderMap) -> bool {
    let headers = expected["headers"].as_object().unwrap();
    let header = |wanted: &str| {
        headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(wanted)).map(|(_, value)| value)
    };
    // The length of JSON depends on how it is written, and half of the errors are prose.
    let of_json =
        header("content-type").is_some_and(|kind| kind.as_str().unwrap().contains("json"));
    if name == "content-length" && of_json {
        return true;
    }
    header(name).and_then(Value::as_str) == found.get(name).map(|value| value.to_str().unwrap())
}

fn is_same_body(expected: &Value, found: &Bytes) -> bool {
    if let Some(encoded) = expected["body_base64"].as_str() {
        return base64::engine::general_purpose::STANDARD.decode(encoded).unwrap() == *found;
    }
    let text = expected["body"].as_str().unwrap_or_default();
    if text.as_bytes() == found {
        return true;
    }
    let read = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).ok().map(essence);
    read(text.as_bytes()).is_some() && read(text.as_bytes()) == read(found)
}

/// What of a body matters: tags in any order, errors by their codes.
fn essence(mut body: Value) -> Value {
    if let Some(tags) = body.get_mut("tags").and_then(Value::as_array_mut) {
        tags.sort_by_key(ToString::to_string);
    }
    for error in body.get_mut("errors").and_then(Value::as_array_mut).into_iter().flatten() {
        *error = error["code"].clone();
    }
    body
}

#[tokio::test]
async fn the_played_zot_answers_as_the_recorded_one() {
    let differing = differing(Dialect::Zot, ZOT).await;
    assert_eq!(differing, [""; 0]);
}

#[tokio::test]
async fn the_played_distribution_answers_as_the_recorded_one() {
    let differing = differing(Dialect::Distribution, DISTRIBUTION).await;
    // The recorded registry held repositories of a load test beside those of the storage.
    assert_eq!(differing, ["catalog", "catalog-p1"]);
}
