//! `list`, `search`, `show`, `versions`, `resolve`, `explain`, `status`, `diff`: the demo as it is shown.

use crate::client::rig::{Rig, User};
use crate::support::program::Running;

fn demo() -> (tempfile::TempDir, Running, User) {
    let dir = tempfile::tempdir().unwrap();
    let running = Running::start(dir.path(), &["--demo"]);
    let user = User::of(&format!("http://{}", running.address));
    (dir, running, user)
}

#[tokio::test]
async fn json_is_the_objects_of_the_api() {
    let (_dir, running, user) = demo();
    let api = running.get("/extensions?limit=1000").await.json();
    let listed = user.succeeds(&["list", "-o", "json"]);
    assert_eq!(serde_json::Value::Array(listed.rows()), api);
    let lines = user.succeeds(&["list", "-o", "jsonl"]).stdout;
    assert_eq!(lines.lines().count(), api.as_array().unwrap().len());
    let some = user.succeeds(&["list", "--type", "cluster", "--limit", "2", "-o", "name"]).stdout;
    assert_eq!(some, "cluster/buildkit@0.4.1\ncluster/ci@1.0.0\n");
    let keyword = user.succeeds(&["list", "--keyword", "dns", "-o", "name"]).stdout;
    assert!(keyword.contains("provider/aws@1.2.0\n"), "{keyword}");
}

#[test]
fn a_search_finds_words_and_names_what_is_near() {
    let (_dir, _running, user) = demo();
    let found = user.succeeds(&["search", "kubernetes", "-o", "name"]).stdout;
    assert!(found.starts_with("taskserv/kubernetes@1.31.0\n"), "{found}");
    let near = user.fails(&["search", "kubernets"], 3, "near: taskserv/kubernetes");
    assert_eq!(near.stdout, "");
    let machine = user.fails(&["search", "kubernets", "-o", "json"], 3, "\"not_found\"");
    assert_eq!(machine.stdout, "[]\n");
    user.fails(&["search", "no-such-thing-at-all"], 3, "try: extreg list");
}

#[test]
fn a_version_is_shown_in_full_with_its_readme_and_files() {
    let (_dir, _running, user) = demo();
    let shown = user.succeeds(&["show", "aws"]).stdout;
    for part in ["provider/aws 1.2.0\n", "owner        local", "digest       sha256:e83c4e35"] {
        assert!(shown.contains(part), "{shown}");
    }
    let readme = user.succeeds(&["show", "aws", "--readme"]).stdout;
    assert!(readme.starts_with("# AWS provider\n"), "{readme}");
    let files = user.succeeds(&["show", "aws", "--files", "-o", "name"]).stdout;
    assert!(files.contains("bin/check.sh\n"), "{files}");
    let row = &user.succeeds(&["show", "aws", "-o", "json"]).rows()[0];
    assert!(row["assets"].is_array() && row["digest_status"] == "known");
}

#[test]
fn versions_are_chosen_by_name_tag_and_range() {
    let (_dir, _running, user) = demo();
    let listed = user.succeeds(&["versions", "kubernetes", "-o", "name", "--range", "~1.30"]);
    assert_eq!(listed.stdout, "taskserv/kubernetes@1.30.4\n");
    user.fails(&["versions", "kubernetes", "--range", "^9"], 3, "no version that matches ^9");
    for (reference, version) in [
        ("kubernetes", "1.31.0"),
        ("taskserv/kubernetes@latest", "1.31.0"),
        ("kubernetes@1.30.4", "1.30.4"),
        ("kubernetes@~1.30", "1.30.4"),
        ("kubernetes@1.30", "1.31.0"),
    ] {
        let ran = user.succeeds(&["resolve", reference, "-o", "json"]);
        assert_eq!(ran.rows()[0]["version"], version, "{reference}");
        let told = "read as ^1.30, chose 1.31.0";
        assert_eq!(ran.stderr.contains(told), reference == "kubernetes@1.30", "{}", ran.stderr);
    }
    let nuon = user.succeeds(&["resolve", "kubernetes", "-o", "nuon"]).stdout;
    let start = "[[id, version, source, digest, size, tag, backend]; [\"taskserv/kubernetes\", \
                 \"1.31.0\", local, \"sha256:66004e2d";
    assert!(nuon.starts_with(start) && nuon.contains(", 3123b, "), "{nuon}");
}

#[test]
fn what_is_not_found_names_what_is_near() {
    let (_dir, _running, user) = demo();
    user.fails(&["resolve", "kubernets"], 3, "near: taskserv/kubernetes");
    user.fails(&["show", "provider/awss"], 3, "near: provider/aws");
    let range = user.fails(&["resolve", "provider/aws@^9"], 3, "the nearest is 1.2.0");
    assert!(range.stderr.contains("try: extreg versions provider/aws"), "{}", range.stderr);
    let both = user.fails(&["resolve", "provider/aws@^9", "nothing@1"], 3, "nearest is 1.2.0");
    assert!(both.stderr.contains("nothing is called nothing"), "{}", both.stderr);
}

#[test]
fn a_name_of_two_types_needs_its_type() {
    let rig = Rig::with(&[("provider/same", "1.0.0", b"a"), ("cluster/same", "2.0.0", b"b")]);
    rig.user.fails(&["show", "same"], 2, "same is not unique: cluster/same, provider/same");
    rig.user.succeeds(&["show", "provider/same"]);
}

#[test]
fn owners_health_and_differences_are_shown() {
    let (_dir, _running, user) = demo();
    let explained = user.succeeds(&["explain", "aws"]).stdout;
    assert!(explained.starts_with("provider/aws is owned: local, first in"), "{explained}");
    let status = user.succeeds(&["status"]);
    assert!(status.stdout.contains("local\tlocal\thealthy\t15\t"), "{}", status.stdout);
    assert_eq!(user.succeeds(&["status", "-o", "json"]).rows()[0]["status"], "healthy");
    let (from, to) = ("kubernetes@1.30.4", "kubernetes@1.31.0");
    let differences = user.succeeds(&["diff", from, to, "-o", "name"]).stdout;
    assert!(differences.contains("versions.env\n"), "{differences}");
    user.fails(&["diff", from, to, "--exit-code"], 7, "entries differ");
    user.succeeds(&["diff", from, from, "--exit-code"]);
    user.fails(&["diff", from, "aws"], 2, "are two extensions");
}
