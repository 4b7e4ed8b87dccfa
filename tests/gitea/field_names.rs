//! How publishers name their files.

use registry_core::backend::Backend as _;
use registry_core::models::artifact::ArtifactChoice;
use registry_core::models::extension::Extension;
use registry_testing::fake_gitea::FakeGitea;
use registry_testing::fake_gitea::state::State;

use super::{backend, id};

/// `e_prov` with one release of these files.
async fn released(files: &[(&str, &[u8])]) -> (FakeGitea, Extension) {
    let mut state = State::empty();
    state.create("e_prov", "made for a test");
    state.publish("e_prov", "1.0.0", files);
    let fake = FakeGitea::start(state).await;
    let extension = backend(&fake).extension(&id("provider/e")).await.unwrap();
    (fake, extension)
}

async fn choice(names: &[&str]) -> Option<String> {
    let files: Vec<(&str, &[u8])> = names.iter().map(|name| (*name, b"x".as_slice())).collect();
    let (_, extension) = released(&files).await;
    match &extension.releases().first()?.artifact {
        ArtifactChoice::Chosen(file) => Some(file.file_name.to_string()),
        several => panic!("{names:?}: {several:?}"),
    }
}

#[tokio::test]
async fn g15_platforms_and_purposes_are_recognized_by_structure() {
    for mark in [
        "linux64",
        "osx",
        "win",
        "386",
        "arm7",
        "armhf",
        "ppc64el",
        "src",
        "debug",
        "symbols",
        // Of our own.
        "linux-x86_64",
        "win32",
        "Darwin_arm64",
        "mips64le",
        "riscv64",
        "aarch64-apple-darwin",
        "x86_64-pc-windows-msvc",
        "armv6l",
        "musl",
        "freebsd13-amd64",
        "linuxarm64",
        "macos14",
        "dbgsym",
        "sbom",
        "sources",
        "windows.x64",
        "s390x",
        "loong64",
        "i686",
        "android",
        "wasm32",
    ] {
        let marked = format!("e_prov_1.0.0_{mark}.tar.gz");
        assert_eq!(choice(&[&marked]).await, None, "{mark} by itself");
        for plain in ["e_prov_1.0.0.tar.gz", "bundle.tar.gz"] {
            assert_eq!(choice(&[&marked, plain]).await.as_deref(), Some(plain), "{mark}");
        }
    }
}

#[tokio::test]
async fn g15b_a_plain_name_goes_before_a_marked_one_and_a_versioned_one_before_others() {
    for (names, expected) in [
        (&["docs.tar.gz"][..], "docs.tar.gz"),
        (&["docs.tar.gz", "bundle.tar.gz"], "bundle.tar.gz"),
        (&["examples.zip", "e-docs.tgz", "anything.tgz"], "anything.tgz"),
        (&["bundle.tar.gz", "e-v1.0.0.tar.gz"], "e-v1.0.0.tar.gz"),
        (&["bundle.tar.gz", "e_prov_1.0.0.tgz"], "e_prov_1.0.0.tgz"),
        (&["other.tar.gz", "e_1.0.0.zip"], "e_1.0.0.zip"),
        (&["e-1.0.0.zip", "e-1.0.0.tar.gz"], "e-1.0.0.tar.gz"),
        (&["other.tar.gz", "E-1.0.0.tar.gz"], "E-1.0.0.tar.gz"),
        (&["e_prov.tar.gz", "e_prov-1.0.0.tar.gz"], "e_prov.tar.gz"),
    ] {
        assert_eq!(choice(names).await.as_deref(), Some(expected), "{names:?}");
    }
}

#[tokio::test]
async fn g15c_the_extensions_own_name_and_version_are_no_marks() {
    let mut state = State::empty();
    for (name, tag, file) in [
        ("linux_taskserv", "1.0.0", "linux-bundle.tar.gz"),
        ("source_prov", "1.0.0", "source_prov_bundle.zip"),
        ("win_prov", "1.0.386", "win-v1.0.386.tar.gz"),
        ("docs-debug_prov", "1.0.0-linux", "docs_debug_1.0.0-linux.tar.gz"),
        ("x_prov", "2.0.386", "release.2.0.386.tar.gz"),
    ] {
        state.create(name, "made for a test");
        state.publish(name, tag, &[(file, b"x"), ("debug.tar.gz", b"y")]);
    }
    let fake = FakeGitea::start(state).await;
    let backend = backend(&fake);
    for one in
        ["taskserv/linux", "provider/source", "provider/win", "provider/docs-debug", "provider/x"]
    {
        let extension = backend.extension(&id(one)).await.unwrap();
        let chosen = extension.releases().first().and_then(|one| one.artifact.chosen());
        assert!(chosen.is_some_and(|file| &*file.file_name != "debug.tar.gz"), "{one}");
    }
}
