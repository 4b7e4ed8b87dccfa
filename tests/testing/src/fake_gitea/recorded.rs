//! The exchanges recorded from a real server.

use std::sync::LazyLock;

use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;

/// Exchanges with one server.
pub type Recording = LazyLock<Vec<Exchange>>;

/// Gitea 1.26, the main recording.
pub static GITEA: Recording = LazyLock::new(|| load("gitea.jsonl"));
/// The same questions to Gitea 1.22, and some more about what a team may do.
pub static GITEA_1_22: Recording = LazyLock::new(|| load("gitea-1.22.jsonl"));
/// Likewise to Forgejo 9.
pub static FORGEJO_9: Recording = LazyLock::new(|| load("forgejo-9.jsonl"));
/// The same server under a sub path.
pub static SUB_PATH: Recording = LazyLock::new(|| load("gitea-subpath.jsonl"));
/// The same server with sign-in required.
pub static SIGN_IN: Recording = LazyLock::new(|| load("gitea-signin.jsonl"));
/// Deliveries: requests without answers.
pub static DELIVERIES: Recording = LazyLock::new(|| load("gitea-webhooks.jsonl"));

/// One line of a recording.
pub struct Exchange(Value);

impl Exchange {
    pub fn id(&self) -> &str {
        self.0["id"].as_str().unwrap()
    }

    pub fn method(&self) -> &str {
        self.0["request"]["method"].as_str().unwrap()
    }

    pub fn target(&self) -> &str {
        self.0["request"]["path"].as_str().unwrap()
    }

    pub fn request_headers(&self) -> HeaderMap {
        let headers = self.0["request"]["headers"].as_object().unwrap();
        let pair = |(name, value): (&String, &Value)| {
            let name: HeaderName = name.parse().unwrap();
            (name, value.as_str().unwrap().parse::<HeaderValue>().unwrap())
        };
        headers.iter().map(pair).collect()
    }

    pub fn request_body(&self) -> &str {
        self.0["request"]["body"].as_str().unwrap()
    }

    pub fn status(&self) -> u16 {
        self.0["response"]["status"].as_u64().unwrap().try_into().unwrap()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.0["response"]["headers"][name].as_str()
    }

    pub fn body(&self) -> Vec<u8> {
        let response = &self.0["response"];
        match response["body_base64"].as_str() {
            Some(text) => from_base64(text),
            None => response["body"].as_str().unwrap_or_default().as_bytes().to_vec(),
        }
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body()).unwrap()
    }
}

/// The exchange of this id.
pub(super) fn exchange(recording: &'static Recording, id: &str) -> &'static Exchange {
    recording.iter().find(|exchange| exchange.id() == id).unwrap()
}

fn load(file: &str) -> Vec<Exchange> {
    let path = format!("{}/../../tests/fixtures/{file}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(|line| Exchange(serde_json::from_str(line).unwrap())).collect()
}

fn from_base64(text: &str) -> Vec<u8> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut bytes = Vec::new();
    let (mut buffer, mut bits) = (0_u32, 0);
    for digit in text.bytes().filter(|byte| *byte != b'=') {
        let value = ALPHABET.iter().position(|letter| *letter == digit).unwrap();
        buffer = buffer << 6 | u32::try_from(value).unwrap();
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push((buffer >> bits) as u8);
            buffer &= (1 << bits) - 1;
        }
    }
    bytes
}
