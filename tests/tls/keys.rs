//! Private keys in each form that `openssl` writes: PKCS#8, PKCS#1 and SEC 1.

use std::path::Path;
use std::process::Command;

use registry_testing::tools::is_installed;

use super::{CURL, LIVE, OPENSSL};
use crate::support::program::{Running, program};

/// Runs a program in a directory, and returns its output.
fn run(dir: &Path, program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).current_dir(dir).output().unwrap();
    let failure = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {failure}");
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn keys_of_each_kind_and_form_are_served() {
    if !is_installed(OPENSSL) || !is_installed(CURL) {
        return;
    }
    let rsa = ["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"];
    let p256 = ["ecparam", "-name", "prime256v1", "-genkey", "-noout"];
    let p384 = ["ecparam", "-name", "secp384r1", "-genkey"];
    let forms: [(&str, &[&str]); 5] = [
        ("-----BEGIN PRIVATE KEY-----", &rsa),
        ("-----BEGIN RSA PRIVATE KEY-----", &["genrsa", "-traditional", "2048"]),
        ("-----BEGIN EC PRIVATE KEY-----", &p256),
        // With the parameters of the curve before the key.
        ("-----BEGIN EC PARAMETERS-----", &p384),
        ("-----BEGIN PRIVATE KEY-----", &["genpkey", "-algorithm", "ED25519"]),
    ];
    for (begin, arguments) in forms {
        let dir = tempfile::tempdir().unwrap();
        let key = run(dir.path(), OPENSSL, arguments);
        assert!(key.starts_with(begin), "{arguments:?}: {key}");
        std::fs::write(dir.path().join("tls.key"), key).unwrap();
        let request =
            ["req", "-x509", "-key", "tls.key", "-out", "tls.crt", "-subj", "/CN=localhost"];
        let names = ["-addext", "subjectAltName=IP:127.0.0.1"];
        run(dir.path(), OPENSSL, &[&request[..], &names].concat());
        let config = "[server]\nhost = \"127.0.0.1\"\n\
            [server.tls]\ncert_path = \"tls.crt\"\nkey_path = \"tls.key\"\n\
            [local]\npath = \".\"\n";
        std::fs::write(dir.path().join("config.toml"), config).unwrap();
        let mut command = program(dir.path());
        command.args(["--port", "0", "--json-log"]);
        let running = Running::of_exactly(command);
        let url = format!("https://{}{LIVE}", running.address);
        let status = ["--silent", "--cacert", "tls.crt", "--write-out", "%{http_code}"];
        let said = run(dir.path(), CURL, &[&status[..], &["--output", "body", &url]].concat());
        assert_eq!(said, "200", "{arguments:?}");
    }
}
