//! The manifest and the lock: `add`, `remove`, `lock`, `update`, `outdated`, `verify`, `pull --locked`.

use std::fs;

use crate::client::rig::{Ran, Rig, packed};

const AWS: &str = "provider/aws";
const B: &str = "taskserv/b";

#[test]
fn add_and_remove_keep_comments_and_write_the_lock() {
    let rig = Rig::with(&[(AWS, "1.2.0", b"one"), (B, "2.0.0", b"two"), (B, "2.1.0-rc.1", b"rc")]);
    let user = &rig.user;
    user.write("extensions.toml", "# ours\n[extensions]\n\"provider/aws\" = \"^1\" # for S3\n");
    let ran = user.succeeds(&["add", B]);
    assert_eq!(ran.stderr, "+ provider/aws 1.2.0\n+ taskserv/b 2.0.0\n");
    let text =
        "# ours\n[extensions]\n\"provider/aws\" = \"^1\" # for S3\n\"taskserv/b\" = \"^2.0.0\"\n";
    assert_eq!(user.read("extensions.toml"), text);
    for (reference, requested) in [
        ("b@2.0.0", "=2.0.0"),
        ("b@~2.0", "~2.0"),
        ("b@2", "^2"),
        ("b@2.1.0-rc.1", "{ version = \"=2.1.0-rc.1\", prerelease = true }"),
    ] {
        user.succeeds(&["add", reference]);
        let quoted = if requested.starts_with('{') {
            requested.to_owned()
        } else {
            format!("\"{requested}\"")
        };
        let line = format!("\"taskserv/b\" = {quoted}\n");
        assert!(user.read("extensions.toml").ends_with(&line), "{}", user.read("extensions.toml"));
    }
    user.succeeds(&["remove", "b"]);
    assert_eq!(user.read("extensions.toml"), text.replace("\"taskserv/b\" = \"^2.0.0\"\n", ""));
    assert!(!user.read("extensions.lock").contains("taskserv/b"));
    user.fails(&["remove", "b"], 2, "b is not in extensions.toml");
    user.fails(&["add", "provider/none"], 3, "not found");
    user.fails(&["add", "b@^9"], 3, "no version that matches ^9");
    assert!(!user.read("extensions.toml").contains("none"));
}

#[test]
fn a_lock_has_the_same_bytes_on_two_machines_and_locked_asks_for_no_range() {
    let mut rig = Rig::with(&[(AWS, "1.2.0", b"one"), (B, "2.0.0", b"two")]);
    let user = &rig.user;
    user.write(
        "extensions.toml",
        "[extensions]\n\"taskserv/b\" = \"2\"\n\"provider/aws\" = \"^1\"\n",
    );
    user.succeeds(&["lock"]);
    let lock = user.read("extensions.lock");
    fs::remove_file(user.project().join("extensions.lock")).unwrap();
    user.write(
        "extensions.toml",
        "[extensions]\n\"provider/aws\" = \"^1\"\n\"taskserv/b\" = \"2\"\n",
    );
    user.succeeds(&["lock"]);
    assert_eq!(user.read("extensions.lock"), lock);
    assert_eq!(user.succeeds(&["lock"]).stderr, "the lock is current\n");
    user.succeeds(&["status"]);
    user.succeeds(&["pull", "--locked"]);
    let mut locked = user.command(&["pull", "--to", "again"]);
    assert_eq!(Ran::of(locked.env("EXTENSION_REGISTRY_LOCKED", "1")).code, 0);
    assert_eq!(user.read("extensions.lock"), lock);
    let asked = rig.end();
    let after = asked.iter().skip_while(|path| !path.ends_with("/health")).skip(1);
    let after: Vec<&str> = after.map(String::as_str).collect();
    let mut sorted = after.clone();
    sorted.sort_unstable();
    assert_eq!(
        sorted,
        ["/api/v1/extensions/provider/aws/1.2.0", "/api/v1/extensions/taskserv/b/2.0.0"],
        "one download each, and nothing else: the second pull took them from the cache"
    );
}

