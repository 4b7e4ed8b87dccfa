//! Webhooks as Gitea sends them, signed with the planted secret.

use std::sync::atomic::{AtomicU64, Ordering};

use ring::hmac;
use serde_json::json;

use crate::canary::WEBHOOK;
use crate::fake_gitea::state::ORGANIZATION;

/// A delivery that no other one equals.
pub struct Delivery {
    pub body: String,
    pub signature: String,
}

impl Delivery {
    /// Tells that a release of a repository was published.
    pub fn of_release(repository: &str) -> Self {
        static RELEASES: AtomicU64 = AtomicU64::new(0);
        let release = RELEASES.fetch_add(1, Ordering::Relaxed);
        let body = json!({
            "action": "published",
            "release": {"id": release, "tag_name": "1.1.0"},
            "repository": {
                "id": 1, "name": repository, "full_name": format!("{ORGANIZATION}/{repository}"),
                "owner": {"login": ORGANIZATION},
            },
        });
        let body = body.to_string();
        let key = hmac::Key::new(hmac::HMAC_SHA256, WEBHOOK.as_bytes());
        let code = hmac::sign(&key, body.as_bytes());
        let signature = code.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        Self { body, signature }
    }

    /// Its headers.
    pub fn headers(&self) -> [(&'static str, &str); 2] {
        [("x-gitea-event", "release"), ("x-gitea-signature", &self.signature)]
    }
}
