//! Webhook deliveries of Gitea and Forgejo, verified before parsing. Kept signatures stop replays.

use hmac::{Hmac, KeyInit as _, Mac as _};
use hyper::HeaderMap;
use parking_lot::Mutex;
use registry_core::backend::webhook::{Delivery, WebhookError, WebhookReceiver};
use registry_core::caching::bounded_lru::{BoundedLru, LruBounds};
use registry_core::error::{Error, ErrorKind};
use registry_core::models::naming::ExtensionId;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::Sha256;

use crate::gitea::models::WebhookBody;
use crate::gitea::settings::Organization;

/// Signature headers and the prefixes of their lowercase hex values.
const SIGNATURES: [(&str, &str); 3] =
    [("x-gitea-signature", ""), ("x-forgejo-signature", ""), ("x-hub-signature-256", "sha256=")];
/// Number of remembered signatures. A replay of an older delivery costs one read.
const REPLAYS: LruBounds = LruBounds::entries(4096);

type Signature = [u8; 32];

/// Receiver of the deliveries for one organization.
pub struct GiteaWebhooks {
    key: Hmac<Sha256>,
    organization: Organization,
    seen: Mutex<BoundedLru<Signature, ()>>,
}

impl GiteaWebhooks {
    /// Creates a receiver. Fails for an empty secret, whose signatures prove nothing.
    pub fn new(secret: &SecretString, organization: Organization) -> Result<Self, Error> {
        let secret = secret.expose_secret().trim();
        if secret.is_empty() {
            return Err(Error::new(ErrorKind::Invalid, "The webhook secret is empty"));
        }
        let key = Hmac::new_from_slice(secret.as_bytes())
            .map_err(|error| Error::new(ErrorKind::Internal, "A secret").because(error))?;
        Ok(Self { key, organization, seen: Mutex::new(BoundedLru::new(REPLAYS)) })
    }

    fn verify(&self, headers: &HeaderMap, body: &[u8]) -> Result<Signature, WebhookError> {
        let signature = claimed(headers).ok_or(WebhookError::Unsigned)?;
        let computed = self.key.clone().chain_update(body);
        // Compares in constant time.
        computed.verify_slice(&signature).map_err(|_| WebhookError::Unsigned)?;
        Ok(signature)
    }

    fn read(&self, event: &str, body: &[u8]) -> Result<Delivery, WebhookError> {
        let about_tags = matches!(event, "create" | "delete");
        if !about_tags && !matches!(event, "release" | "repository") {
            return Ok(Delivery::Ignored);
        }
        let notice: WebhookBody =
            serde_json::from_slice(body).map_err(|_| WebhookError::Malformed)?;
        // `create` and `delete` also report branches, which change no release.
        if about_tags && notice.ref_type.as_deref() != Some("tag") {
            return Ok(Delivery::Ignored);
        }
        let repository = notice.repository.filter(|repository| {
            repository.owner.login.eq_ignore_ascii_case(self.organization.as_str())
        });
        let extension = repository.and_then(|r| ExtensionId::from_gitea_repository(&r.name));
        Ok(extension.map_or(Delivery::Ignored, |id| Delivery::Changed(vec![id])))
    }
}

impl WebhookReceiver for GiteaWebhooks {
    /// Checks only the form: the signature covers the body, which is not read yet.
    fn is_worth_reading(&self, headers: &HeaderMap) -> bool {
        claimed(headers).is_some()
    }

    fn receive(&self, headers: &HeaderMap, body: &[u8]) -> Result<Delivery, WebhookError> {
        let signature = self.verify(headers, body)?;
        if self.seen.lock().peek(&signature).is_some() {
            return Ok(Delivery::Replayed);
        }
        let event = ["x-gitea-event", "x-forgejo-event"];
        let event = event.into_iter().find_map(|name| headers.get(name)?.to_str().ok());
        let delivery = self.read(event.unwrap_or_default(), body)?;
        // The event name is not signed: a delivery ignored under a forged one stays valid.
        if matches!(delivery, Delivery::Changed(_)) {
            self.seen.lock().put(signature, 0, ());
        }
        Ok(delivery)
    }

    fn forget(&self, headers: &HeaderMap, _body: &[u8]) {
        if let Some(signature) = claimed(headers) {
            self.seen.lock().remove(&signature);
        }
    }
}

/// Returns the signature in the first signature header. A malformed value counts as missing.
fn claimed(headers: &HeaderMap) -> Option<Signature> {
    let (value, prefix) =
        SIGNATURES.into_iter().find_map(|(name, prefix)| Some((headers.get(name)?, prefix)))?;
    decode(value.to_str().ok()?.strip_prefix(prefix)?)
}

fn decode(hex: &str) -> Option<Signature> {
    let digits: Option<Vec<u8>> =
        hex.chars().map(|digit| u8::try_from(digit.to_digit(16)?).ok()).collect();
    let bytes: Vec<u8> = digits?
        .chunks(2)
        .map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit))
        .collect();
    (hex.len() == 64).then(|| bytes.try_into().ok())?
}
