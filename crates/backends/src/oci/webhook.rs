//! Webhooks of registries: distribution's envelopes and zot's CloudEvents, with a shared secret.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use hyper::HeaderMap;
use hyper::header::AUTHORIZATION;
use parking_lot::Mutex;
use registry_core::backend::webhook::{Delivery, WebhookError, WebhookReceiver};
use registry_core::caching::bounded_lru::{BoundedLru, LruBounds};
use registry_core::error::{Error, ErrorKind};
use registry_core::models::naming::ExtensionId;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use sha2::Sha256;

use crate::oci::lenient::{object, present, value, value_or_default};
use crate::oci::models::{DOCKER_INDEX, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST};
use crate::oci::object::from_object;
use crate::oci::repository::Namespace;

/// Number of remembered events. A replay of an older one costs one read.
const REPLAYS: LruBounds = LruBounds::entries(4096);
/// Event types of zot that may change the tags of a repository.
const ZOT_CHANGES: [&str; 3] =
    ["zotregistry.image.updated", "zotregistry.image.deleted", "zotregistry.repository.created"];

/// Receiver of the events of one registry for one namespace.
pub struct OciWebhooks {
    /// HMAC with the secret as its key: comparing codes instead of secrets takes constant time.
    key: Hmac<Sha256>,
    expected: Vec<u8>,
    namespace: Namespace,
    seen: Mutex<BoundedLru<String, ()>>,
}

impl OciWebhooks {
    /// Creates a receiver. Fails for an empty secret, which any sender could present.
    pub fn new(secret: &SecretString, namespace: Namespace) -> Result<Self, Error> {
        let secret = secret.expose_secret().trim();
        if secret.is_empty() {
            return Err(Error::new(ErrorKind::Invalid, "The webhook secret is empty"));
        }
        let key = Hmac::<Sha256>::new_from_slice(secret.as_bytes())
            .map_err(|error| Error::new(ErrorKind::Internal, "A secret").because(error))?;
        let expected = key.clone().chain_update(secret).finalize().into_bytes().to_vec();
        Ok(Self { key, expected, namespace, seen: Mutex::new(BoundedLru::new(REPLAYS)) })
    }

    fn is_ours(&self, presented: &str) -> bool {
        let code = self.key.clone().chain_update(presented);
        // Compares in constant time.
        code.verify_slice(&self.expected).is_ok()
    }

    fn verify(&self, headers: &HeaderMap) -> Result<(), WebhookError> {
        let header = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let presented = header.and_then(presented_in).ok_or(WebhookError::Unsigned)?;
        if self.is_ours(&presented) { Ok(()) } else { Err(WebhookError::Unsigned) }
    }

    fn delivery(&self, events: Vec<Event>) -> Delivery {
        let mut seen = self.seen.lock();
        let mut replayed = false;
        let mut changed: BTreeSet<ExtensionId> = BTreeSet::new();
        for event in events.into_iter().filter(|event| event.is_change) {
            let Some(id) = self.namespace.extension_of(&event.repository) else { continue };
            // Stored only for our own repositories, so that other events do not displace them.
            if event.id.as_ref().is_some_and(|event_id| seen.get(event_id).is_some()) {
                replayed = true;
                continue;
            }
            if let Some(event_id) = event.id {
                seen.put(event_id, 0, ());
            }
            changed.insert(id);
        }
        match (changed.is_empty(), replayed) {
            (false, _) => Delivery::Changed(changed.into_iter().collect()),
            (true, true) => Delivery::Replayed,
            (true, false) => Delivery::Ignored,
        }
    }
}

impl WebhookReceiver for OciWebhooks {
    fn is_worth_reading(&self, headers: &HeaderMap) -> bool {
        self.verify(headers).is_ok()
    }

    fn receive(&self, headers: &HeaderMap, body: &[u8]) -> Result<Delivery, WebhookError> {
        self.verify(headers)?;
        Ok(self.delivery(events(headers, body)?))
    }

    fn forget(&self, headers: &HeaderMap, body: &[u8]) {
        let mut seen = self.seen.lock();
        let events = events(headers, body).unwrap_or_default();
        events.iter().filter_map(|event| event.id.as_ref()).for_each(|id| seen.remove(id));
    }
}

fn events(headers: &HeaderMap, body: &[u8]) -> Result<Vec<Event>, WebhookError> {
    match text(headers, "ce-type") {
        Some(kind) => Ok(vec![zot_event(&kind, text(headers, "ce-id"), body)?]),
        None => distribution_events(body),
    }
}

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name)?.to_str().ok().map(ToOwned::to_owned)
}

/// Returns the secret after `Bearer`, as a password, or bare: registries send it unchanged.
fn presented_in(header: &str) -> Option<String> {
    let Some((scheme, rest)) = header.split_once(' ') else {
        return Some(header.to_owned());
    };
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(rest.trim().to_owned());
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let pair = String::from_utf8(STANDARD.decode(rest.trim()).ok()?).ok()?;
    Some(pair.split_once(':')?.1.to_owned())
}

/// The registry's name in an event is ignored: reads always go to the configured one.
struct Event {
    id: Option<String>,
    repository: String,
    is_change: bool,
}

#[derive(Deserialize)]
struct Envelope {
    #[serde(deserialize_with = "present")]
    events: Option<Vec<DistributionEvent>>,
}

#[derive(Default, Deserialize)]
struct DistributionEvent {
    #[serde(default, deserialize_with = "value")]
    id: Option<String>,
    #[serde(default, deserialize_with = "value_or_default")]
    action: String,
    #[serde(default, deserialize_with = "object")]
    target: Option<EventTarget>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct EventTarget {
    #[serde(default, deserialize_with = "value_or_default")]
    media_type: String,
    #[serde(default, deserialize_with = "value_or_default")]
    repository: String,
}

#[derive(Deserialize)]
struct ZotData {
    name: String,
}

fn distribution_events(body: &[u8]) -> Result<Vec<Event>, WebhookError> {
    let envelope: Envelope = from_object(body).map_err(|_| WebhookError::Malformed)?;
    let manifest = [OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_INDEX];
    let events = envelope.events.into_iter().flatten().filter_map(|event| {
        let target = event.target?;
        Some(Event {
            // Every blob of a push causes an event; the manifest's is the last one.
            is_change: match event.action.as_str() {
                "push" => manifest.contains(&target.media_type.as_str()),
                action => action == "delete",
            },
            id: event.id,
            repository: target.repository,
        })
    });
    Ok(events.collect())
}

fn zot_event(kind: &str, id: Option<String>, body: &[u8]) -> Result<Event, WebhookError> {
    let data: ZotData = from_object(body).map_err(|_| WebhookError::Malformed)?;
    Ok(Event { id, repository: data.name, is_change: ZOT_CHANGES.contains(&kind) })
}
