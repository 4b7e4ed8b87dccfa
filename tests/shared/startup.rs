//! `[shared]` at the start: wrong values are named, and an engine that is away stops nothing.

use std::path::Path;

use registry_valkey::commands::acl;
use serde_json::Value;

use crate::shared::rig::{config, published, servers};
use crate::support::program::{Running, run, stderr};

const SECRET: &str = "0123456789abcdef0123456789abcdef";

fn checked(dir: &Path, shared: &str) -> (Option<i32>, String) {
    let text = format!("[local]\npath = \"layouts\"\n[shared]\n{shared}\n");
    std::fs::write(dir.join("config.toml"), text).unwrap();
    let output = run(dir, &["config", "check"]);
    (output.status.code(), stderr(&output))
}

#[test]
fn every_wrong_value_is_named_and_no_secret_is_shown() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
    write("secret", SECRET);
    write("short", "hunter2-hunter2");
    write("empty", "");
    write("three", &[SECRET; 3].join("\n"));
    write("twice", &[SECRET; 2].join("\n"));
    write("words", "two words");
    write("no.pem", "hunter2");
    let good = "redis_url = \"redis://127.0.0.1:1\"\nsecret_path = \"secret\"";
    assert_eq!(checked(dir.path(), good).0, Some(0));
    let url = |url: &str| format!("redis_url = \"{url}\"\nsecret_path = \"secret\"");
    let with = |line: &str| format!("{good}\n{line}");
    for (shared, key, word) in [
        (url("redis://me:hunter2@valkey"), "shared.redis_url", "no credentials"),
        (url("redis://:hunter2@valkey/0"), "shared.redis_url", "no credentials"),
        (url("valkey:6379"), "shared.redis_url", "redis://HOST"),
        (url("http://valkey"), "shared.redis_url", "scheme"),
        (url("redis://valkey/x"), "shared.redis_url", "database"),
        (url("redis://valkey:99999"), "shared.redis_url", "address"),
        (url("redis://valkey/0?password=hunter2"), "shared.redis_url", "query"),
        (url(""), "shared.redis_url", "empty"),
        ("secret_path = \"secret\"".to_owned(), "shared.redis_url", "required"),
        ("redis_url = \"redis://valkey\"".to_owned(), "shared.secret_path", "required"),
        (good.replace("\"secret\"", "\"short\""), "shared.secret_path", "32 bytes"),
        (good.replace("\"secret\"", "\"empty\""), "shared.secret_path", "one or two lines"),
        (good.replace("\"secret\"", "\"three\""), "shared.secret_path", "not 3"),
        (good.replace("\"secret\"", "\"twice\""), "shared.secret_path", "the same"),
        (good.replace("\"secret\"", "\"absent\""), "shared.secret_path", "cannot be read"),
        (with("name = \"Prod\""), "shared.name", "a-z"),
        (with("name = \"\""), "shared.name", "empty"),
        (with("password_path = \"words\""), "shared.password_path", "one word"),
        (with("username = \"me\""), "shared.username", "password_path"),
        (with("ca_file = \"no.pem\""), "shared.ca_file", "rediss://"),
        (
            format!("{}\nca_file = \"no.pem\"", url("rediss://valkey")),
            "shared.ca_file",
            "certificate",
        ),
        (with("sentinel = true"), "shared.sentinel", "unknown key"),
    ] {
        refused(dir.path(), &shared, key, word);
    }
}

/// Checks that a problem of a key is told, without a secret.
fn refused(dir: &Path, shared: &str, key: &str, word: &str) {
    let (code, said) = checked(dir, shared);
    assert_eq!(code, Some(2), "{shared}\n{said}");
    let line = said.lines().find(|line| line.contains(key) && line.contains(word));
    assert!(line.is_some(), "{shared}\n{said}");
    assert!(!said.contains("hunter2") && !said.contains(SECRET), "{said}");
}

#[test]
fn every_wrong_value_about_sentinels_is_named_and_no_secret_is_shown() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("secret"), SECRET).unwrap();
    std::fs::write(dir.path().join("words"), "two words").unwrap();
    let good = "redis_url = \"redis://unused\"\nsecret_path = \"secret\"";
    let with = |line: &str| format!("{good}\n{line}");
    let sentinels =
        |list: &str, name: &str| format!("sentinels = {list}\nsentinel_name = \"{name}\"\n");
    let many = (1..=16).map(|port| format!("\"a:{port}\"")).collect::<Vec<_>>().join(",");
    let most = sentinels("[\"a.example.com:26379\", \"[::1]:1\"]", "my.master-2_b");
    assert_eq!(checked(dir.path(), &with(&most)).0, Some(0));
    for (shared, key, word) in [
        (with(&sentinels("[]", "mymaster")), "shared.sentinels", "1 to 15"),
        (with(&sentinels(&format!("[{many}]"), "mymaster")), "shared.sentinels", "not 16"),
        (
            with(&sentinels("[\"a:1\", \"A:1\"]", "mymaster")),
            "shared.sentinels",
            "a:1 more than once",
        ),
        (with(&sentinels("[\"a\"]", "mymaster")), "shared.sentinels", "HOST:PORT"),
        (with(&sentinels("[\"redis://a:1\"]", "mymaster")), "shared.sentinels", "no valid host"),
        (
            with(&sentinels("[\"me:hunter2@a:1\"]", "mymaster")),
            "shared.sentinels",
            "no credentials",
        ),
        (with(&sentinels("[\"a:1\"]", "my master")), "shared.sentinel_name", "A-Z"),
        (with("sentinels = [\"a:1\"]"), "shared.sentinels", "needs sentinel_name"),
        (with("sentinel_name = \"a\""), "shared.sentinel_name", "no use"),
        (with("sentinel_password_path = \"secret\""), "shared.sentinel_password_path", "no use"),
        (
            with(&(sentinels("[\"a:1\"]", "a") + "sentinel_username = \"me\"")),
            "shared.sentinel_username",
            "sentinel_password_path",
        ),
        (
            with(&(sentinels("[\"a:1\"]", "a") + "sentinel_password_path = \"words\"")),
            "shared.sentinel_password_path",
            "one word",
        ),
    ] {
        refused(dir.path(), &shared, key, word);
    }
}

