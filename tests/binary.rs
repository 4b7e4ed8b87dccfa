//! The program as a user runs it.

use std::io::Read as _;
use std::path::Path;
use std::process::Stdio;

use serde_json::Value;

use crate::support::program::{Running, lines, program, run, stderr};

#[tokio::test]
async fn the_demo_runs_from_an_empty_directory_with_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let running = Running::start(dir.path(), &["--demo"]);
    assert!(running.address.ip().is_loopback());
    let response = running.get("/extensions").await;
    assert_eq!(response.status, 200);
    let list: Vec<Value> = serde_json::from_slice(&response.body).unwrap();
    assert!(list.len() >= 14, "{} extensions", list.len());
    for extension_type in ["provider", "taskserv", "cluster"] {
        assert!(list.iter().any(|row| row["type"] == extension_type), "{extension_type}");
    }
    for row in &list {
        for field in ["description", "author", "repository", "published_at", "license", "digest"] {
            assert!(row[field].is_string(), "{} has no {field}", row["name"]);
        }
        let href = row["href"].as_str().unwrap().strip_prefix("/api/v1").unwrap();
        let archive = running.get(href).await.body;
        let mut names = Vec::new();
        let tar = flate2::read::GzDecoder::new(archive.as_slice());
        for entry in tar::Archive::new(tar).entries().unwrap() {
            let mut entry = entry.unwrap();
            names.push(entry.path().unwrap().display().to_string());
            entry.read_to_end(&mut Vec::new()).unwrap();
        }
        assert!(names.contains(&"README.md".to_owned()), "{}: {names:?}", row["name"]);
    }
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "nothing is left in it");
}

#[tokio::test]
async fn the_demo_names_the_address_where_it_listens_unless_told_another() {
    let dir = tempfile::tempdir().unwrap();
    let public_url = "https://extensions.example.com/demo";
    let environment = [("EXTENSION_REGISTRY__SERVER__PUBLIC_URL", public_url)];
    for (environment, expected) in [(&[][..], None), (&environment[..], Some(public_url))] {
        let running = Running::start_with(dir.path(), &["--demo"], environment);
        let here = format!("http://{}", running.address);
        let expected = expected.unwrap_or(&here);
        let row = running.get("/extensions/provider/aws").await.json();
        let path = "/api/v1/extensions/provider/aws/1.2.0";
        assert_eq!(row["download_url"], format!("{expected}{path}"));
        assert_eq!(row["href"], path);
    }
}

