//! What is mirrored: types, rules, the newest versions, a lock; and what is removed.

use std::fs;

use crate::client::mirror::{mirror, rig};
use crate::client::rig::{Rig, User, names, packed};

/// The versions that a dry run would copy.
fn planned(user: &User, arguments: &[&str]) -> Vec<String> {
    let words: Vec<&str> = ["mirror", "--to", "mirror", "--dry-run", "-o", "name"]
        .iter()
        .chain(arguments)
        .copied()
        .collect();
    let ran = user.succeeds(&words);
    let mut names: Vec<String> = ran.stdout.lines().map(str::to_owned).collect();
    names.sort();
    names
}

#[test]
fn types_rules_and_the_newest_versions_select() {
    let rig = rig();
    let user = &rig.user;
    for (arguments, expected) in [
        (&["--type", "cluster"][..], &["cluster/c@nightly"][..]),
        (&["--match", "a@>=1.1"], &["provider/a@1.1.0"]),
        (
            &["--match", "taskserv/b", "--match", "a@=1.0.0"],
            &["provider/a@1.0.0", "taskserv/b@0.1.0+build"],
        ),
        (&["--latest", "1", "--type", "provider"], &["provider/a@1.1.0"]),
        (&["--match", "nothing"], &[]),
    ] {
        assert_eq!(planned(user, arguments), expected, "{arguments:?}");
    }
    assert!(!mirror(user).exists(), "a dry run writes nothing");
    user.fails(&["mirror", "--to", "m", "--match", "provider/"], 2, "name must be");
    user.fails(&["mirror", "--to", "m", "--lock", "x", "--prune"], 2, "cannot be used with");
}

#[test]
fn a_lock_is_mirrored_exactly_and_another_archive_is_refused() {
    let mut rig = rig();
    rig.user.succeeds(&["pull", "provider/a@=1.0.0", "taskserv/b", "--lock", "the.lock"]);
    rig.user.succeeds(&["mirror", "--to", "mirror", "--lock", "the.lock"]);
    assert_eq!(names(&mirror(&rig.user)), [".parts", "a-provider", "b-taskserv"]);
    let lock = rig.user.read("the.lock");
    rig.end();
    // A lock is all that has to be known: the server is not asked about what is there.
    rig.user.succeeds(&["mirror", "--to", "mirror", "--lock", "the.lock"]);
    let digest = lock.split("digest = \"").nth(1).unwrap().split('"').next().unwrap();
    let other = format!("sha256:{}", "0".repeat(64));
    rig.user.write("the.lock", &lock.replace(digest, &other));
    let rig = rig.and(&[]);
    rig.user.fails(
        &["mirror", "--to", "other", "--lock", "the.lock"],
        6,
        "the lock says sha256:0000",
    );
    rig.user.fails(&["mirror", "--to", "other", "--lock", "missing"], 2, "there is no lock");
}

#[test]
fn versions_that_the_registry_no_longer_has_are_removed_when_asked() {
    let rig = rig();
    let user = &rig.user;
    user.succeeds(&["mirror", "--to", "mirror"]);
    let smaller = Rig::with(&[("provider/a", "1.1.0", &packed(&[("main.k", "2")]))]);
    let server = smaller.user.server();
    let to = mirror(user);
    let to = to.to_str().unwrap();
    let run = |more: &[&str]| {
        let words: Vec<&str> =
            ["mirror", "--to", to, "--server", server].iter().chain(more).copied().collect();
        user.succeeds(&words)
    };
    let ran = run(&[]);
    assert!(ran.stderr.contains("copied 0, unchanged 1, removed 0"), "{}", ran.stderr);
    let before = fs::read(mirror(user).join("a-provider/index.json")).unwrap();
    let ran = run(&["--prune", "--dry-run"]);
    assert!(ran.stdout.contains("to remove"), "{}", ran.stdout);
    assert!(fs::read(mirror(user).join("a-provider/index.json")).unwrap() == before);
    let ran = run(&["--prune", "--type", "provider"]);
    assert!(ran.stderr.contains("removed 2"), "{}", ran.stderr);
    assert!(ran.stderr.contains("removed provider/a 1.0.0"), "{}", ran.stderr);
    let ran = run(&["--prune"]);
    assert!(ran.stderr.contains("removed 2"), "{}", ran.stderr);
    user.succeeds(&["mirror", "--verify", "mirror"]);
    let empty = Rig::publishing(|root| fs::create_dir_all(root).unwrap());
    user.fails(
        &["mirror", "--to", to, "--server", empty.user.server(), "--prune"],
        8,
        "lists nothing",
    );
}
