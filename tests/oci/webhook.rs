//! Notices as recorded and as documented, good and bad.

use base64::Engine as _;
use hyper::HeaderMap;
use registry_backends::oci::webhook::OciWebhooks;
use registry_core::backend::webhook::{Delivery, WebhookError, WebhookReceiver as _};
use registry_testing::canary::WEBHOOK;
use serde_json::{Value, json};

use super::id;

const DELIVERIES: &str = include_str!("../fixtures/distribution-notifications.jsonl");

fn receiver() -> OciWebhooks {
    receiver_of(WEBHOOK)
}

fn receiver_of(secret: &str) -> OciWebhooks {
    OciWebhooks::new(&secret.to_owned().into(), "provisioning".parse().unwrap()).unwrap()
}

fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    let parsed = pairs.iter().map(|(name, value)| {
        let name: hyper::header::HeaderName = name.parse().unwrap();
        (name, value.parse().unwrap())
    });
    parsed.collect()
}

fn recorded() -> Vec<(HeaderMap, String)> {
    let read = |line: &str| {
        let exchange: Value = serde_json::from_str(line).unwrap();
        let sent = exchange["request"]["headers"].as_object().unwrap().clone();
        let pairs: Vec<(&str, &str)> =
            sent.iter().map(|(name, value)| (name.as_str(), value.as_str().unwrap())).collect();
        (headers(&pairs), exchange["request"]["body"].as_str().unwrap().to_owned())
    };
    DELIVERIES.lines().map(read).collect()
}

#[expect(clippy::unnecessary_wraps, reason = "it is compared with results")]
fn fresh() -> Result<Delivery, WebhookError> {
    Ok(Delivery::Changed(vec![id("fresh-provider")]))
}

#[test]
fn recorded_deliveries_name_what_changed() {
    let receiver = receiver_of("webhook-secret");
    let expected = [Ok(Delivery::Ignored), Ok(Delivery::Ignored), fresh(), fresh(), fresh()];
    for ((headers, body), expected) in recorded().into_iter().zip(expected) {
        assert_eq!(receiver.receive(&headers, body.as_bytes()), expected);
    }
    for (headers, body) in &recorded()[2..] {
        assert_eq!(receiver.receive(headers, body.as_bytes()), Ok(Delivery::Replayed));
        receiver.forget(headers, body.as_bytes());
        assert_eq!(receiver.receive(headers, body.as_bytes()), fresh(), "it was lost");
    }
}

#[test]
fn nothing_is_read_without_the_secret() {
    let (_, body) = recorded().remove(2);
    let basic = base64::engine::general_purpose::STANDARD.encode(format!("zot:{WEBHOOK}"));
    for (value, good) in [
        (format!("Bearer {WEBHOOK}").as_str(), true),
        (WEBHOOK, true),
        (format!("Basic {basic}").as_str(), true),
        (format!("Bearer {}", &WEBHOOK[..WEBHOOK.len() - 1]).as_str(), false),
        (format!("Bearer {WEBHOOK}2").as_str(), false),
        ("Bearer ", false),
        ("Basic !", false),
        (format!("Digest {WEBHOOK}").as_str(), false),
        ("", false),
    ] {
        let found = receiver().receive(&headers(&[("authorization", value)]), body.as_bytes());
        let expected = if good { fresh() } else { Err(WebhookError::Unsigned) };
        assert_eq!(found, expected, "{value}");
    }
    let found = receiver().receive(&HeaderMap::new(), body.as_bytes());
    assert_eq!(found, Err(WebhookError::Unsigned));
    let none = OciWebhooks::new(&" \n".to_owned().into(), "provisioning".parse().unwrap());
    assert!(none.is_err(), "an empty secret would let everyone in");
}

#[test]
fn events_of_zot_name_what_changed() {
    let data = json!({"name": "provisioning/aws-provider", "reference": "1.0.0", "digest": "x"});
    let changed = Ok(Delivery::Changed(vec![id("aws-provider")]));
    for (kind, expected) in [
        ("zotregistry.image.updated", changed.clone()),
        ("zotregistry.image.deleted", changed.clone()),
        ("zotregistry.repository.created", changed),
        ("zotregistry.image.lint_failed", Ok(Delivery::Ignored)),
        ("other", Ok(Delivery::Ignored)),
    ] {
        let bearer = format!("Bearer {WEBHOOK}");
        let signed = [("authorization", bearer.as_str()), ("ce-type", kind), ("ce-id", "1")];
        let found = receiver().receive(&headers(&signed), data.to_string().as_bytes());
        assert_eq!(found, expected, "{kind}");
    }
}

#[test]
fn foreign_repositories_and_nonsense_start_nothing() {
    let of = |repository: &str| {
        let target = json!({
            "repository": repository, "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "url": "http://169.254.169.254/",
        });
        json!({"events": [{"id": repository, "action": "push", "target": target}]}).to_string()
    };
    let signed = headers(&[("authorization", format!("Bearer {WEBHOOK}").as_str())]);
    let receiver = receiver();
    for (body, expected) in [
        (of("other/aws-provider"), Ok(Delivery::Ignored)),
        (of("provisioning/docs"), Ok(Delivery::Ignored)),
        (of("provisioning/../x-provider"), Ok(Delivery::Ignored)),
        (json!({"events": [{"action": "pull"}]}).to_string(), Ok(Delivery::Ignored)),
        (json!({"events": []}).to_string(), Ok(Delivery::Ignored)),
        ("{}".to_owned(), Err(WebhookError::Malformed)),
        ("[]".to_owned(), Err(WebhookError::Malformed)),
        (String::new(), Err(WebhookError::Malformed)),
    ] {
        assert_eq!(receiver.receive(&signed, body.as_bytes()), expected, "{body}");
    }
}