#[test]
fn locked_names_what_is_missing_stale_and_superfluous_and_writes_nothing() {
    let rig =
        Rig::with(&[(AWS, "1.2.0", b"one"), (B, "2.0.0", b"two"), ("cluster/c", "1.0.0", b"c")]);
    let user = &rig.user;
    user.succeeds(&["add", AWS, B]);
    let lock = user.read("extensions.lock");
    user.write(
        "extensions.toml",
        "[extensions]\n\"provider/aws\" = \"^1\"\n\"cluster/c\" = \"1\"\n",
    );
    let ran = user.fails(&["pull", "--locked"], 7, "cluster/c is not in the lock");
    assert!(ran.stderr.contains("provider/aws is locked for ^1.2.0"), "{}", ran.stderr);
    assert!(ran.stderr.contains("taskserv/b is locked and not in"), "{}", ran.stderr);
    assert_eq!(user.read("extensions.lock"), lock);
    assert_eq!(user.names(), ["extensions.lock", "extensions.toml"]);
    let pulled = user.succeeds(&["pull"]);
    assert!(pulled.stderr.contains("- taskserv/b 2.0.0"), "{}", pulled.stderr);
    user.succeeds(&["pull", "--locked"]);
}

#[test]
fn update_moves_within_the_range_and_outdated_tells_beyond_it() {
    let rig = Rig::with(&[(AWS, "1.2.0", b"one")]);
    rig.user.succeeds(&["add", AWS]);
    rig.user.succeeds(&["pull"]);
    let rig = rig.and(&[(AWS, "1.3.0", b"new"), (AWS, "2.0.0", b"far")]);
    let user = &rig.user;
    let before = user.read("extensions.lock");
    assert_eq!(user.succeeds(&["lock"]).stderr, "the lock is current\n");
    let outdated = user.fails(&["outdated", "--exit-code"], 7, "extreg update");
    assert!(
        outdated.stdout.contains("provider/aws\t^1.2.0\t1.2.0\t1.3.0\t2.0.0\n"),
        "{}",
        outdated.stdout
    );
    let dry = user.succeeds(&["update", "--dry-run"]);
    assert_eq!(dry.stderr, "~ provider/aws 1.2.0 -> 1.3.0\n");
    assert_eq!(user.read("extensions.lock"), before);
    user.fails(&["update", "none"], 2, "none is not in extensions.toml");
    user.succeeds(&["update", "aws"]);
    assert!(user.read("extensions.lock").contains("version = \"1.3.0\""));
    user.fails(&["verify"], 3, "aws-1.3.0.tar.gz is missing");
    user.succeeds(&["pull", "--locked"]);
    user.succeeds(&["verify"]);
}

#[test]
fn other_bytes_than_the_locked_ones_are_not_kept() {
    let rig = Rig::with(&[(AWS, "1.2.0", b"one")]);
    rig.user.succeeds(&["add", AWS]);
    let rig = rig.and(&[(AWS, "1.2.0", b"two")]);
    let user = &rig.user;
    let ran = user.fails(&["pull"], 6, "the digest is sha256:");
    assert!(
        ran.stderr.contains(&registry_core::models::digest::Digest::sha256(b"one").to_string())
    );
    user.fails(&["pull", AWS], 6, "the digest is sha256:");
    assert_eq!(user.names(), ["extensions.lock", "extensions.toml"]);
}

