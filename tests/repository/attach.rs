//! scripts/attach against a forge that answers as GitHub's and Gitea's APIs do.

use std::path::Path;
use std::process::Output;

use registry_testing::canary::{secret_for, shown};
use registry_testing::scripted_registry::{Reply, ScriptedRegistry, Seen};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;

use super::path;

const FILES: [&str; 3] =
    ["SHA256SUMS", "extension-registry-1.2.3-x.cdx.json", "extension-registry-1.2.3-x.tar.gz"];

fn files() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for name in FILES {
        std::fs::write(dir.path().join(name), format!("bytes of {name}")).unwrap();
    }
    dir
}

/// A release as both show it: `template` stands behind the address for uploads on GitHub.
fn release(seen: &Seen, template: &str, attached: &[&str]) -> Reply {
    let host = seen.header("host").unwrap();
    let assets: Vec<Value> = attached.iter().map(|name| json!({"name": name})).collect();
    let upload = format!("http://{host}/uploads/7/assets{template}");
    Reply::json(json!({"id": 7, "upload_url": upload, "assets": assets}).to_string())
}

/// A forge with a release of v1.2.3 to which these files are attached, or without one.
async fn forge(template: &'static str, there: Option<&'static [&'static str]>) -> ScriptedRegistry {
    ScriptedRegistry::start(move |seen| match (seen.method.as_str(), seen.path()) {
        ("GET", "/api/repos/owner/name/releases/tags/v1.2.3") => match there {
            Some(attached) => release(seen, template, attached),
            None => Reply::new(404),
        },
        ("POST", "/api/repos/owner/name/releases") => {
            Reply { status: axum::http::StatusCode::CREATED, ..release(seen, template, &[]) }
        }
        ("POST", "/uploads/7/assets") => Reply::new(201),
        _ => Reply::new(500).bytes("unexpected"),
    })
    .await
}

async fn attach(api: &str, tag: &str, dir: &Path) -> Output {
    let mut command = Command::new(path("scripts/attach"));
    command.arg(tag).args(FILES.map(|name| dir.join(name)));
    command.env("GITHUB_API_URL", format!("{api}/api")).env("GITHUB_REPOSITORY", "owner/name");
    command.env("GITHUB_TOKEN", secret_for(api, "releases")).env("NO_PROXY", "127.0.0.1");
    command.output().await.unwrap()
}

fn said(output: &Output) -> String {
    let all = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    shown("what scripts/attach says", &all);
    String::from_utf8(all).unwrap()
}

#[tokio::test]
async fn a_release_is_made_and_every_file_attached_on_both_forges() {
    let dir = files();
    // GitHub's address ends in a template, Gitea's does not.
    for template in ["{?name,label}", ""] {
        let forge = forge(template, None).await;
        let output = attach(&forge.url(), "v1.2.3", dir.path()).await;
        assert!(output.status.success(), "{}", said(&output));
        let seen = forge.seen();
        let made: Value = serde_json::from_slice(&seen[1].body).unwrap();
        assert_eq!(made, json!({"tag_name": "v1.2.3", "name": "1.2.3"}));
        let uploads: Vec<&Seen> =
            seen.iter().filter(|seen| seen.path().contains("uploads")).collect();
        assert_eq!(uploads.len(), FILES.len());
        for (upload, name) in uploads.iter().zip(FILES) {
            assert_eq!(upload.query("name").as_deref(), Some(name));
            assert_eq!(upload.body, format!("bytes of {name}"));
            assert_eq!(upload.header("content-type"), Some("application/octet-stream"));
        }
        let expected = format!("token {}", secret_for(&forge.url(), "releases"));
        assert!(seen.iter().all(|seen| seen.header("authorization") == Some(&expected)));
    }
}

#[tokio::test]
async fn a_release_that_is_there_is_used_and_no_file_replaced() {
    let dir = files();
    let there = forge("", Some(&["other.txt"])).await;
    assert!(attach(&there.url(), "v1.2.3", dir.path()).await.status.success());
    assert_eq!(there.count("POST /api/repos"), 0);
    assert_eq!(there.count("POST /uploads"), 3);
    let taken = forge("", Some(&["SHA256SUMS"])).await;
    let output = attach(&taken.url(), "v1.2.3", dir.path()).await;
    assert!(!output.status.success());
    assert!(
        said(&output).contains("SHA256SUMS is attached to v1.2.3 already"),
        "{}",
        said(&output)
    );
    assert_eq!(taken.count("POST"), 0);
}

#[tokio::test]
async fn files_of_another_version_a_wrong_tag_and_a_refusal_are_told() {
    let dir = files();
    let forge = forge("", None).await;
    for (tag, told) in [
        ("v1.2.4", "extension-registry-1.2.3-x.cdx.json is not of version 1.2.4"),
        ("main", "the tag main is no version"),
        ("v1.2.3/../x", "is no version"),
    ] {
        let output = attach(&forge.url(), tag, dir.path()).await;
        assert!(!output.status.success() && said(&output).contains(told), "{}", said(&output));
    }
    assert_eq!(forge.take(), Vec::<String>::new());
    let refusing = ScriptedRegistry::start(|_| Reply::new(403).bytes("not yours")).await;
    let output = attach(&refusing.url(), "v1.2.3", dir.path()).await;
    assert!(!output.status.success());
    assert!(said(&output).contains("was answered with 403: not yours"), "{}", said(&output));
}
