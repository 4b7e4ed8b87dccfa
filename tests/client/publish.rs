//! `pack` and `publish` to image layouts.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use registry_core::models::digest::Digest;
use serde_json::Value;

use crate::client::rig::{Ran, Rig, User};

const SHEET: &str = "type = \"provider\"\nname = \"demo\"\nversion = \"1.0.0\"\ndescription = \"A demo\"\n\
    authors = [\"A\", \"B\"]\nlicense = \"MIT\"\nkeywords = [\"x\", \"y\"]\nexclude = [\"*.log\"]\n";

/// Writes the directory `ext` of an extension into the project of a user.
pub fn extension(user: &User, version: &str, text: &str) {
    let dir = user.project().join("ext");
    fs::create_dir_all(dir.join("bin")).unwrap();
    fs::write(dir.join("extension.toml"), SHEET.replace("1.0.0", version)).unwrap();
    fs::write(dir.join("README.md"), "# Demo\n").unwrap();
    fs::write(dir.join("noise.log"), "noise").unwrap();
    fs::write(dir.join("bin/run"), "#!/bin/sh\n").unwrap();
    fs::write(dir.join("data"), text).unwrap();
}

/// A command with a fixed time, so that each run makes the same manifest.
pub fn at_epoch(user: &User, arguments: &[&str]) -> Command {
    let mut command = user.command(arguments);
    command.env("SOURCE_DATE_EPOCH", "1770804900").env("PATH", "/usr/bin:/bin");
    command
}

/// Every file below a directory.
fn files(root: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for entry in entries {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(root).unwrap().display().to_string();
                found.insert(name, fs::read(&path).unwrap_or_default());
            }
        }
    }
    found
}

/// Tags of a layout, each with its manifest. Fails if anything that a reader follows is missing.
pub fn whole_tags(layout: &Path) -> BTreeMap<String, Value> {
    // In this order: a layout may appear between both looks.
    if !layout.exists() {
        return BTreeMap::new();
    }
    let text = fs::read(layout.join("index.json")).unwrap();
    let index: Value = serde_json::from_slice(&text).unwrap();
    let blob = |digest: &Value| {
        let (_, hex) = digest.as_str().unwrap().split_once(':').unwrap();
        let bytes = fs::read(layout.join("blobs/sha256").join(hex)).unwrap();
        assert_eq!(Digest::sha256(&bytes).hex(), hex);
        bytes
    };
    let entries = index["manifests"].as_array().unwrap().iter().map(|entry| {
        let manifest: Value = serde_json::from_slice(&blob(&entry["digest"])).unwrap();
        for part in manifest["layers"].as_array().unwrap().iter().chain([&manifest["config"]]) {
            assert_eq!(blob(&part["digest"]).len() as u64, part["size"]);
        }
        let tag = &entry["annotations"]["org.opencontainers.image.ref.name"];
        (tag.as_str().unwrap().to_owned(), manifest)
    });
    entries.collect()
}

#[test]
fn equal_directories_make_equal_archives() {
    let user = User::of("");
    extension(&user, "1.0.0", "x");
    let packed = user.succeeds(&["pack", "ext", "-o", "one.tar.gz", "--quiet"]);
    assert!(packed.stdout.contains("one.tar.gz\t"), "{}", packed.stdout);
    // Times, owners' names, and an archive of an earlier run make no difference.
    user.succeeds(&["pack", "ext", "-o", "ext/demo-1.0.0.tar.gz"]);
    fs::set_permissions(user.project().join("ext/data"), fs::Permissions::from_mode(0o600))
        .unwrap();
    let command = Command::new("touch").arg("-d@0").arg(user.project().join("ext/data")).status();
    assert!(command.unwrap().success());
    user.succeeds(&["pack", "ext"]);
    let read = |name: &str| fs::read(user.project().join(name)).unwrap();
    assert_eq!(read("one.tar.gz"), read("demo-1.0.0.tar.gz"));
    assert_eq!(read("one.tar.gz"), read("ext/demo-1.0.0.tar.gz"));
    let digest = Digest::sha256(&read("one.tar.gz")).to_string();
    assert!(packed.stdout.contains(&digest), "{}", packed.stdout);
    let rows = user.succeeds(&["pack", "ext", "--list", "-o", "json"]).rows();
    let listed: Vec<(&str, &str)> = rows
        .iter()
        .map(|row| (row["path"].as_str().unwrap(), row["mode"].as_str().unwrap()))
        .collect();
    let expected = ["README.md", "bin/run", "data", "extension.toml"];
    assert_eq!(
        listed,
        expected.map(|path| (path, if path == "bin/run" { "0755" } else { "0644" }))
    );
    user.fails(&["list", "-o", "one.tar.gz"], 2, "is no form of output");
}

