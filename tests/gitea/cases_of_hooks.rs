//! Cases of webhooks, and the recorded deliveries.

use hmac::{Hmac, KeyInit as _, Mac as _};
use hyper::header::HeaderMap;
use registry_backends::gitea::webhook::GiteaWebhooks;
use registry_core::backend::webhook::{Delivery, WebhookError, WebhookReceiver as _};
use registry_testing::fake_gitea::recorded::{DELIVERIES, Exchange};
use registry_testing::fake_gitea::state::ORGANIZATION;

use super::id;

const SECRET: &str = "webhook-secret";

fn receiver(organization: &str) -> GiteaWebhooks {
    GiteaWebhooks::new(&SECRET.to_owned().into(), organization.parse().unwrap()).unwrap()
}

fn receive(receiver: &GiteaWebhooks, one: &Exchange) -> Result<Delivery, WebhookError> {
    receiver.receive(&one.request_headers(), one.request_body().as_bytes())
}

/// The first delivery of this event.
fn delivery(event: &str) -> &'static Exchange {
    DELIVERIES.iter().find(|one| one.request_headers()["x-gitea-event"] == event).unwrap()
}

fn signed(event: &str, body: &str) -> HeaderMap {
    let mac = Hmac::<sha2::Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    let signature = mac.chain_update(body).finalize().into_bytes();
    let hex: String = signature.iter().map(|byte| format!("{byte:02x}")).collect();
    let pair =
        |(name, value): (&'static str, &str)| (name.parse().unwrap(), value.parse().unwrap());
    [("x-gitea-event", event), ("x-gitea-signature", &hex)].map(pair).into_iter().collect()
}

#[test]
fn case_17_a_delivery_without_our_signature_is_no_delivery() {
    let receiver = receiver(ORGANIZATION);
    let one = delivery("release");
    let (good, body) = (one.request_headers(), one.request_body().as_bytes());
    let with = |value: &str| {
        let mut headers = good.clone();
        headers.insert("x-gitea-signature", value.parse().unwrap());
        headers
    };
    let mut without = good.clone();
    for name in ["x-gitea-signature", "x-gogs-signature", "x-hub-signature", "x-hub-signature-256"]
    {
        without.remove(name);
    }
    let right = good["x-gitea-signature"].to_str().unwrap().to_owned();
    for headers in
        [without, with(""), with("sha256="), with(&"0".repeat(64)), with(&right[..62]), with("é")]
    {
        assert_eq!(receiver.receive(&headers, body), Err(WebhookError::Unsigned));
    }
    let form = format!("payload={}", one.request_body());
    assert_eq!(receiver.receive(&good, form.as_bytes()), Err(WebhookError::Unsigned));
    assert_eq!(receiver.receive(&good, &body[..body.len() - 1]), Err(WebhookError::Unsigned));
    assert!(
        matches!(receiver.receive(&good, body), Ok(Delivery::Changed(_))),
        "none was remembered"
    );
    assert!(GiteaWebhooks::new(&" \n".to_owned().into(), ORGANIZATION.parse().unwrap()).is_err());
}

#[test]
fn case_18_deliveries_may_come_twice_and_in_any_order() {
    let receiver = receiver(ORGANIZATION);
    for one in DELIVERIES.iter().rev() {
        assert_ne!(receive(&receiver, one).unwrap(), Delivery::Replayed, "{}", one.id());
    }
    for one in DELIVERIES.iter() {
        let again = receive(&receiver, one).unwrap();
        assert!(!matches!(again, Delivery::Changed(_)), "{}: no work twice", one.id());
    }
    // The delivery's number is not signed: another one is the same delivery all the same.
    let mut headers = DELIVERIES[2].request_headers();
    headers.insert("x-gitea-delivery", "00000000-0000-4000-8000-000000000000".parse().unwrap());
    let body = DELIVERIES[2].request_body().as_bytes();
    assert_eq!(receiver.receive(&headers, body), Ok(Delivery::Replayed));
    receiver.forget(&headers, body);
    let again = receiver.receive(&headers, body);
    assert!(matches!(again, Ok(Delivery::Changed(_))), "it was lost: {again:?}");
}

#[test]
fn case_19_a_signed_delivery_of_another_organization_is_ignored() {
    let receiver = receiver("somebody-else");
    assert_eq!(receive(&receiver, delivery("release")), Ok(Delivery::Ignored));
    assert_eq!(receive(&receiver, delivery("repository")), Ok(Delivery::Ignored));
}

#[test]
fn recorded_deliveries_name_what_changed() {
    let receiver = receiver(ORGANIZATION);
    for one in DELIVERIES.iter() {
        let expected = match one.request_headers()["x-gitea-event"].to_str().unwrap() {
            "push" => Delivery::Ignored,
            "repository" => Delivery::Changed(vec![id("provider/fresh")]),
            _ => Delivery::Changed(vec![id("cluster/ci")]),
        };
        assert_eq!(receive(&receiver, one).unwrap(), expected, "{}", one.id());
    }
}

#[test]
fn unknown_events_are_ignored_and_unreadable_ones_named() {
    let receiver = receiver(ORGANIZATION);
    for (event, body, expected) in [
        ("package", "{}", Ok(Delivery::Ignored)),
        ("brand_new", "not JSON", Ok(Delivery::Ignored)),
        ("release", "not JSON", Err(WebhookError::Malformed)),
        ("release", r#"{"repository":null}"#, Ok(Delivery::Ignored)),
        ("create", r#"{"ref_type":"branch"}"#, Ok(Delivery::Ignored)),
    ] {
        assert_eq!(
            receiver.receive(&signed(event, body), body.as_bytes()),
            expected,
            "{event} {body}"
        );
    }
}

#[test]
fn forgejos_and_githubs_headers_are_read_too() {
    let one = delivery("release");
    let theirs = one.request_headers();
    for (signature, prefix, event) in [
        ("x-forgejo-signature", "", "x-forgejo-event"),
        ("x-hub-signature-256", "sha256=", "x-gitea-event"),
    ] {
        let mut headers = HeaderMap::new();
        let hex = theirs["x-gitea-signature"].to_str().unwrap();
        headers.insert(signature, format!("{prefix}{hex}").parse().unwrap());
        headers.insert(event, "release".parse().unwrap());
        let taken = receiver(ORGANIZATION).receive(&headers, one.request_body().as_bytes());
        assert_eq!(taken, Ok(Delivery::Changed(vec![id("cluster/ci")])), "{signature}");
    }
}
