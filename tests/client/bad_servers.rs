//! Servers that are none, refuse, redirect, or send something else.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::client::fake::{Fake, problem, response};
use crate::client::rig::{Ran, User};

const TOKEN: &str = "EXTENSION_REGISTRY_TOKEN";

#[test]
fn each_answer_has_its_exit_code_and_its_number_of_requests() {
    let html = "content-type: text/html\r\n";
    let mismatch = "The artifact's digest is sha256:aa, not sha256:bb";
    for (answer, code, part, requests) in [
        (response("200 OK", html, "<p>hello"), 2, "is no extension registry: it answered text", 1),
        (response("404 Not Found", html, "<p>"), 2, "is no extension registry", 1),
        (problem("404 Not Found", "not_found", "Extension x not found"), 3, "not found", 1),
        (problem("400 Bad Request", "bad_request", "limit must be"), 2, "limit must be", 1),
        (problem("401 Unauthorized", "unauthorized", "no token"), 4, "extreg login", 1),
        (response("403 Forbidden", html, ""), 4, "extreg login", 1),
        (problem("502 Bad Gateway", "backend_error", mismatch), 6, "sha256:aa", 1),
        (problem("502 Bad Gateway", "backend_error", "refused us"), 5, "refused us", 4),
        (response("503 Busy", "retry-after: 0\r\n", ""), 5, "503", 4),
        (response("429 Slow", "retry-after: 3600\r\n", ""), 5, "429", 1),
        (problem("500 Oops", "internal_error", "Internal error"), 1, "Internal error", 1),
        (response("200 OK", "content-type: application/json\r\n", "{}"), 2, "another form", 1),
        (b"nonsense\r\n\r\n".to_vec(), 5, "does not answer", 4),
        (Vec::new(), 5, "does not answer", 4),
    ] {
        let fake = Fake::answering(move |_| answer.clone());
        User::of(&fake.url).fails(&["list"], code, part);
        assert_eq!(fake.asked().len(), requests, "{part}");
    }
}

#[test]
fn a_server_that_recovers_is_asked_again() {
    let count = AtomicUsize::new(0);
    let fake = Fake::answering(move |_| match count.fetch_add(1, Ordering::SeqCst) {
        0 => Vec::new(),
        1 => response("503 Busy", "retry-after: 0\r\n", ""),
        _ => response("200 OK", "content-type: application/json\r\n", "[]"),
    });
    let user = User::of(&fake.url);
    assert_eq!(user.succeeds(&["list", "-o", "json"]).stdout, "[]\n");
    assert_eq!(fake.asked().len(), 3);
}

#[test]
fn a_token_goes_to_its_origin_alone() {
    let elsewhere =
        Fake::answering(|_| response("200 OK", "content-type: application/json\r\n", "[]"));
    let location = format!("location: {}/api/v1/extensions\r\n", elsewhere.url);
    let fake = Fake::answering(move |asked| {
        if asked.target.contains("again") {
            response("302 Found", &location, "")
        } else {
            response("307 Moved", "location: /again\r\n", "")
        }
    });
    let user = User::of(&fake.url);
    let ran = Ran::of(user.command(&["list"]).env(TOKEN, "t0ken"));
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let [first, second] = &fake.asked()[..] else { panic!("two requests") };
    assert!(first.head.contains("authorization: bearer t0ken"), "{}", first.head);
    assert!(second.head.contains("authorization: bearer t0ken"), "{}", second.head);
    let [third] = &elsewhere.asked()[..] else { panic!("one request") };
    assert!(!third.head.contains("t0ken"), "{}", third.head);
}

#[test]
fn a_token_is_not_sent_in_the_clear_nor_to_whom_a_manifest_names() {
    let user = User::of("http://registry.example.com");
    let ran = Ran::of(user.command(&["list"]).env(TOKEN, "t0ken"));
    assert_eq!((ran.code, ran.stderr.contains("over plain HTTP")), (2, true), "{}", ran.stderr);
    assert!(!ran.stderr.contains("t0ken"));

    let fake = Fake::answering(|_| problem("401 Unauthorized", "unauthorized", "no token"));
    user.write("extensions.toml", &format!("[registry]\nurl = \"{}\"\n", fake.url));
    let mut command = user.command(&["list"]);
    let ran = Ran::of(command.env(TOKEN, "t0ken").env_remove("EXTENSION_REGISTRY_URL"));
    assert_eq!((ran.code, ran.stderr.contains("EXTENSION_REGISTRY_URL=")), (4, true));
    let asked = fake.asked();
    assert!(asked.len() == 1 && !asked[0].head.contains("t0ken"), "{asked:?}");
}

#[test]
fn the_registry_is_the_first_that_is_named() {
    let fake =
        |name: &'static str| Fake::answering(move |_| problem("404 Not Found", "not_found", name));
    let (flag, variable, manifest) = (fake("by flag"), fake("by variable"), fake("by manifest"));
    let client = fake("by client file");
    let user = User::of(&variable.url);
    let config = user.home(".config/extension-registry");
    std::fs::create_dir_all(&config).unwrap();
    std::fs::write(config.join("client.toml"), format!("url = \"{}\"\n", client.url)).unwrap();
    let bare = |arguments: &[&str]| {
        Ran::of(user.command(arguments).env_remove("EXTENSION_REGISTRY_URL")).stderr
    };
    assert!(bare(&["list"]).contains("by client file"));
    user.write("extensions.toml", &format!("[registry]\nurl = \"{}\"\n", manifest.url));
    assert!(bare(&["list"]).contains("by manifest"));
    user.fails(&["list"], 3, "by variable");
    user.fails(&["list", "-s", &flag.url], 3, "by flag");
}

#[test]
fn a_redirect_from_tls_to_plain_http_and_a_circle_are_not_followed() {
    let fake = Fake::answering(|_| response("301 Moved", "location: /again\r\n", ""));
    User::of(&fake.url).fails(&["list"], 2, "more than five places");
    assert_eq!(fake.asked().len(), 6);
}

#[test]
fn nothing_is_asked_offline() {
    let fake = Fake::answering(|_| Vec::new());
    User::of(&fake.url).fails(&["list", "--offline"], 2, "--offline");
    assert!(fake.asked().is_empty());
}
