//! Fuzz targets of the clients of backends: parsers of untrusted input, with invariants of the result.
//! `scripts/fuzz` generates bytes, `fuzz/corpus` keeps inputs with new coverage, and the test replays
//! them.

#![allow(
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "a violated invariant must stop the run; the service never compiles this"
)]

use std::net::{Ipv4Addr, Ipv6Addr};

use hyper::header::{HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use registry_core::backend::webhook::WebhookReceiver as _;
use registry_core::models::digest::Digest;
use registry_core::models::naming::ExtensionId;
use secrecy::ExposeSecret as _;
use secrecy::SecretString;
use url::Url;

use crate::gitea::webhook::GiteaWebhooks;
use crate::http::{egress, load};
use crate::oci::artifact::{choose_layer, files};
use crate::oci::challenge::challenges;
use crate::oci::credentials::Credentials;
use crate::oci::link::LinkedList;
use crate::oci::models::Document;
use crate::oci::object::from_object;
use crate::oci::token::credentials_header;

/// `Link` headers: the next page never lies on another server.
pub fn link(bytes: &[u8]) {
    let (Ok(text), Ok(page)) = (std::str::from_utf8(bytes), PAGE.parse::<Url>()) else { return };
    let (Ok(root), Ok(start)) = (page.join("/sub/"), page.join("/sub/v2/_catalog")) else { return };
    if let Ok(Some(next)) =
        (LinkedList { root: &root, start: &start }).next_page(&page, text.lines())
    {
        assert_eq!(next.origin(), page.origin());
        assert!(next.path().starts_with("/sub/"));
        assert!(next.username().is_empty() && next.password().is_none());
    }
}

const PAGE: &str = "https://registry.test/v2/_catalog?n=100";

/// Target `challenge`.
pub fn challenge(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    assert!(challenges(text.lines()).len() <= text.len());
}

/// `Retry-After`: the wait never exceeds five minutes.
pub fn retry_after(bytes: &[u8]) {
    let Some(headers) = header(RETRY_AFTER, bytes) else { return };
    let wait = load::told_to_wait(&headers).unwrap_or_default();
    assert!(wait.as_secs() <= 300, "{wait:?}");
}

/// Target `manifest`.
pub fn manifest(bytes: &[u8]) {
    let Ok(document) = from_object::<Document>(bytes) else { return };
    let Some(id) = ExtensionId::from_oci_repository("aws-provider") else { return };
    let address = |digest: &Digest| Some(format!("https://registry.test/{digest}"));
    let listed = files(&document.layers, address);
    assert!(listed.len() <= document.layers.len());
    let _ = (document.is_index(), choose_layer(&id, "1.2.0", &document.layers, address));
}

/// Target `gitea_release`.
pub fn gitea_release(bytes: &[u8]) {
    crate::gitea::fuzzed::release(bytes);
}

/// Webhooks: unsigned deliveries are refused, signed ones are parsed.
pub fn webhook(bytes: &[u8]) {
    let secret = SecretString::from("fuzzed");
    let Ok(organization) = "provisioning-extensions".parse() else { return };
    let Ok(receiver) = GiteaWebhooks::new(&secret, organization) else { return };
    assert!(receiver.receive(&HeaderMap::new(), bytes).is_err());
    // The first byte selects the event, so that one corpus covers both.
    let (event, body) = match bytes.split_first() {
        Some((first, body)) if first % 2 == 0 => ("release", body),
        Some((_, body)) => ("create", body),
        None => return,
    };
    let mut headers = HeaderMap::new();
    headers.insert("x-gitea-event", HeaderValue::from_static(event));
    if let Ok(signature) = HeaderValue::from_str(&signature(&secret, body)) {
        headers.insert("x-gitea-signature", signature);
    }
    let taken = receiver.receive(&headers, body);
    assert_ne!(taken, Err(registry_core::backend::webhook::WebhookError::Unsigned));
}

/// URLs named by upstreams: an accepted URL is no literal address of a private network.
pub fn url_guard(bytes: &[u8]) {
    let Some(url) = std::str::from_utf8(bytes).ok().and_then(|text| text.parse::<Url>().ok())
    else {
        return;
    };
    if egress::check_literal(&url).is_ok() {
        match url.host() {
            Some(url::Host::Ipv4(address)) => assert!(!is_inner(address), "{url}"),
            Some(url::Host::Ipv6(address)) => {
                let within = address.is_loopback() || address.is_unspecified();
                assert!(!(within || address.is_multicast()), "{url}");
                assert!(!(address.is_unique_local() || address.is_unicast_link_local()), "{url}");
                assert!(!wrapped(address).is_some_and(is_inner), "{url}");
                let [first, ..] = address.segments();
                assert!(first != 0x2002, "6to4 leads to an address of IPv4: {url}");
            }
            Some(url::Host::Domain(_)) => {}
            None => panic!("an address without a host passed: {url}"),
        }
    }
}

/// Accepted tokens are bounded in size and lifetime; errors contain no token.
pub fn token(bytes: &[u8]) {
    match registry_oci::token::parse(bytes) {
        Ok((secret, lifetime)) => {
            let length = secret.expose_secret().len();
            assert!((1..=16 * 1024).contains(&length), "{length}");
            assert!(lifetime.as_secs() <= 24 * 60 * 60, "{lifetime:?}");
        }
        Err(error) => assert!(error.report().len() < 300, "{}", error.report()),
    }
}

/// Credential files, including Docker's: debug output and errors contain no secret.
pub fn credentials(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let (Ok(registry), Ok(namespace)) = ("registry.test:5000".parse(), "team/infra".parse()) else {
        return;
    };
    match Credentials::parse(text, &registry, &namespace) {
        Ok(found) => {
            let shown = format!("{found:?}");
            let user = if let Credentials::Password { user, .. } = &found { user.len() } else { 0 };
            assert!(shown.len() < 200 + user * 10, "{shown}");
            let _ = credentials_header(&found);
        }
        Err(error) => assert!(error.to_string().len() < 200, "{error}"),
    }
}

fn signature(secret: &SecretString, body: &[u8]) -> String {
    use hmac::{KeyInit as _, Mac as _};
    let key = hmac::Hmac::<sha2::Sha256>::new_from_slice(secret.expose_secret().as_bytes());
    let Ok(key) = key else { return String::new() };
    let bytes = key.chain_update(body).finalize().into_bytes();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn is_inner(address: Ipv4Addr) -> bool {
    // Carrier-grade NAT (RFC 6598), where some clouds serve instance metadata.
    let shared = u32::from(address) >> 22 == u32::from(Ipv4Addr::new(100, 64, 0, 0)) >> 22;
    let local = address.is_loopback() || address.is_unspecified() || address.is_link_local();
    local || shared || address.is_private() || address.is_multicast() || address.is_broadcast()
}

fn wrapped(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let bits = u128::from(address);
    let low = u32::try_from(bits & u128::from(u32::MAX)).ok()?;
    // The well-known prefix of RFC 6052.
    let nat64 = bits >> 32 == 0x0064_ff9b_u128 << 64;
    if nat64 { Some(Ipv4Addr::from(low)) } else { address.to_ipv4_mapped() }
}

fn header(name: HeaderName, bytes: &[u8]) -> Option<HeaderMap> {
    Some(HeaderMap::from_iter([(name, HeaderValue::from_bytes(bytes).ok()?)]))
}

#[cfg(test)]
mod tests {
    use registry_testing::fuzzing::{Target, replay};

    const TARGETS: [Target; 9] = [
        ("link", super::link),
        ("challenge", super::challenge),
        ("retry_after", super::retry_after),
        ("manifest", super::manifest),
        ("gitea_release", super::gitea_release),
        ("webhook", super::webhook),
        ("url_guard", super::url_guard),
        ("token", super::token),
        ("credentials", super::credentials),
    ];

    #[test]
    fn targets_keep_their_invariants() {
        replay(&TARGETS);
    }
}
