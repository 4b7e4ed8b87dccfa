//! How a release is made, as far as that shows without making one: what the list of its contents
//! holds, and that its program bears the names of the image's.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use registry_core::models::digest::Digest;
use registry_testing::tools::is_installed;
use serde_json::Value;
use toml::Table;

/// What has to be Debian's: it knows TOML, and `scripts/test` installs it.
const PYTHON: &str = "/usr/bin/python3";

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn read(name: &str) -> String {
    fs::read_to_string(path(name)).unwrap()
}

fn output_of(command: &mut Command) -> Vec<u8> {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// The list for this machine, with the digest of some file for that of the program.
fn sbom(program: &str) -> Vec<u8> {
    let host = String::from_utf8(output_of(Command::new("rustc").arg("-vV"))).unwrap();
    let host = host.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
    let mut command = Command::new(PYTHON);
    command.args([path("scripts/sbom").as_os_str(), host.as_ref(), path(program).as_os_str()]);
    output_of(command.env("SOURCE_DATE_EPOCH", "1700000000"))
}

/// The digest of each package of `Cargo.lock`, by `NAME@VERSION`.
fn locked() -> BTreeMap<String, Option<String>> {
    let lock: Table = read("Cargo.lock").parse().unwrap();
    let packages = lock["package"].as_array().unwrap().iter();
    let text = |one: &toml::Value, key: &str| Some(one.get(key)?.as_str()?.to_owned());
    packages
        .map(|one| {
            let [name, version] = ["name", "version"].map(|key| text(one, key).unwrap());
            (format!("{name}@{version}"), text(one, "checksum"))
        })
        .collect()
}

/// Names in this part of the manifests of the program and its crates.
fn wanted(part: &str) -> BTreeSet<String> {
    let crates = fs::read_dir(path("crates")).unwrap().map(|entry| entry.unwrap().path());
    let manifests = crates.chain([path("")]).map(|folder| folder.join("Cargo.toml"));
    manifests
        .flat_map(|manifest| {
            let manifest: Table = fs::read_to_string(manifest).unwrap().parse().unwrap();
            let names = manifest.get(part).map(|part| part.as_table().unwrap().keys().cloned());
            names.into_iter().flatten().collect::<Vec<_>>()
        })
        .collect()
}

#[test]
fn the_list_of_contents_has_every_package_of_the_program_and_none_of_the_tests() {
    if !is_installed(PYTHON) {
        return;
    }
    let list: Value = serde_json::from_slice(&sbom("LICENSE")).unwrap();
    let (mut program, mut build) = (BTreeSet::new(), BTreeSet::new());
    for one in list["components"].as_array().unwrap() {
        let of = if one["scope"] == "excluded" { &mut build } else { &mut program };
        of.insert(one["name"].as_str().unwrap().to_owned());
    }
    for name in wanted("dependencies") {
        // A macro is not in the program, but in what it has written there.
        let of = if name == "async-trait" { &build } else { &program };
        assert!(of.contains(&name), "{name} is not in {of:?}");
    }
    // Code in other languages, and what compiles it.
    for (name, of) in [("ring", &program), ("zstd-sys", &program), ("cc", &build)] {
        assert!(of.contains(name), "{name} is not in {of:?}");
    }
    let both = wanted("dependencies");
    for name in wanted("dev-dependencies").difference(&both).filter(|name| *name != "ring") {
        assert!(!program.contains(name), "{name} is for tests alone");
    }
}

#[test]
fn what_the_list_says_of_packages_is_what_cargo_locked() {
    if !is_installed(PYTHON) {
        return;
    }
    let list: Value = serde_json::from_slice(&sbom("LICENSE")).unwrap();
    let (locked, mut listed) = (locked(), BTreeSet::new());
    for one in list["components"].as_array().unwrap() {
        let [name, version] = ["name", "version"].map(|field| one[field].as_str().unwrap());
        let package = format!("{name}@{version}");
        assert_eq!(one["hashes"][0]["content"].as_str(), locked[&package].as_deref(), "{package}");
        assert!(one["licenses"][0]["expression"].is_string(), "{package}");
        listed.insert(format!("pkg:cargo/{package}"));
    }
    // Every package is there because one that is there uses it.
    let own = list["metadata"]["component"]["bom-ref"].as_str().unwrap();
    let rows = list["dependencies"].as_array().unwrap();
    let used = rows.iter().flat_map(|row| row["dependsOn"].as_array().unwrap());
    let used: BTreeSet<&str> = used.map(|one| one.as_str().unwrap()).collect();
    assert_eq!(used, listed.iter().map(String::as_str).collect());
    let rows: BTreeSet<&str> = rows.iter().map(|row| row["ref"].as_str().unwrap()).collect();
    assert_eq!(rows, used.into_iter().chain([own]).collect());
}

#[test]
fn the_list_of_contents_is_the_same_each_time_and_tells_the_program() {
    if !is_installed(PYTHON) {
        return;
    }
    let first = sbom("LICENSE");
    assert!(first == sbom("LICENSE") && first != sbom("README.md"));
    let list: Value = serde_json::from_slice(&first).unwrap();
    let digest = Digest::sha256(&fs::read(path("LICENSE")).unwrap());
    let about = &list["metadata"];
    assert_eq!(about["component"]["hashes"][0]["content"], digest.hex());
    assert_eq!(about["timestamp"], "2023-11-14T22:13:20Z");
    let text = String::from_utf8(first).unwrap();
    assert!(!text.contains(env!("CARGO_MANIFEST_DIR")), "nothing of this machine");
}

/// The image is built where the release says that it was, with a flag that renames nothing.
#[test]
fn the_releases_program_bears_the_names_of_the_images() {
    let (script, image) = (read("scripts/release"), read("Dockerfile"));
    let name = |key: &str| {
        let line = script.lines().find_map(|line| line.strip_prefix(&format!("readonly {key}=")));
        line.unwrap_or_else(|| panic!("no {key}")).to_owned()
    };
    let build = image.split("\nFROM ").nth(1).unwrap();
    assert!(build.starts_with("rust:"), "whose CARGO_HOME is {}: {build}", name("cargo_name"));
    assert!(build.contains(&format!("\nWORKDIR {}\n", name("source_name"))));
    assert_eq!(name("target_name"), format!("{}/target", name("source_name")));
    assert!(build.contains(&format!("type=cache,target={} ", name("target_name"))));
    for line in ["ARG SOURCE_COMMIT=", "ARG SOURCE_DATE_EPOCH="] {
        assert!(build.contains(line), "{line}");
    }
    for text in [build, &script] {
        assert!(text.contains("--locked --release --bin extension-registry"), "one program");
    }
    let source = name("source_name");
    let flags = format!("\nENV RUSTFLAGS=\"--remap-path-prefix={source}={source}\"\n");
    assert_eq!((build.contains(&flags), build.matches("RUSTFLAGS").count()), (true, 1));
}
