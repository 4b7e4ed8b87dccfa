//! `login` and `logout`.

use std::io::Write as _;
use std::process::Stdio;

use crate::client::fake::{Fake, problem, response};
use crate::client::rig::{Ran, User};

fn login(user: &User, token: &str) -> Ran {
    let mut command = user.command(&["login", "--token-stdin"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(token.as_bytes()).unwrap();
    Ran::read(child.wait_with_output().unwrap())
}

/// A registry for one token.
fn closed(token: &'static str) -> Fake {
    let wanted = format!("authorization: bearer {token}\r\n");
    Fake::answering(move |asked| {
        if asked.head.contains(&wanted) {
            response("200 OK", "content-type: application/json\r\n", "[]")
        } else {
            problem("401 Unauthorized", "unauthorized", "a token is required")
        }
    })
}

#[test]
fn a_token_is_checked_kept_for_its_origin_and_forgotten() {
    let (fake, other) = (closed("right"), closed("right"));
    let user = User::of(&fake.url);
    user.fails(&["list"], 4, "extreg login --server");
    assert_eq!(login(&user, "wrong\n").code, 4);
    user.fails(&["list"], 4, "a token is required");
    let ran = login(&user, "right\n");
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    user.succeeds(&["list"]);
    user.fails(&["list", "-s", &other.url], 4, "a token is required");
    assert!(other.asked().iter().all(|asked| !asked.head.contains("authorization")));
    user.succeeds(&["logout"]);
    user.fails(&["list"], 4, "a token is required");
}

#[test]
fn a_token_of_two_words_or_none_is_refused_without_showing_it() {
    let user = User::of("http://127.0.0.1:1");
    for token in ["", "two secrets", "\u{7}secret"] {
        let ran = login(&user, token);
        assert_eq!(ran.code, 2, "{}", ran.stderr);
        assert!(!ran.stderr.contains("secret"), "{}", ran.stderr);
    }
    let ran = login(&User::of("http://registry.example.com"), "secret");
    assert_eq!((ran.code, ran.stderr.contains("over plain HTTP")), (2, true));
    user.fails(&["login"], 2, "--token-stdin");
}
