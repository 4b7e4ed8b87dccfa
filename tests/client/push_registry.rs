//! A registry in memory that takes uploads, and answers some requests as a test says.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use registry_core::models::digest::Digest;
use registry_testing::scripted_registry::{Reply, ScriptedRegistry, Seen, Sending};
use serde_json::json;

/// What a registry has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pushed {
    pub blobs: BTreeMap<String, Bytes>,
    pub tags: BTreeMap<String, Bytes>,
}

/// What happens to one request.
pub enum Act {
    /// It is answered.
    Answer,
    /// It is answered with this, and has no effect.
    Instead(Reply),
    /// It has its effect, and is answered with this.
    After(Reply),
}

/// The running registry.
pub struct PushRegistry {
    pub server: ScriptedRegistry,
    pushed: Arc<Mutex<Pushed>>,
}

impl PushRegistry {
    /// Starts a registry. `act` gets each request and its number, from 1.
    pub async fn start(act: impl Fn(&Seen, usize) -> Act + Send + Sync + 'static) -> Self {
        let pushed: Arc<Mutex<Pushed>> = Arc::default();
        let state = Arc::clone(&pushed);
        let count = Mutex::new(0);
        let server = ScriptedRegistry::start(move |seen| {
            let number = {
                let mut count = count.lock();
                *count += 1;
                *count
            };
            match act(seen, number) {
                Act::Answer => answer(&mut state.lock(), seen),
                Act::Instead(reply) => reply,
                Act::After(reply) => {
                    answer(&mut state.lock(), seen);
                    reply
                }
            }
        })
        .await;
        Self { server, pushed }
    }

    /// A registry that answers everything.
    pub async fn plain() -> Self {
        Self::start(|_, _| Act::Answer).await
    }

    /// Target of `publish`.
    pub fn target(&self) -> String {
        format!("{}/team", self.server.url().replace("http://", "oci+http://"))
    }

    pub fn pushed(&self) -> Pushed {
        self.pushed.lock().clone()
    }

    /// Fails unless each tag has all that its manifest names.
    pub fn assert_whole(&self) {
        let pushed = self.pushed();
        for (tag, manifest) in &pushed.tags {
            let manifest: serde_json::Value = serde_json::from_slice(manifest).unwrap();
            let layers = manifest["layers"].as_array().unwrap().iter();
            for part in layers.chain([&manifest["config"]]) {
                let bytes = &pushed.blobs[part["digest"].as_str().unwrap()];
                assert_eq!(bytes.len() as u64, part["size"], "{tag}");
            }
        }
    }
}

/// The refusal of a registry.
pub fn error(status: u16, code: &str) -> Reply {
    let error = json!({"code": code, "message": "told by the test"});
    let text = json!({"errors": [error]}).to_string();
    Reply { status: reqwest::StatusCode::from_u16(status).unwrap(), ..Reply::json(text) }
}

/// An answer that never comes.
pub fn silence() -> Reply {
    Reply::new(200).sending(Sending::Silence)
}

fn answer(pushed: &mut Pushed, seen: &Seen) -> Reply {
    let path = seen.path().to_owned();
    let (_, last) = path.rsplit_once('/').unwrap();
    match (seen.method.as_str(), path.as_str()) {
        ("GET", path) if path.contains("/manifests/") => match pushed.tags.get(last) {
            Some(bytes) => Reply::json(bytes.clone())
                .header("docker-content-digest", Digest::sha256(bytes).to_string()),
            None => error(404, "MANIFEST_UNKNOWN"),
        },
        ("PUT", path) if path.contains("/manifests/") => {
            let digest = Digest::sha256(&seen.body).to_string();
            pushed.tags.insert(last.to_owned(), seen.body.clone());
            Reply::new(201).header("docker-content-digest", digest)
        }
        ("HEAD", _) => match pushed.blobs.get(last) {
            Some(bytes) => Reply::new(200).header("content-length", bytes.len().to_string()),
            None => Reply::new(404),
        },
        ("POST", _) => Reply::new(202).header("location", format!("{path}1?state=a%2Bb")),
        ("PUT", _) => {
            let digest = seen.query("digest").unwrap_or_default();
            if Digest::sha256(&seen.body).to_string() != digest {
                return error(400, "DIGEST_INVALID");
            }
            pushed.blobs.insert(digest.clone(), seen.body.clone());
            Reply::new(201).header("docker-content-digest", digest)
        }
        _ => Reply::new(405),
    }
}
