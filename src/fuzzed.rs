//! Fuzz targets: every parser of untrusted input, with invariants of the result. `scripts/fuzz`
//! generates bytes, `fuzz/corpus` keeps inputs with new coverage, and the tests here replay them.

#![allow(clippy::panic, reason = "a broken promise must stop the run; the service never has this")]

use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::Path;

use hyper::header::{HeaderMap, HeaderName, HeaderValue, RANGE, RETRY_AFTER};
use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

use crate::api::artifact_headers;
use crate::backend::webhook::WebhookReceiver as _;
use crate::config::compose;
use crate::config_reader::{Reader, Typed};
use crate::edge::ranges;
use crate::gitea::webhook::GiteaWebhooks;
use crate::http::{egress, load};
use crate::models::backend_kind::BackendKind;
use crate::models::digest::Digest;
use crate::models::naming::near_miss::near_miss;
use crate::models::naming::{ExtensionId, ExtensionName};
use crate::models::tag::{Tag, TagStyle};
use crate::models::version::Version;
use crate::oci::artifact::{choose_layer, files};
use crate::oci::challenge::challenges;
use crate::oci::credentials::Credentials;
use crate::oci::link::LinkedList;
use crate::oci::models::Document;
use crate::oci::object::from_object;
use crate::oci::token::credentials_header;