#[test]
fn verify_compares_files_and_directories_with_the_lock() {
    let archive = packed(&[("bin/run", "#!/bin/sh\n"), ("README.md", "# x\n")]);
    let mut rig = Rig::with(&[(AWS, "1.2.0", &archive)]);
    rig.user.succeeds(&["add", AWS]);
    rig.user.succeeds(&["pull", "--to", "files", "--extract", "files"]);
    rig.end();
    let user = &rig.user;
    let rows = user.succeeds(&["verify", "files", "-o", "json"]).rows();
    assert_eq!(rows.len(), 2, "the archive and the directory");
    assert!(rows.iter().all(|row| row["state"] == "ok"), "{rows:?}");
    user.succeeds(&["verify", "files/aws-1.2.0.tar.gz", "files/provider/aws"]);
    user.write("files/provider/aws/bin/run", "changed");
    user.fails(&["verify", "files"], 6, "bin/run was changed since it was unpacked");
    fs::remove_file(user.project().join("files/provider/aws/bin/run")).unwrap();
    user.fails(&["verify", "files"], 6, "bin/run is missing");
    fs::remove_dir_all(user.project().join("files/provider")).unwrap();
    user.write("files/aws-1.2.0.tar.gz", "changed");
    user.fails(&["verify", "files"], 6, "the digest is");
    user.fails(&["verify", "files/other"], 3, "files/other is not in the lock");
    fs::remove_file(user.project().join("files/aws-1.2.0.tar.gz")).unwrap();
    user.fails(&["verify", "files"], 3, "files/aws-1.2.0.tar.gz is missing");
}

#[test]
fn an_older_extracted_directory_is_outdated_and_the_next_pull_replaces_it() {
    let tar = |text: &str| packed(&[("file", text)]);
    let rig = Rig::with(&[(AWS, "1.2.0", &tar("old"))]);
    rig.user.succeeds(&["add", AWS]);
    rig.user.succeeds(&["pull", "--to", "to", "--extract", "out"]);
    let rig = rig.and(&[(AWS, "1.3.0", &tar("new"))]);
    let user = &rig.user;
    user.succeeds(&["update"]);
    user.fails(&["verify", "out/provider/aws"], 7, "is provider/aws 1.2.0, and 1.3.0 is locked");
    user.succeeds(&["pull", "--to", "to", "--extract", "out"]);
    assert_eq!(user.read("out/provider/aws/file"), "new");
    user.succeeds(&["verify", "out/provider/aws"]);
}

#[test]
fn a_lock_needs_no_manifest() {
    let rig = Rig::with(&[(AWS, "1.2.0", b"one"), (B, "2.0.0", b"two")]);
    let user = &rig.user;
    user.succeeds(&["pull", AWS, "--lock", "my.lock"]);
    user.succeeds(&["pull", "b@^2", "--lock", "my.lock"]);
    let lock = user.read("my.lock");
    assert!(
        lock.contains("requested = \"^1.2.0\"") && lock.contains("requested = \"^2\""),
        "{lock}"
    );
    user.succeeds(&["verify", "--lock", "my.lock"]);
}

#[test]
fn locks_that_were_edited_are_told_with_their_line() {
    let rig = Rig::with(&[(AWS, "1.2.0", b"one")]);
    let user = &rig.user;
    user.succeeds(&["add", AWS]);
    let good = user.read("extensions.lock");
    let entry = good.split_once("\n\n").unwrap().1;
    for (text, part) in [
        (
            good.replace("version = 1\n", "version = 2\n"),
            "extensions.lock:2: the version of the lock is 2",
        ),
        (good.replace('\n', "\r\n"), "extensions.lock:1: the line ends in CRLF"),
        (format!("{good}=======\n"), "a marker of a merge conflict"),
        (format!("{good}\n{entry}"), "provider/aws stands there twice"),
    ] {
        user.write("extensions.lock", &text);
        for command in [&["pull", "--locked"][..], &["lock"], &["verify"]] {
            user.fails(command, 2, part);
        }
        assert_eq!(user.read("extensions.lock"), text, "nothing is written");
    }
}

#[test]
fn two_locks_at_once_write_the_same() {
    let rig = Rig::with(&[(AWS, "1.2.0", b"one"), (B, "2.0.0", b"two")]);
    let user = &rig.user;
    user.write(
        "extensions.toml",
        "[extensions]\n\"provider/aws\" = \"^1\"\n\"taskserv/b\" = \"2\"\n",
    );
    let children: Vec<_> = (0..4).map(|_| user.command(&["lock", "-q"]).spawn().unwrap()).collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    assert_eq!(user.names(), ["extensions.lock", "extensions.toml"]);
    assert_eq!(user.succeeds(&["lock"]).stderr, "the lock is current\n");
}
