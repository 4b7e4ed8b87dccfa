//! Differences between the archives of two versions, of one backend and across backends.

use registry_core::models::backend_id::BackendId;
use registry_core::models::digest::Digest;
use reqwest::StatusCode;
use serde_json::{Value, json};
use tar::EntryType;

use super::{backend, fails, paths};
use crate::support::served::Served;
use registry_testing::archives::{File, packed};

const NEW: &str = "/extensions/provider/aws/2.0.0/files";

async fn served(old: &[File], new: &[File]) -> Served {
    Served::over(vec![backend(BackendId::LOCAL, &[packed(old), packed(new)])]).await
}

#[tokio::test]
async fn entries_are_added_removed_and_changed() {
    let old = [
        File::new("aws-1/same", "x"),
        File::new("aws-1/gone", "x"),
        File::new("aws-1/text", "a\nb\nc\n"),
        File::new("aws-1/mode", "x"),
        File::new("aws-1/binary", "\0a"),
        File::link("aws-1/link", EntryType::Symlink, "same"),
    ];
    let new = [
        File::new("aws-2/same", "x"),
        File::new("aws-2/here", "x"),
        File::new("aws-2/text", "a\nB\nc\nd\n"),
        File::new("aws-2/mode", "x").mode(0o755),
        File::new("aws-2/binary", "\0b"),
        File::link("aws-2/link", EntryType::Symlink, "here"),
    ];
    let served = served(&old, &new).await;
    let got = served.get(&format!("{NEW}?against=1.0.0")).await;
    assert_eq!((got.status, got.header("cache-control")), (StatusCode::OK, "public, no-cache"));
    let body = got.json();
    assert_eq!(body["from_digest"], Digest::sha256(&packed(&old)).to_string());
    assert_eq!(body["to_digest"], Digest::sha256(&packed(&new)).to_string());
    assert_eq!(body["truncated"], false);
    assert_eq!(paths(&body["added"]), ["aws-2/here"]);
    assert_eq!(paths(&body["removed"]), ["aws-1/gone"]);
    let changed = &body["changed"];
    assert_eq!(paths(changed), ["aws-2/text", "aws-2/mode", "aws-2/binary", "aws-2/link"]);
    let diff = json!({
        "state": "text", "added": 2, "removed": 1,
        "unified": "@@ -1,3 +1,4 @@\n a\n-b\n+B\n c\n+d\n",
    });
    assert_eq!(changed[0]["diff"], diff);
    assert_eq!((&changed[0]["from"]["size"], &changed[0]["to"]["size"]), (&json!(6), &json!(8)));
    assert_eq!((&changed[1]["diff"], &changed[1]["to"]["mode"]), (&Value::Null, &json!("0755")));
    assert_eq!(changed[2]["diff"]["state"], "binary");
    assert_eq!((&changed[3]["diff"], &changed[3]["to"]["link"]), (&Value::Null, &json!("here")));
    // By the path in either archive.
    for path in ["aws-1/text", "aws-2/text"] {
        let one = served.get(&format!("{NEW}?against=1.0.0&path={path}")).await;
        assert_eq!(one.json(), changed[0], "{path}");
    }
}

#[tokio::test]
async fn one_file_is_compared_by_itself() {
    let (old, new) = (
        [File::new("same", "x"), File::new("gone", "x")],
        [File::new("same", "x"), File::new("here", "x")],
    );
    let served = served(&old, &new).await;
    let of = async |path: &str| served.get(&format!("{NEW}?against=1.0.0&path={path}")).await;
    let same = of("same").await.json();
    assert_eq!((&same["from"], &same["diff"]), (&same["to"], &Value::Null));
    let (here, gone) = (of("here").await.json(), of("gone").await.json());
    assert_eq!((&here["from"], &here["to"]["path"]), (&Value::Null, &json!("here")));
    assert_eq!((&gone["from"]["path"], &gone["to"]), (&json!("gone"), &Value::Null));
    fails(&of("none").await, 404, "not_found", &["no entry \"none\""]);
}

#[tokio::test]
async fn texts_that_are_too_long_too_different_or_too_many_are_not_compared() {
    let lines = |word: &str, count: usize| -> String {
        (0..count).map(|n| format!("{word} {n} {}\n", fastrand::u64(..))).collect()
    };
    let side = |word: &str| {
        let mut files = vec![
            File::new("long", lines(word, 40_000)),
            File::new("different", lines(word, 12_000)),
        ];
        files.extend((0..8).map(|n| File::new(format!("many{n}"), lines(word, 14_000))));
        files
    };
    let served = served(&side("old"), &side("new")).await;
    let body = served.get(&format!("{NEW}?against=1.0.0")).await.json();
    let state = |path: &str| {
        let changed = body["changed"].as_array().unwrap();
        changed.iter().find(|change| change["path"] == path).unwrap()["diff"].clone()
    };
    let why =
        |state: &str| json!({"state": state, "added": null, "removed": null, "unified": null});
    assert_eq!(state("long"), why("too_long"));
    assert_eq!(state("different"), why("too_different"));
    assert_eq!(state("many7"), why("left_out"));
    let one = served.get(&format!("{NEW}?against=1.0.0&path=many7")).await.json();
    assert_eq!(one["diff"], why("too_different"));
}

#[tokio::test]
async fn a_version_is_compared_across_backends() {
    let [ours, theirs] = ["ours\n", "theirs\n"].map(|text| packed(&[File::new("a", text)]));
    let same = packed(&[File::new("b", "x")]);
    let backends: Vec<_> = vec![
        backend(BackendId::GITEA, &[ours, same.clone()]) as _,
        backend(BackendId::OCI, &[theirs, same]) as _,
    ];
    let served = Served::over(backends).await;
    let of = async |version: &str, query: &str| {
        served.get(&format!("/extensions/provider/aws/{version}/files?{query}")).await.json()
    };
    let differ = of("1.0.0", "against=1.0.0@oci").await;
    let unified = |body: &Value| body["changed"][0]["diff"]["unified"].clone();
    assert_eq!(unified(&differ), "@@ -1,1 +1,1 @@\n-theirs\n+ours\n");
    let other_way = of("1.0.0", "backend=oci&against=1.0.0@gitea").await;
    assert_eq!(unified(&other_way), "@@ -1,1 +1,1 @@\n-ours\n+theirs\n");
    let equal = of("2.0.0", "against=2.0.0@oci").await;
    assert_eq!(equal["from_digest"], equal["to_digest"]);
    for field in ["added", "removed", "changed"] {
        assert_eq!(equal[field], json!([]), "{field}");
    }
    // Without a name, the backends that are asked for the version.
    let within = of("2.0.0", "backend=oci&against=1.0.0").await;
    assert_eq!((paths(&within["added"]), paths(&within["removed"])), (vec!["b"], vec!["a"]));
}
