//! A token server that signs what distribution's registry accepts: JWTs with the certificate of
//! their key in `x5c`.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jiff::Timestamp;
use rcgen::{CertificateParams, KeyPair};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use serde_json::{Value, json};

use super::scripted_registry::{Reply, ScriptedRegistry, Seen};

/// The one user it knows.
pub const USER: &str = "reader:canary7f3a9c.password.registry";
/// The host for which its password was planted, whose true name only its start tells.
pub const HOST: &str = "registry";

/// The key that signs, and its certificate.
pub struct Signer {
    key: EcdsaKeyPair,
    random: SystemRandom,
    certificate: Vec<u8>,
    /// For a registry's `rootcertbundle`.
    pub certificate_pem: String,
}

impl Signer {
    pub fn new() -> Self {
        let pair = KeyPair::generate().unwrap();
        let parameters = CertificateParams::new(vec!["token.test".to_owned()]).unwrap();
        let certificate = parameters.self_signed(&pair).unwrap();
        let random = SystemRandom::new();
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let key = EcdsaKeyPair::from_pkcs8(algorithm, &pair.serialize_der(), &random).unwrap();
        let (pem, der) = (certificate.pem(), certificate.der().to_vec());
        Self { key, random, certificate: der, certificate_pem: pem }
    }

    /// A token for these scopes that ends so many seconds from now.
    pub fn token(&self, scopes: &[String], lifetime: i64) -> String {
        let now = Timestamp::now().as_second();
        let access: Vec<Value> = scopes.iter().filter_map(|scope| access_of(scope)).collect();
        let header = json!({
            "typ": "JWT", "alg": "ES256", "x5c": [STANDARD.encode(&self.certificate)],
        });
        let claims = json!({
            "iss": "test-issuer", "sub": "", "aud": "test-registry", "jti": "1",
            "iat": now - 3600, "nbf": now - 3600, "exp": now + lifetime, "access": access,
        });
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&header), part(&claims));
        let signature = self.key.sign(&self.random, signed.as_bytes()).unwrap();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

fn access_of(scope: &str) -> Option<Value> {
    let (kind, rest) = scope.split_once(':')?;
    let (name, actions) = rest.rsplit_once(':')?;
    let actions: Vec<&str> = actions.split(',').collect();
    Some(json!({"type": kind, "name": name, "actions": actions}))
}

/// The running token server.
pub struct TokenServer {
    pub signer: Arc<Signer>,
    pub server: ScriptedRegistry,
}

impl TokenServer {
    /// Serves tokens for [`USER`]; the first `expired` of them have ended long ago.
    pub async fn start(expired: usize) -> Self {
        let signer = Arc::new(Signer::new());
        let (given, signs) = (AtomicUsize::new(0), Arc::clone(&signer));
        let server = ScriptedRegistry::start_beside(Some(HOST), move |seen: &Seen| {
            let basic = format!("Basic {}", STANDARD.encode(USER));
            if seen.header("authorization") != Some(basic.as_str()) {
                return Reply::new(401);
            }
            let query = seen.target.split_once('?').map_or("", |(_, query)| query);
            let scopes: Vec<String> = url::form_urlencoded::parse(query.as_bytes())
                .filter(|(key, _)| key == "scope")
                .map(|(_, scope)| scope.into_owned())
                .collect();
            let stale = given.fetch_add(1, Ordering::SeqCst) < expired;
            let token = signs.token(&scopes, if stale { -600 } else { 300 });
            Reply::json(json!({"token": token, "expires_in": 300}).to_string())
        });
        Self { signer, server: server.await }
    }

    /// Where it gives out tokens.
    pub fn realm(&self) -> String {
        format!("{}/token", self.server.url())
    }
}
