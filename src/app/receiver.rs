//! Receivers of change notices whose secret may change while the service runs.

use std::path::PathBuf;
use std::sync::Arc;

use hyper::HeaderMap;
use parking_lot::RwLock;
use registry_core::backend::webhook::{Delivery, WebhookError, WebhookReceiver};
use registry_core::error::Error;
use secrecy::SecretString;

use crate::app::rotation::Renew;
use crate::app::secrets;

struct Renewable<R>(RwLock<Arc<R>>);

impl<R> Renewable<R> {
    fn current(&self) -> Arc<R> {
        Arc::clone(&self.0.read())
    }
}

impl<R: WebhookReceiver> WebhookReceiver for Renewable<R> {
    fn is_worth_reading(&self, headers: &HeaderMap) -> bool {
        self.current().is_worth_reading(headers)
    }

    fn receive(&self, headers: &HeaderMap, body: &[u8]) -> Result<Delivery, WebhookError> {
        self.current().receive(headers, body)
    }

    fn forget(&self, headers: &HeaderMap, body: &[u8]) {
        self.current().forget(headers, body);
    }
}

pub(super) fn renewable<R: WebhookReceiver + 'static>(
    key: &str,
    path: PathBuf,
    receiver: impl Fn(&SecretString) -> Result<R, Error> + Send + Sync + 'static,
) -> Result<(Arc<dyn WebhookReceiver>, Renew), String> {
    // A new secret drops the replay memory: nothing signed with the old one is accepted.
    let secret = secrets::read(key, &path).map_err(|error| error.to_string())?;
    let first = receiver(&secret).map_err(|error| error.report())?;
    let renewable = Arc::new(Renewable(RwLock::new(Arc::new(first))));
    let renewed = Arc::clone(&renewable);
    let renew = move || {
        let secret = secrets::word(&path).map_err(|error| error.to_string())?;
        *renewed.0.write() = Arc::new(receiver(&secret).map_err(|error| error.report())?);
        Ok(())
    };
    Ok((renewable, Box::new(renew)))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use hyper::header::{AUTHORIZATION, HeaderValue};
    use registry_backends::oci::webhook::OciWebhooks;

    use super::*;

    fn takes(receiver: &dyn WebhookReceiver, secret: &str) -> bool {
        let shown = format!("Basic {}", STANDARD.encode(format!("registry:{secret}")));
        let shown = HeaderValue::from_str(&shown).unwrap();
        let headers = HeaderMap::from_iter([(AUTHORIZATION, shown)]);
        receiver.receive(&headers, br#"{"events":[]}"#).is_ok()
    }

    #[test]
    fn a_changed_webhook_secret_is_used_and_a_damaged_one_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        fs::write(&path, "old\n").unwrap();
        let made =
            |secret: &SecretString| OciWebhooks::new(secret, "provisioning".parse().unwrap());
        let key = "oci.webhook_secret_path";
        let (receiver, renew) = renewable(key, path.clone(), made).unwrap();
        assert!(takes(&*receiver, "old") && !takes(&*receiver, "new"));
        fs::write(&path, "new\n").unwrap();
        assert_eq!(renew(), Ok(()));
        assert!(takes(&*receiver, "new") && !takes(&*receiver, "old"));
        for damaged in ["", "two words"] {
            fs::write(&path, damaged).unwrap();
            assert!(renew().unwrap_err().contains("must hold one word"));
            assert!(takes(&*receiver, "new"), "what was known holds on");
        }
        assert!(
            renewable(key, path, made).is_err_and(|error| error.contains("must hold one word"))
        );
    }
}
