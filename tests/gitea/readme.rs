//! Release notes and READMEs, which lie at the commit of a tag.

use registry_backends::gitea::backend::GiteaBackend;
use registry_core::backend::Backend as _;
use registry_core::error::ErrorKind;
use registry_testing::fake_gitea::{FakeGitea, Fault, State};

use super::{backend, id};

const BRANCH: &[u8] = b"# The branch";

/// A repository whose default branch has a README, and whose tag leads to these files.
async fn tagged(tag: &str, files: &[(&str, &[u8])]) -> FakeGitea {
    let mut state = State::empty();
    state.create_released("aws_prov", tag, b"bytes");
    state.commit("aws_prov", tag, files);
    state.commit("aws_prov", "main", &[("README.md", BRANCH)]);
    FakeGitea::start(state).await
}

async fn read(backend: &GiteaBackend, tag: &str) -> Result<(String, String), ErrorKind> {
    let release = backend.version(&id("provider/aws"), &tag.parse().unwrap()).await.unwrap();
    let readme = backend.readme(&id("provider/aws"), &release).await;
    readme.map(|readme| (readme.text, readme.identity)).map_err(|error| error.kind())
}

#[tokio::test]
async fn notes_are_the_text_of_the_release() {
    let fake = FakeGitea::start(State::recorded()).await;
    let backend = backend(&fake);
    let release = backend.version(&id("provider/aws"), &"1.1.0".parse().unwrap()).await.unwrap();
    assert_eq!(release.notes.as_deref(), Some("Release 1.1.0 of aws_prov."));
    let extension = backend.extension(&id("provider/aws")).await.unwrap();
    assert!(extension.releases().iter().all(|release| release.notes.is_none()), "not kept");
}

#[tokio::test]
async fn the_best_readme_at_the_tag_is_read() {
    for (tag, files, expected) in [
        ("1.0.0", &[("LICENSE", &b"x"[..]), ("README.md", b"# The tag")][..], "# The tag"),
        ("rel/1.0", &[("readme", b"plain"), ("README.de.md", b"deutsch")], "plain"),
        // A branch of the same name goes before the tag, unless the commit is asked for.
        ("1.0.0", &[("ReadMe.MD", b"\xef\xbb\xbfmarked")], "marked"),
    ] {
        let fake = tagged(tag, files).await;
        let (text, identity) = read(&backend(&fake), tag).await.unwrap();
        assert_eq!(text, expected, "{tag}");
        assert_eq!(identity.len(), 40, "git's name of the bytes");
        let seen = fake.take_seen();
        let of_files: Vec<_> = seen.iter().filter(|s| s.target.contains("?ref=")).collect();
        assert_eq!(of_files.len(), 2, "the folder and the file");
        for one in of_files {
            assert_eq!(one.target.split_once("?ref=").unwrap().1.len(), 40, "by its commit");
        }
    }
}

#[tokio::test]
async fn equal_files_have_one_identity() {
    let fake = tagged("1.0.0", &[("README.md", b"# Same")]).await;
    fake.edit(|state| {
        state.publish("aws_prov", "1.1.0", &[("aws_prov.tar.gz", b"more")]);
        state.commit("aws_prov", "1.1.0", &[("README.md", b"# Same"), ("new", b"")]);
    });
    let backend = backend(&fake);
    assert_eq!(read(&backend, "1.0.0").await, read(&backend, "1.1.0").await);
}

#[tokio::test]
async fn without_a_readme_the_branch_is_not_shown_instead() {
    for files in [&[][..], &[("main.tf", &b"x"[..]), ("README-dev.md", b"x")]] {
        let fake = tagged("1.0.0", files).await;
        assert_eq!(read(&backend(&fake), "1.0.0").await, Err(ErrorKind::NotFound));
    }
    let fake = tagged("2.0.0", &[]).await;
    fake.edit(|state| state.publish("aws_prov", "1.0.0", &[("aws_prov.tar.gz", b"untagged")]));
    assert_eq!(read(&backend(&fake), "1.0.0").await, Err(ErrorKind::NotFound), "no such tag");
}

#[tokio::test]
async fn what_is_too_large_or_no_text_is_not_shown() {
    let large = vec![b'x'; 1024 * 1024 + 1];
    let fake = tagged("1.0.0", &[("README.md", &large)]).await;
    assert_eq!(read(&backend(&fake), "1.0.0").await, Err(ErrorKind::NotFound));
    for (fault, kind) in [
        (Fault::html(200), ErrorKind::BackendFaulty),
        (Fault::Answer(200, Vec::new(), large.clone()), ErrorKind::BackendFaulty),
        (Fault::Answer(401, Vec::new(), Vec::new()), ErrorKind::BackendRefused),
    ] {
        let fake = tagged("1.0.0", &[("README.md", b"# The tag")]).await;
        fake.fault("/raw/", fault);
        assert_eq!(read(&backend(&fake), "1.0.0").await, Err(kind));
    }
}