#[tokio::test]
async fn a_signal_drains_and_the_exit_code_is_zero() {
    for signal in ["-TERM", "-INT"] {
        let dir = tempfile::tempdir().unwrap();
        let running = Running::start(dir.path(), &["--demo"]);
        assert_eq!(running.get("/health/live").await.status, 200);
        running.signal(signal);
        let (status, log) = running.wait();
        assert_eq!(status.code(), Some(0), "{signal}");
        assert!(log.iter().any(|line| line.contains(r#""message":"stopped""#)), "{log:?}");
    }
}

#[tokio::test]
async fn each_request_is_one_line_of_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let running = Running::start(dir.path(), &["--demo"]);
    running.get("/extensions?limit=1").await;
    running.get("/extensions/provider/nonexistent").await;
    running.signal("-TERM");
    let (_, log) = running.wait();
    let requests: Vec<Value> = log
        .iter()
        .map(|line| serde_json::from_str(line).unwrap())
        .filter(|line: &Value| line["message"] == "request")
        .collect();
    assert_eq!(requests.len(), 2, "{log:?}");
    assert_eq!(requests[0]["path"], "/api/v1/extensions?limit=1");
    assert_eq!(requests[0]["route"], "/api/v1/extensions");
    assert_eq!((&requests[0]["status"], &requests[1]["status"]), (&200.into(), &404.into()));
    assert!(requests[0]["id"].is_string() && requests[0]["ms"].is_number());
}

#[tokio::test]
async fn a_request_says_in_the_log_from_where_it_came_and_how_much_went_back() {
    let dir = tempfile::tempdir().unwrap();
    let id = registry_testing::ids::id("provider/aws");
    crate::support::layouts::publish(&dir.path().join("extensions"), &id, "1.2.0", "d", b"bytes");
    let config = "[server]\ntrusted_proxies = [\"127.0.0.0/8\"]\n[local]\npath = \"extensions\"\n";
    std::fs::write(dir.path().join("config.toml"), config).unwrap();
    let running = Running::start(dir.path(), &["--host", "127.0.0.1"]);
    let mut lengths = Vec::new();
    let archive = "/extensions/provider/aws/1.2.0";
    for path in ["/extensions/provider/aws", archive, "/extensions/provider/none"] {
        lengths.push(running.get(path).await.body.len());
    }
    let url = format!("http://{}/api/v1{archive}", running.address);
    let client = registry_testing::http::client_builder().build().unwrap();
    client.head(url).header("x-forwarded-for", "192.0.2.7").send().await.unwrap();
    running.signal("-TERM");
    let (_, log) = running.wait();
    let lines = log.iter().map(|line| serde_json::from_str(line).unwrap());
    let requests = lines.filter(|line: &Value| line["message"] == "request");
    let told: Vec<(Value, Value)> =
        requests.map(|line| (line["bytes"].clone(), line["address"].clone())).collect();
    let mut expected: Vec<(Value, Value)> =
        lengths.iter().map(|length| ((*length).into(), "127.0.0.1".into())).collect();
    expected.push((0.into(), "192.0.2.7".into()));
    assert_eq!(told, expected);
}

#[tokio::test]
async fn a_directory_of_layouts_is_served_by_its_configuration() {
    let dir = tempfile::tempdir().unwrap();
    let id = registry_testing::ids::id("provider/mine");
    crate::support::layouts::publish(&dir.path().join("extensions"), &id, "1.0.0", "d", b"mine");
    std::fs::write(dir.path().join("config.toml"), "[local]\npath = \"extensions\"\n").unwrap();
    let running = Running::start(dir.path(), &["--host", "127.0.0.1"]);
    let response = running.get("/extensions/provider/mine/1.0.0").await;
    assert_eq!(response.body, b"mine");
}

#[tokio::test]
async fn what_is_known_outlives_the_process() {
    let dir = tempfile::tempdir().unwrap();
    let id = registry_testing::ids::id("provider/mine");
    crate::support::layouts::publish(&dir.path().join("extensions"), &id, "1.0.0", "d", b"mine");
    let config = "[local]\npath = \"extensions\"\n[cache]\nstate_dir = \"a/state\"\n";
    std::fs::write(dir.path().join("config.toml"), config).unwrap();
    let first = Running::start(dir.path(), &["--host", "127.0.0.1"]);
    assert_eq!(first.get("/extensions/provider/mine").await.status, 200);
    first.signal("-TERM");
    assert!(first.wait().0.success());
    std::fs::rename(dir.path().join("extensions"), dir.path().join("gone")).unwrap();
    let second = Running::start(dir.path(), &["--host", "127.0.0.1"]);
    assert_eq!(second.get("/extensions/provider/mine").await.status, 200);
    second.signal("-TERM");
    assert!(second.wait().0.success());
}

#[tokio::test]
async fn without_a_place_for_what_is_known_one_warning_names_the_loss() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("config.toml"), "[local]\npath = \"x\"\n").unwrap();
    let arguments = ["--host", "127.0.0.1", "--port", "0", "--json-log"];
    let mut child = program(dir.path()).args(arguments).stderr(Stdio::piped()).spawn().unwrap();
    let log = lines(child.stderr.take().unwrap());
    let before: Vec<String> = log.iter().take_while(|l| !l.contains("\"serving\"")).collect();
    child.kill().unwrap();
    child.wait().unwrap();
    let told = before.iter().filter(|line| line.contains("cache.state_dir is not set")).count();
    assert_eq!(told, 1, "{before:?}");
}

