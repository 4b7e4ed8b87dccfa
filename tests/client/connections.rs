//! TLS with certificates of an authority of one's own, and proxies of the environment.

use std::fs;

use registry_testing::certificates::Authority;

use crate::client::fake::{Fake, response};
use crate::client::rig::{Ran, User, publish};
use crate::support::program::Running;

#[test]
fn a_registry_with_tls_is_trusted_by_its_authority_alone() {
    let (authority, dir) = (Authority::new(), tempfile::tempdir().unwrap());
    publish(&dir.path().join("extensions"), "provider/aws", "1.0.0", "aws-1.0.0.tar.gz", b"x");
    let tls = authority.certificate().write(dir.path());
    let config = format!("{tls}[local]\npath = \"extensions\"\n");
    fs::write(dir.path().join("config.toml"), config).unwrap();
    let running = Running::start(dir.path(), &["--host", "127.0.0.1"]);
    let user = User::of(&format!("https://localhost:{}", running.address.port()));
    user.write("ca.pem", authority.pem());
    user.fails(&["list"], 5, "certificate");
    user.succeeds(&["pull", "aws", "--ca-file", "ca.pem"]);
    assert_eq!(user.read("aws-1.0.0.tar.gz"), "x");
    let mut command = user.command(&["list", "-o", "name"]);
    let ran = Ran::of(command.env("SSL_CERT_FILE", user.project().join("ca.pem")));
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "provider/aws@1.0.0\n"), "{}", ran.stderr);
    user.write("no.pem", "text");
    user.fails(&["list", "--ca-file", "no.pem"], 2, "--ca-file no.pem: it has no certificate");
}

#[test]
fn proxies_of_the_environment_are_used_and_passed_by() {
    let json = "content-type: application/json\r\n";
    let proxy = Fake::answering(move |_| response("200 OK", json, "[]"));
    let user = User::of("http://registry.example.com");
    let ran = Ran::of(user.command(&["list"]).env("HTTP_PROXY", &proxy.url));
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let [asked] = &proxy.asked()[..] else { panic!("one request") };
    assert!(asked.target.starts_with("http://registry.example.com/api/v1/extensions?"));
    let direct = Fake::answering(move |_| response("200 OK", json, "[]"));
    let user = User::of(&direct.url);
    let mut command = user.command(&["list"]);
    let ran = Ran::of(command.env("HTTP_PROXY", &proxy.url).env("NO_PROXY", "127.0.0.1"));
    assert_eq!((ran.code, direct.asked().len(), proxy.asked().len()), (0, 1, 1));
}
