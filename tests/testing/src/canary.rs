//! Planted secrets. Each names the server that it is for; where one shows up elsewhere, the run of
//! all tests ends at once: much of the program runs in tasks whose panics no test would see.
//! Benches share the servers, and look at nothing: they measure.

use std::io::{self, Write};
use std::path::Path;
use std::sync::{LazyLock, Once};

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// What all planted secrets begin with, and nothing else holds.
const MARK: &str = "canary7f3a9c";
/// Tokens of clients and a secret of notices. They are ours, so that no backend may see them.
pub const CLIENT: &str = "canary7f3a9c.client.us";
pub const OTHER_CLIENT: &str = "canary7f3a9c.other.us";
pub const WEBHOOK: &str = "canary7f3a9c.webhook.us";

/// A secret of this name for the server at this address: `canary7f3a9c.NAME.HOST-PORT`.
pub fn secret_for(url: &str, name: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split('/').next().unwrap();
    assert!(!name.contains('.'), "{name}");
    format!("{MARK}.{name}.{}", host_of(authority))
}

/// The name of a planted secret; of any other text itself.
pub fn name_of(secret: &str) -> &str {
    let planted = secret.strip_prefix(MARK).and_then(|rest| rest.strip_prefix('.'));
    planted.and_then(|rest| rest.split('.').next()).unwrap_or(secret)
}

/// Whether this program is a bench: cargo passes `--bench` to those.
fn is_bench() -> bool {
    static IS_BENCH: LazyLock<bool> =
        LazyLock::new(|| std::env::args().any(|argument| argument == "--bench"));
    *IS_BENCH
}

/// Looks at what people and machines are shown: a log, an answer, an output, a file.
pub fn shown(what: &str, bytes: &[u8]) {
    if !is_bench() && holds_any(bytes) {
        end(&format!("in {what}: {}", String::from_utf8_lossy(bytes)));
    }
}

/// Looks at everything in a directory.
pub fn shown_in(dir: &Path) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.display().to_string();
        shown("a name of a file", name.as_bytes());
        if path.is_dir() {
            shown_in(&path);
        } else {
            shown(&name, &std::fs::read(&path).unwrap());
        }
    }
}

/// Looks at a request that a server of the tests was sent. Its own secrets may stand in
/// `Authorization` and in the body; `also` is whose secrets it may see besides.
pub fn received(target: &str, headers: &HeaderMap, body: &[u8], also: Option<&str>) {
    if is_bench() {
        return;
    }
    let host = headers.get("host").map_or("", |host| host.to_str().unwrap());
    shown("the target of a request", target.as_bytes());
    for (name, value) in headers {
        if name != AUTHORIZATION {
            shown(&format!("the header {name} of a request"), value.as_bytes());
            continue;
        }
        let text = opened(value.to_str().unwrap());
        if !text.contains(MARK) {
            end(&format!("not planted, so that nobody would see it elsewhere: {text}"));
        }
        only_for(&[host, also.unwrap_or(host)], &text, target);
    }
    only_for(&[host, also.unwrap_or(host)], &String::from_utf8_lossy(body), target);
}

/// From now on all that this process logs of its own is looked at.
pub fn watch_log() {
    static ONCE: Once = Once::new();
    if is_bench() {
        return;
    }
    ONCE.call_once(|| {
        let log = tracing_subscriber::fmt()
            .with_env_filter("extension_registry=trace")
            .with_writer(|| Watched)
            .finish();
        // Nobody else sets one: tests that read their log do so for their own thread.
        tracing::subscriber::set_global_default(log).unwrap();
    });
}

struct Watched;

impl Write for Watched {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        shown("the log", bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The value of `Authorization` with what is Base64 in it read.
fn opened(value: &str) -> String {
    let coded = value.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("basic"));
    let text = coded.and_then(|(_, coded)| String::from_utf8(STANDARD.decode(coded).ok()?).ok());
    text.unwrap_or_else(|| value.to_owned())
}

fn only_for(hosts: &[&str], text: &str, target: &str) {
    if let Some(host) = text
        .split(MARK)
        .skip(1)
        .map(owner)
        .find(|owner| !hosts.iter().any(|host| host_of(host) == *owner))
    {
        end(&format!("sent to {hosts:?}, of {host}: {target} {text}"));
    }
}

/// Whose a secret is, from what follows its mark.
fn owner(rest: &str) -> &str {
    let after_name = rest.splitn(3, '.').nth(2).unwrap_or_default();
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
    after_name.split(|c| !is_part(c)).next().unwrap()
}

fn host_of(authority: &str) -> String {
    authority.replace(':', "-")
}

/// Whether a planted secret is in there, as it is or anywhere within Base64.
fn holds_any(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    text.contains(MARK) || (0..3).any(|offset| text.contains(&coded_at(offset)))
}

/// The mark in Base64 so many bytes after a multiple of three, less what its neighbors decide.
fn coded_at(offset: usize) -> String {
    let before = "x".repeat(offset);
    let coded = STANDARD.encode(format!("{before}{MARK}"));
    let (first, last) = ((offset * 8).div_ceil(6), (offset + MARK.len()) * 8 / 6);
    coded[first..last].to_owned()
}

fn end(why: &str) -> ! {
    // Not a panic, which a task would keep to itself, and not a macro, whose output tests capture.
    let _ = writeln!(io::stderr(), "\nA PLANTED SECRET IS WHERE IT MUST NOT BE, {why}");
    std::process::abort();
}

#[test]
fn planted_secrets_are_found_as_they_are_and_in_base64() {
    for secret in [CLIENT, OTHER_CLIENT, WEBHOOK, &secret_for("http://127.0.0.1:1/x", "<read>")] {
        assert!(holds_any(secret.as_bytes()));
        for before in ["", "u", "us", "use", "user:"] {
            let coded = STANDARD.encode(format!("{before}{secret}"));
            assert!(holds_any(format!("Basic {coded}").as_bytes()), "{before}{secret}");
        }
    }
    assert!(!holds_any(b"canary canary7f3a9 7f3a9c"));
}

#[test]
fn a_planted_secret_knows_whose_it_is() {
    let secret = secret_for("http://127.0.0.1:4711/git", "<read>");
    assert_eq!(secret, "canary7f3a9c.<read>.127.0.0.1-4711");
    assert_eq!((name_of(&secret), name_of("bare")), ("<read>", "bare"));
    for text in [secret.clone(), format!("{secret}&scope=x"), format!("\"{secret}\"")] {
        assert_eq!(text.split(MARK).skip(1).map(owner).collect::<Vec<_>>(), ["127.0.0.1-4711"]);
    }
    assert_eq!(opened(&format!("Basic {}", STANDARD.encode("a:b"))), "a:b");
}