#[test]
fn what_cannot_be_packed_is_named_and_nothing_is_written() {
    let user = User::of("");
    extension(&user, "1.0.0", "x");
    let sheet = user.project().join("ext/extension.toml");
    for (text, part) in [
        (SHEET.replace("version", "verison"), "did you mean version?"),
        (SHEET.replace("\"1.0.0\"", "\"one\""), "is not a version"),
        (SHEET.replace("\"provider\"", "\"service\""), "one of provider, taskserv, cluster"),
        (SHEET.replace("\"demo\"", "\"de mo\""), "name must be"),
        (SHEET.replace("name = \"demo\"\n", ""), "the name of the extension is missing"),
        (SHEET.replace("version = \"1.0.0\"\n", ""), "the version of the extension is missing"),
        (SHEET.replace("*.log", "../x"), "exclude"),
    ] {
        fs::write(&sheet, text).unwrap();
        user.fails(&["pack", "ext"], 2, part);
        user.fails(&["publish", "ext", "--to", "local:out"], 2, part);
    }
    extension(&user, "1.0.0", "x");
    let pipe = user.project().join("ext/pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    user.fails(&["pack", "ext"], 2, "is a pipe, not a file");
    fs::remove_file(pipe).unwrap();
    user.fails(&["pack", "none"], 2, "none");
    user.fails(&["pack", "ext", "-o", "missing/x.tar.gz"], 1, "cannot be written");
    user.fails(&["publish", "ext", "--to", "nowhere"], 2, "local:PATH");
    user.fails(&["publish", "ext/data", "--to", "local:out"], 2, "archive");
    user.write("damaged.tar.gz", "no gzip");
    user.fails(&["publish", "damaged.tar.gz", "--to", "local:out"], 6, "not an archive");
    assert_eq!(user.names(), ["damaged.tar.gz", "ext"]);
}

#[test]
fn a_version_is_published_once_and_replaced_only_on_demand() {
    let user = User::of("");
    extension(&user, "1.0.0", "x");
    let publish = |more: &[&str]| {
        Ran::of(&mut at_epoch(&user, &[&["publish", "ext", "--to", "local:out"], more].concat()))
    };
    let planned = publish(&["--dry-run"]);
    assert_eq!(planned.code, 0, "{}", planned.stderr);
    assert!(planned.stderr.contains("would add the tag 1.0.0"), "{}", planned.stderr);
    assert_eq!(user.names(), ["ext"], "nothing was written");
    let first = publish(&["-o", "json"]);
    assert_eq!((first.code, &first.rows()[0]["changed"]), (0, &Value::from(true)));
    let layout = user.project().join("out/demo-provider");
    let before = files(&layout);
    let again = publish(&["-o", "json"]);
    assert!(again.stderr.contains("already published"), "{}", again.stderr);
    assert_eq!(again.rows()[0]["changed"], false);
    assert_eq!(files(&layout), before);
    extension(&user, "1.0.0", "changed");
    let refused = publish(&[]);
    assert_eq!(refused.code, 8, "{}", refused.stderr);
    assert!(refused.stderr.contains("with other content: sha256:"), "{}", refused.stderr);
    assert_eq!(files(&layout), before);
    let replaced = publish(&["--replace"]);
    assert_eq!(replaced.code, 0);
    assert!(replaced.stderr.contains("warning: replacing"), "{}", replaced.stderr);
    assert_eq!(whole_tags(&layout).len(), 1);
    let nightly = publish(&["--tag", "nightly"]);
    assert_eq!(nightly.code, 0, "{}", nightly.stderr);
    extension(&user, "1.1.0+build.5", "x");
    assert_eq!(publish(&[]).code, 0);
    let tags: Vec<String> = whole_tags(&layout).into_keys().collect();
    assert_eq!(tags, ["1.0.0", "1.1.0_build.5", "nightly"]);
    assert_eq!(publish(&["--tag", "latest"]).code, 2);
    fs::create_dir_all(user.project().join("taken/demo-provider/x")).unwrap();
    user.fails(&["publish", "ext", "--to", "local:taken"], 8, "it is no layout");
    user.fails(&["publish", "ext", "--to", "local:out", "--name", "Demo"], 8, "in case only");
}

#[test]
fn a_packed_archive_is_published_like_its_directory() {
    let user = User::of("");
    extension(&user, "1.0.0", "x");
    user.succeeds(&["pack", "ext"]);
    user.write("notes.md", "Notes.\n");
    let manifest = |source: &str, to: &str| {
        let ran = Ran::of(&mut at_epoch(
            &user,
            &["publish", source, "--to", to, "--notes", "notes.md", "-o", "json"],
        ));
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        ran.rows()[0]["manifest"].clone()
    };
    let of_directory = manifest("ext", "local:one");
    assert_eq!(manifest("demo-1.0.0.tar.gz", "local:two"), of_directory);
    let tags = whole_tags(&user.project().join("one/demo-provider"));
    let annotations = tags["1.0.0"]["annotations"].as_object().unwrap();
    for (key, expected) in [
        ("org.opencontainers.image.created", "2026-02-11T10:15:00Z"),
        ("org.opencontainers.image.authors", "A, B"),
        ("org.opencontainers.image.description", "A demo"),
        ("org.opencontainers.image.licenses", "MIT"),
        ("org.opencontainers.image.version", "1.0.0"),
        ("io.artifacthub.package.keywords", "x,y"),
        ("io.artifacthub.package.changes", "Notes.\n"),
    ] {
        assert_eq!(annotations[key], expected, "{key}");
    }
    assert_eq!(
        tags["1.0.0"]["layers"][1]["annotations"]["org.opencontainers.image.title"],
        "README.md"
    );
}

#[test]
fn the_server_shows_what_was_published() {
    let rig = Rig::publishing(|root| fs::create_dir(root).unwrap());
    let user = &rig.user;
    extension(user, "1.0.0", "x");
    let target = format!("local:{}", rig.layouts().display());
    let server = user.server();
    let ran = user.succeeds(&["publish", "ext", "--to", &target, "--server", server]);
    assert!(ran.stderr.contains("shows provider/demo 1.0.0"), "{}", ran.stderr);
    let rows = user.succeeds(&["show", "demo", "-o", "json"]).rows();
    assert_eq!(rows[0]["author"], "A, B");
    assert_eq!(user.succeeds(&["show", "demo", "--readme"]).stdout, "# Demo\n");
    user.succeeds(&["pull", "demo"]);
    user.succeeds(&["pack", "ext", "-o", "own.tar.gz"]);
    let read = |name: &str| fs::read(user.project().join(name)).unwrap();
    assert_eq!(read("own.tar.gz"), read("demo-1.0.0.tar.gz"));
}

#[test]
fn publishers_at_once_all_appear_and_of_one_version_one_wins() {
    let user = User::of("");
    let start = |version: &str, text: &str| {
        extension(&user, version, text);
        let name = format!("{version}-{text}.tar.gz");
        user.succeeds(&["pack", "ext", "-o", &name]);
        name
    };
    let archives = [
        start("1.0.0", "a"),
        start("1.0.0", "b"),
        start("1.1.0", "a"),
        start("1.2.0", "a"),
        start("1.3.0", "a"),
    ];
    let children: Vec<_> = archives
        .iter()
        .map(|archive| {
            let arguments = ["publish", archive, "--to", "local:out", "--quiet"];
            at_epoch(&user, &arguments).spawn().unwrap()
        })
        .collect();
    let codes: Vec<i32> =
        children.into_iter().map(|mut child| child.wait().unwrap().code().unwrap()).collect();
    let mut of_one_version = codes[..2].to_vec();
    of_one_version.sort_unstable();
    assert_eq!((of_one_version, &codes[2..]), (vec![0, 8], &[0, 0, 0][..]));
    let tags = whole_tags(&user.project().join("out/demo-provider"));
    assert_eq!(tags.into_keys().collect::<Vec<_>>(), ["1.0.0", "1.1.0", "1.2.0", "1.3.0"]);
}

#[test]
fn a_reader_meets_no_fault_while_versions_are_published() {
    let user = User::of("");
    let layout = user.project().join("out/demo-provider");
    let ends = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let (mut reads, mut most) = (0, 0);
            while !ends.load(Ordering::Relaxed) {
                most = whole_tags(&layout).len().max(most);
                reads += 1;
            }
            (reads, most)
        });
        for version in 0..12 {
            extension(&user, &format!("1.{version}.0"), &"x".repeat(100 * version));
            user.succeeds(&[
                "publish",
                "ext",
                "--to",
                "local:out",
                "--created",
                "2026-01-01T00:00:00Z",
            ]);
        }
        ends.store(true, Ordering::Relaxed);
        let (reads, most) = reader.join().unwrap();
        assert!(reads > 12 && most > 0, "{reads} reads, {most} versions");
    });
    assert_eq!(whole_tags(&layout).len(), 12);
}