#[test]
fn certain_pins_need_what_replicas_share() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("secret"), SECRET).unwrap();
    let shared = "[shared]\nredis_url = \"redis://127.0.0.1:1\"\nsecret_path = \"secret\"\n";
    let wrong = shared.replace("redis://", "http://");
    for (pin, shared, expected) in [
        ("soon", "", None),
        ("certain", shared, None),
        ("certain", "", Some("4: downloads.pin: \"certain\" needs")),
        ("certain", &wrong, Some("6: shared.redis_url: ")),
        ("sure", "", Some("4: downloads.pin: must be one of soon, certain")),
    ] {
        let text = format!("[local]\npath = \"x\"\n[downloads]\npin = \"{pin}\"\n{shared}");
        std::fs::write(dir.path().join("config.toml"), text).unwrap();
        let output = run(dir.path(), &["config", "check"]);
        let said = stderr(&output);
        let told: Vec<_> =
            said.lines().filter_map(|line| line.split_once("config.toml:")).collect();
        assert_eq!(told.len(), usize::from(expected.is_some()), "{said}");
        assert!(
            told.iter().zip(expected).all(|((_, line), part)| line.starts_with(part)),
            "{said}"
        );
        assert_eq!(output.status.code(), Some(if expected.is_some() { 2 } else { 0 }), "{said}");
    }
}

#[test]
fn credentials_in_an_address_are_not_shown_by_config_show() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("secret"), SECRET).unwrap();
    let text = "[local]\npath = \"x\"\n[shared]\nredis_url = \"redis://me:hunter2@valkey\"\n\
                sentinels = [\"me:hunter2@a:1\"]\nsecret_path = \"secret\"\n";
    std::fs::write(dir.path().join("config.toml"), text).unwrap();
    let output = run(dir.path(), &["config", "show"]);
    let said = String::from_utf8(output.stdout.clone()).unwrap() + &stderr(&output);
    assert!(!said.contains("hunter2"), "{said}");
}

#[test]
fn the_documented_rights_are_those_that_doctor_prints() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(root.join("docs/operations.md")).unwrap();
    let command = acl("extension-registry", &"default".parse().unwrap());
    assert!(text.contains(&command), "{command}");
}

#[tokio::test]
async fn a_start_without_the_engine_serves_and_says_so() {
    let dir = tempfile::tempdir().unwrap();
    published(dir.path());
    std::fs::write(dir.path().join("secret"), SECRET).unwrap();
    // Nothing listens on port 1 of this machine.
    let text = "[local]\npath = \"layouts\"\n[shared]\nredis_url = \"redis://127.0.0.1:1\"\n\
                secret_path = \"secret\"\n";
    std::fs::write(dir.path().join("config.toml"), text).unwrap();
    let running = Running::start(dir.path(), &[]);
    assert_eq!(running.get("/extensions/provider/aws").await.status, 200);
    let health = running.get("/health").await.json();
    assert_eq!(
        (&health["status"], &health["shared"]["healthy"]),
        (&"degraded".into(), &false.into())
    );
    assert_eq!(running.get("/health/ready").await.status, 200);
}

// The proxy before the engine runs while the doctor is waited for.
#[tokio::test(flavor = "multi_thread")]
async fn doctor_examines_the_engine() {
    for mut server in servers().await {
        let dir = tempfile::tempdir().unwrap();
        published(dir.path());
        let text = config(dir.path(), &server, 's', 10);
        std::fs::write(dir.path().join("config.toml"), text + "[server]\nport = 0\n").unwrap();
        let doctor = || {
            let output = run(dir.path(), &["doctor", "-o", "json"]);
            let report: Value = serde_json::from_slice(&output.stdout).unwrap();
            let entries = report["entries"].as_array().unwrap().clone();
            entries.into_iter().filter(|entry| entry["about"] == "shared").collect::<Vec<_>>()
        };
        let entries = doctor();
        assert!(entries.iter().all(|entry| entry["state"] == "ok"), "{entries:#?}");
        let steps: Vec<_> = entries.iter().map(|entry| entry["step"].as_str().unwrap()).collect();
        assert_eq!(steps, ["connection", "memory", "clock", "rights", "replicas"]);
        server.kill().await;
        let entries = doctor();
        assert_eq!(entries.len(), 1, "{entries:#?}");
        assert_eq!(
            (&entries[0]["step"], &entries[0]["state"]),
            (&"connection".into(), &"problem".into())
        );
    }
}