/// Name and function of a fuzz target, which panics if an invariant is violated.
pub type Target = (&'static str, fn(&[u8]));

/// All targets.
pub const TARGETS: [Target; 14] = [
    ("name", name),
    ("version", version),
    ("link", link),
    ("challenge", challenge),
    ("retry_after", retry_after),
    ("range", range),
    ("manifest", manifest),
    ("gitea_release", gitea_release),
    ("webhook", webhook),
    ("config", config),
    ("disposition", disposition),
    ("url_guard", url_guard),
    ("token", token),
    ("credentials", credentials),
];

/// Runs the target of this name. Panics if an invariant is violated, or no such target exists.
pub fn run(name: &str, bytes: &[u8]) {
    match TARGETS.iter().find(|(known, _)| *known == name) {
        Some((_, target)) => target(bytes),
        None => panic!("no such target: {name}"),
    }
}

fn name(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(name) = text.parse::<ExtensionName>() {
        assert!(name.as_str().len() <= 100 && !name.as_str().contains(['/', '\\', '%']));
    }
    if let Some(id) = ExtensionId::from_gitea_repository(text) {
        assert_eq!(ExtensionId::from_gitea_repository(&id.gitea_repository()), Some(id));
    }
    if let Some(id) = ExtensionId::from_oci_repository(text) {
        assert_eq!(ExtensionId::from_oci_repository(&id.oci_repository()), Some(id));
    }
    for near in BackendKind::ALL.into_iter().filter_map(|source| near_miss(text, source)) {
        let reason = near.reason(|_| false);
        assert!(reason.len() < 500 && !reason.contains(char::is_control), "{reason:?}");
    }
}

fn version(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let (one, other) = text.split_once('\n').unwrap_or((text, "1.2.3"));
    if let Ok(tag) = one.parse::<Tag>() {
        assert!(!tag.as_str().split('/').any(|segment| segment == ".."));
        for style in [TagStyle::Plain, TagStyle::Oci] {
            let version = tag.version(style);
            assert!(version.is_none_or(|version| !version.as_str().starts_with('v')));
        }
        let _ = (tag.may_float(), tag.is_housekeeping());
    }
    if let (Ok(one), Ok(other)) = (one.parse::<Version>(), other.parse::<Version>()) {
        assert_eq!(one.cmp_release(&other), other.cmp_release(&one).reverse());
        assert_eq!(one.to_string().parse::<Version>().as_ref(), Ok(&one));
    }
    if let Ok(digest) = one.parse::<Digest>() {
        assert_eq!(digest.to_string().parse::<Digest>(), Ok(digest));
    }
}

/// `Link` headers: the next page never lies on another server.
fn link(bytes: &[u8]) {
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

fn challenge(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    assert!(challenges(text.lines()).len() <= text.len());
}

/// `Retry-After`: the wait never exceeds five minutes.
fn retry_after(bytes: &[u8]) {
    let Some(headers) = header(RETRY_AFTER, bytes) else { return };
    let wait = load::told_to_wait(&headers).unwrap_or_default();
    assert!(wait.as_secs() <= 300, "{wait:?}");
}

/// `Range`: a part is never empty and lies within the artifact.
fn range(bytes: &[u8]) {
    let Some((size, text)) = bytes.split_first_chunk::<8>() else { return };
    let (Some(headers), size) = (header(RANGE, text), u64::from_le_bytes(*size)) else { return };
    if let ranges::WantedRange::Part(part) = ranges::wanted(&headers, size, "\"a\"") {
        assert!(part.start < part.end && part.end <= size, "{part:?} of {size}");
    }
}

fn manifest(bytes: &[u8]) {
    let Ok(document) = from_object::<Document>(bytes) else { return };
    let Some(id) = ExtensionId::from_oci_repository("aws-provider") else { return };
    let address = |digest: &Digest| Some(format!("https://registry.test/{digest}"));
    let listed = files(&document.layers, address);
    assert!(listed.len() <= document.layers.len());
    let _ = (document.is_index(), choose_layer(&id, "1.2.0", &document.layers, address));
}

fn gitea_release(bytes: &[u8]) {
    crate::gitea::fuzzed::release(bytes);
}

/// Webhooks: unsigned deliveries are refused, signed ones are parsed.
fn webhook(bytes: &[u8]) {
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
    if let Ok(signature) = HeaderValue::from_str(&signature(secret, body)) {
        headers.insert("x-gitea-signature", signature);
    }
    let taken = receiver.receive(&headers, body);
    assert_ne!(taken, Err(crate::backend::webhook::WebhookError::Unsigned));
}

fn signature(secret: SecretString, body: &[u8]) -> String {
    use hmac::{KeyInit as _, Mac as _};
    let key = hmac::Hmac::<sha2::Sha256>::new_from_slice(secret.expose_secret().as_bytes());
    let Ok(key) = key else { return String::new() };
    let bytes = key.chain_update(body).finalize().into_bytes();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn config(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let mut typed = Typed::default();
    typed.text(Path::new("config.toml"), text);
    let mut reader = Reader::new(typed);
    compose(&mut reader);
    reader.report_unknown();
}

/// `Content-Disposition` for any file name: a valid header, and a name without a path.
fn disposition(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let value = artifact_headers::disposition(&text);
    assert!(HeaderValue::from_str(&value).is_ok());
    assert!(!value.contains(['/', '\\', '\r', '\n']) && !value.contains("\"."), "{value}");
}

/// URLs named by upstreams: an accepted URL is no literal address of a private network.
fn url_guard(bytes: &[u8]) {
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

/// Accepted tokens are bounded in size and lifetime; errors contain no token.
fn token(bytes: &[u8]) {
    match crate::oci::token::parse(bytes) {
        Ok((secret, lifetime)) => {
            let length = secret.expose_secret().len();
            assert!((1..=16 * 1024).contains(&length), "{length}");
            assert!(lifetime.as_secs() <= 24 * 60 * 60, "{lifetime:?}");
        }
        Err(error) => assert!(error.report().len() < 300, "{}", error.report()),
    }
}

/// Credential files, including Docker's: debug output and errors contain no secret.
fn credentials(bytes: &[u8]) {
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

fn header(name: HeaderName, bytes: &[u8]) -> Option<HeaderMap> {
    Some(HeaderMap::from_iter([(name, HeaderValue::from_bytes(bytes).ok()?)]))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_bytes_keep_every_promise(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            for (_, target) in TARGETS {
                target(&bytes);
            }
        }

        #[test]
        fn so_does_any_text(text in "(\\PC|[\"'<>;,=:/.@_+%\\[\\]{}\n 0-9a-z-]){0,120}") {
            for (_, target) in TARGETS {
                target(text.as_bytes());
            }
        }
    }

    #[test]
    fn what_fuzzing_found_before_is_tried_again() {
        let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
        for (name, target) in TARGETS {
            let kept = std::fs::read_dir(corpora.join(name)).unwrap();
            let inputs: Vec<_> = kept.map(|input| input.unwrap().path()).collect();
            assert!(!inputs.is_empty(), "no inputs are kept of {name}");
            for input in inputs {
                target(&std::fs::read(&input).unwrap());
            }
        }
    }

    #[test]
    fn every_target_can_be_run() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/fuzz_targets");
        let mut files: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|file| file.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
            .collect();
        files.sort();
        let mut names: Vec<_> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
        names.sort();
        assert_eq!(files, names);
    }
}