#[test]
fn a_full_disk_leaves_the_layout_as_it_was() {
    let user = User::of("");
    extension(&user, "1.0.0", "x");
    user.succeeds(&["publish", "ext", "--to", "local:out", "--quiet"]);
    let layout = user.project().join("out/demo-provider");
    let before = files(&layout);
    let noise: String =
        (0..40_000_u32).map(|n| n.wrapping_mul(2_654_435_761).to_string()).collect();
    extension(&user, "1.1.0", &noise);
    user.succeeds(&["pack", "ext", "-o", "big.tar.gz"]);
    // Files are limited to 8 blocks of 512 bytes, and a longer write fails as on a full disk.
    for source in ["ext", "big.tar.gz"] {
        let publish = at_epoch(&user, &["publish", source, "--to", "local:out"]);
        let mut shell = Command::new("sh");
        shell.args(["-c", "trap '' XFSZ; ulimit -f 8; exec \"$@\"", "sh"]);
        shell.arg(publish.get_program()).args(publish.get_args()).current_dir(user.project());
        shell.env_clear();
        shell.envs(publish.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let ran = Ran::of(&mut shell);
        assert_eq!(ran.code, 1, "{}", ran.stderr);
        assert!(ran.stderr.contains("cannot be written"), "{}", ran.stderr);
        assert_eq!(files(&layout), before, "{source}");
    }
}