#[test]
fn config_check_tells_problems_or_that_there_are_none() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("config.toml"), "[local]\npath = \"x\"\n").unwrap();
    let good = run(dir.path(), &["config", "check"]);
    assert_eq!(good.status.code(), Some(0));
    assert_eq!(good.stdout, b"the configuration is valid\n");
    std::fs::write(dir.path().join("bad.toml"), "[local]\npahts = \"x\"\n").unwrap();
    for arguments in
        [["config", "check", "--config", "bad.toml"], ["--config", "bad.toml", "config", "check"]]
    {
        let bad = run(dir.path(), &arguments);
        assert_eq!(bad.status.code(), Some(2));
        assert_eq!(
            stderr(&bad),
            "error: 2 problems in the configuration\n  bad.toml:1: local.path: is required\n  \
             bad.toml:2: local.pahts: unknown key\n"
        );
    }
}

#[test]
fn config_check_looks_at_what_only_a_backend_can_judge() {
    let dir = tempfile::tempdir().unwrap();
    let gitea = "[gitea]\nurl = \"https://gitea.example.com\"\norganization = \"ext\"\n";
    for (text, token, expected) in [
        (
            gitea.replace("ext", "a b"),
            None,
            "config.toml:3: gitea.organization: organization must be",
        ),
        (
            format!("{gitea}token_path = \"none\"\n"),
            None,
            "config.toml:4: gitea.token_path: none cannot be read",
        ),
        (format!("{gitea}token_path = \"token\"\n"), Some(" \n"), "token is empty"),
        (format!("{gitea}token_path = \"token\"\n"), Some("two words"), "more than one word"),
        (format!("{gitea}ca_file = \"token\"\n"), Some("no certificate"), "token"),
        (
            "[oci]\nregistry = \"r.example.com\"\nnamespace = \"a//b\"\n".to_owned(),
            None,
            "config.toml:3: oci.namespace: ",
        ),
        (
            "[local]\npath = \"x\"\n[auth]\ntokens_path = \"token\"\n".to_owned(),
            Some("two words"),
            "auth.tokens_path: token: line 1: must be NAME SHA256",
        ),
        (
            "[oci]\nregistry = \"r.example.com\"\nnamespace = \"a\"\nrepositories = [\"x\"]\n"
                .to_owned(),
            None,
            "config.toml:4: oci.repositories: \"x\" ends in none of",
        ),
    ] {
        std::fs::write(dir.path().join("config.toml"), &text).unwrap();
        if let Some(token) = token {
            std::fs::write(dir.path().join("token"), token).unwrap();
        }
        for arguments in [&["config", "check"][..], &["--port", "0"]] {
            let output = run(dir.path(), arguments);
            assert_eq!(output.status.code(), Some(2), "{text}");
            assert!(stderr(&output).contains(expected), "{}\nfor {text}", stderr(&output));
            assert!(!stderr(&output).contains("two words"), "no secrets in errors");
        }
    }
}

#[test]
fn what_cannot_start_says_why() {
    let dir = tempfile::tempdir().unwrap();
    let none = run(dir.path(), &[]);
    assert_eq!(none.status.code(), Some(2));
    assert!(stderr(&none).contains("no backend is configured"), "{}", stderr(&none));

    std::fs::write(dir.path().join("config.toml"), "[local]\npath = \"x\"\n").unwrap();
    let level = run(dir.path(), &["--log-level", "loud=very"]);
    assert_eq!(level.status.code(), Some(2));
    assert!(stderr(&level).contains("--log-level"), "{}", stderr(&level));

    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let bind = run(dir.path(), &["--demo", "--port", &port]);
    assert_eq!(bind.status.code(), Some(1));
    let expected = format!("cannot listen on 127.0.0.1 port {port}");
    assert!(stderr(&bind).contains(&expected), "{}", stderr(&bind));
}

#[test]
fn the_command_line_is_documented() {
    let dir = tempfile::tempdir().unwrap();
    let help = run(dir.path(), &["--help"]);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/help.txt");
    crate::support::committed::assert_committed(&path, &String::from_utf8(help.stdout).unwrap());
    let version = run(dir.path(), &["--version"]);
    let expected =
        format!("extension-registry {}\n", extension_registry::build_info::LINE.as_str());
    assert_eq!(version.stdout, expected.as_bytes());
}
