//! `mirror`: copies that are whole, verified, continued and served again.

mod kills;
mod requests;
mod selection;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::client::rig::{Rig, User, packed};
use crate::support::program::Running;

/// A service that serves a mirror, and a user of it.
struct Served {
    user: User,
    running: Running,
    _dir: tempfile::TempDir,
}

impl Served {
    fn of(mirror: &Path) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let config = format!("[local]\npath = {:?}\n", mirror.display().to_string());
        fs::write(dir.path().join("config.toml"), config).unwrap();
        let running = Running::start(dir.path(), &["--host", "127.0.0.1"]);
        let user = User::of(&format!("http://{}", running.address));
        Self { user, running, _dir: dir }
    }

    async fn faults(&self) -> Value {
        self.running.get("/health").await.json()["backends"]["local"]["faults"].clone()
    }
}

/// Releases of three extensions.
fn rig() -> Rig {
    let one = packed(&[("main.k", "1"), ("README.md", "# One\n")]);
    let two = packed(&[("main.k", "2")]);
    Rig::with(&[
        ("provider/a", "1.0.0", &one),
        ("provider/a", "1.1.0", &two),
        ("provider/a", "2.0.0-rc.1", &two),
        ("taskserv/b", "0.1.0_build", &one),
        ("cluster/c", "nightly", &two),
    ])
}

fn mirror(user: &User) -> PathBuf {
    user.project().join("mirror")
}

/// The versions of a service with their digests.
fn digests(user: &User) -> Vec<(String, String, String)> {
    let mut all = Vec::new();
    for extension in user.succeeds(&["list", "-o", "json"]).rows() {
        let id = format!(
            "{}/{}",
            extension["type"].as_str().unwrap(),
            extension["name"].as_str().unwrap()
        );
        for version in user.succeeds(&["versions", &id, "--pre", "-o", "json"]).rows() {
            let text = |key: &str| version[key].as_str().unwrap().to_owned();
            all.push((id.clone(), text("version"), text("digest")));
        }
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mirror_is_served_with_the_same_digests_and_texts() {
    let rig = rig();
    let user = &rig.user;
    let ran = user.succeeds(&["mirror", "--to", "mirror"]);
    assert!(ran.stderr.contains("copied 5, unchanged 0, removed 0"), "{}", ran.stderr);
    user.succeeds(&["mirror", "--verify", "mirror"]);
    let served = Served::of(&mirror(user));
    assert_eq!(digests(&served.user), digests(user));
    assert_eq!(digests(user).len(), 5);
    assert_eq!(served.faults().await, Value::Array(Vec::new()));
    for reference in ["provider/a@1.0.0", "taskserv/b"] {
        let shown =
            |user: &User| user.succeeds(&["show", reference, "-o", "json"]).rows().remove(0);
        let (here, there) = (shown(user), shown(&served.user));
        for key in ["description", "author", "license", "keywords", "notes", "repository"] {
            assert_eq!(here[key], there[key], "{key}");
        }
    }
    served.user.succeeds(&["pull", "provider/a@1.0.0"]);
    let archive = fs::read(served.user.project().join("a-1.0.0.tar.gz")).unwrap();
    assert!(archive == packed(&[("main.k", "1"), ("README.md", "# One\n")]));
}

#[test]
fn a_second_mirror_copies_what_is_new_and_what_moved() {
    let rig = rig();
    rig.user.succeeds(&["mirror", "--to", "mirror"]);
    let moved = packed(&[("main.k", "3")]);
    let rig = rig.and(&[("provider/a", "1.2.0", &moved), ("cluster/c", "nightly", &moved)]);
    let ran = rig.user.succeeds(&["mirror", "--to", "mirror", "-o", "json"]);
    assert!(ran.stderr.contains("copied 2, unchanged 4, removed 0"), "{}", ran.stderr);
    let changed: Vec<String> = ran
        .rows()
        .iter()
        .filter(|row| row["changed"] == true)
        .map(|row| format!("{}@{}", row["id"].as_str().unwrap(), row["version"].as_str().unwrap()))
        .collect();
    assert_eq!(changed, ["provider/a@1.2.0", "cluster/c@nightly"]);
    let served = Served::of(&mirror(&rig.user));
    assert_eq!(digests(&served.user), digests(&rig.user));
}

#[test]
fn damage_is_found_and_repaired() {
    let rig = rig();
    let user = &rig.user;
    user.succeeds(&["mirror", "--to", "mirror"]);
    let blobs = mirror(user).join("a-provider/blobs/sha256");
    let largest = fs::read_dir(&blobs).unwrap().map(|entry| entry.unwrap().path());
    let largest = largest.max_by_key(|path| fs::metadata(path).unwrap().len()).unwrap();
    let mut bytes = fs::read(&largest).unwrap();
    bytes[9] ^= 1;
    fs::write(&largest, &bytes).unwrap();
    let ran = user.fails(&["mirror", "--verify", "mirror"], 6, "the digest is");
    assert!(ran.stdout.contains("damaged"), "{}", ran.stdout);
    fs::remove_file(&largest).unwrap();
    let ran = user.fails(&["mirror", "--verify", "mirror"], 3, "is missing");
    assert!(ran.stdout.contains("missing") && ran.stdout.contains("verified"), "{}", ran.stdout);
    user.succeeds(&["mirror", "--to", "mirror"]);
    user.succeeds(&["mirror", "--verify", "mirror"]);
}

#[test]
fn directories_that_are_no_mirror_are_refused() {
    let rig = rig();
    let user = &rig.user;
    user.fails(&["mirror"], 2, "--to");
    user.fails(&["mirror", "--verify", "nowhere"], 3, "is missing");
    fs::create_dir_all(user.project().join("mine/a-provider")).unwrap();
    user.write("mine/a-provider/letter.txt", "dear");
    user.fails(&["mirror", "--to", "mine"], 8, "no layout");
    assert_eq!(user.read("mine/a-provider/letter.txt"), "dear");
    user.write("file", "x");
    user.fails(&["mirror", "--to", "file"], 1, "cannot be");
    fs::create_dir_all(user.project().join("bad/a-provider")).unwrap();
    user.write("bad/a-provider/index.json", "<html>");
    user.fails(&["mirror", "--to", "bad"], 6, "is no part of an image layout");
    user.fails(&["mirror", "--verify", "bad"], 6, "is no part of an image layout");
}
