//! Files that cannot be used, and directories that cannot be written.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use registry_core::models::backend_id::BackendId;
use registry_core::models::digest::Digest;
use registry_core::models::scope::Scope;
use registry_testing::log::Lines;
use registry_testing::scripted::Scripted;

use super::{FILE, after, catalog, noon, others, persister, written};

/// Starts on a directory whose file has these bytes; the names that stand beside it then.
async fn started_on(bytes: &[u8]) -> Vec<String> {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join(FILE), bytes).unwrap();
    assert_eq!(starts(dir.path()).await, []);
    assert!(!dir.path().join(FILE).exists());
    let aside = others(dir.path());
    assert_eq!(fs::read(dir.path().join(&aside[0])).unwrap(), bytes, "it is kept as it was");
    aside
}

async fn starts(dir: &Path) -> Vec<BackendId> {
    let known = catalog(vec![Scripted::down(BackendId::GITEA)]);
    let restored = persister(&known, dir).read(after(60)).await.unwrap();
    assert_eq!(known.health.can_answer(), !restored.is_empty());
    restored
}

async fn good() -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    written(dir.path(), &["provider/a:1.0.0", "taskserv/b:0.1.0"]).await;
    fs::read(dir.path().join(FILE)).unwrap()
}

fn aside() -> Vec<String> {
    vec![format!("{FILE}.damaged-{}", after(60).as_second())]
}

#[tokio::test]
async fn a_file_that_is_cut_short_is_set_aside() {
    let good = good().await;
    for length in (0..good.len()).step_by(7) {
        assert_eq!(started_on(&good[..length]).await, aside(), "cut at {length}");
    }
}

#[tokio::test]
async fn a_file_with_a_flipped_bit_is_set_aside() {
    let good = good().await;
    let head = good.iter().position(|byte| *byte == b'\n').unwrap();
    for at in (0..=head).chain((head..good.len()).step_by(11)) {
        for bit in 0..8 {
            let mut bytes = good.clone();
            bytes[at] ^= 1 << bit;
            // This is no damage: a newer release may have written it.
            if bytes.starts_with(b"{\"version\":7}") {
                continue;
            }
            assert_eq!(started_on(&bytes).await, aside(), "bit {bit} of byte {at}");
        }
    }
}

/// A batch whose checksum is right, whatever it says.
fn signed(batch: &str) -> String {
    let sum = Digest::sha256(batch.as_bytes());
    format!("{batch}{{\"sum\":\"{sum}\"}}\n")
}

/// A file of one batch with these records.
fn file(version: u32, records: &str) -> Vec<u8> {
    signed(&format!("{{\"version\":{version}}}\n{records}")).into_bytes()
}

#[tokio::test]
async fn a_file_that_says_what_cannot_be_is_set_aside() {
    let good = String::from_utf8(good().await).unwrap();
    let (_, payload) = good.split_once('\n').unwrap();
    let (payload, _) = payload.split_once("{\"sum\"").unwrap();
    for (part, instead) in [
        ("provider/a", "provider/../a"),
        ("provider/a", "gadget/a"),
        ("\"tag\":\"1.0.0\"", "\"tag\":\"/etc/passwd\""),
        ("sha256:", "md5:"),
        ("\"about\":0", "\"about\":9"),
        ("\"gitea\"", "\"svn\""),
        ("\"owner\"", "\"owned\""),
        ("\"swept\"", "\"swept_at\""),
    ] {
        assert!(payload.contains(part), "{part}");
        let bytes = file(3, &payload.replace(part, instead));
        assert_eq!(started_on(&bytes).await, aside(), "{instead}");
    }
    for bytes in [
        file(2, payload),
        file(3, &format!("{payload}{{}}\n")),
        file(3, &format!("{payload}\n")),
        format!("{{\"version\":3}}\n{payload}").into_bytes(),
        b"\0\xff garbage \n garbage".to_vec(),
        vec![b'\n'; 100],
        vec![b'['; 100_000],
    ] {
        assert_eq!(started_on(&bytes).await, aside());
    }
}

#[tokio::test]
async fn a_directory_in_its_place_is_set_aside() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join(FILE)).unwrap();
    assert_eq!(starts(dir.path()).await, []);
    assert_eq!(others(dir.path()), aside());
    written(dir.path(), &["provider/a:1.0.0"]).await;
    assert_eq!(starts(dir.path()).await, [BackendId::GITEA]);
}

#[tokio::test]
async fn row_28_what_a_crash_left_unfinished_is_ignored_and_removed() {
    let dir = tempfile::tempdir().unwrap();
    written(dir.path(), &["provider/a:1.0.0"]).await;
    fs::write(dir.path().join(".state.log.unfinished-x"), b"half").unwrap();
    fs::write(dir.path().join("unrelated"), b"").unwrap();
    assert_eq!(starts(dir.path()).await, [BackendId::GITEA]);
    assert_eq!(others(dir.path()), ["unrelated"]);
}

#[tokio::test]
async fn row_27_a_directory_that_cannot_be_written_stops_nothing() {
    let dir = tempfile::tempdir().unwrap();
    // A file in its place, since root may write anywhere.
    let place = dir.path().join("state");
    fs::write(&place, b"").unwrap();
    let known =
        catalog(vec![std::sync::Arc::new(Scripted::new(BackendId::GITEA, &["provider/a:1.0.0"]))]);
    let persister = persister(&known, &place);
    let (lines, _guard) = Lines::capture(tracing::Level::INFO);
    assert_eq!(persister.read(noon()).await.unwrap(), []);
    assert_eq!(lines.take().lines().count(), 1, "said before anything is known");
    known.syncer.sync(Scope::All).await.unwrap();
    lines.take();
    for _ in 0..3 {
        let error = persister.save(noon()).await.unwrap_err();
        assert!(error.message().contains("cannot be written"), "{error}");
    }
    assert!(
        known.health.persist_error().unwrap().contains("cannot be written"),
        "which /health shows"
    );
    assert_eq!(known.store.view().entries(Scope::All).len(), 1);
    fs::remove_file(&place).unwrap();
    fs::create_dir(&place).unwrap();
    persister.save(noon()).await.unwrap();
    assert_eq!(known.health.persist_error(), None);
    assert_eq!(lines.take().lines().count(), 1, "the end of it");
    assert_eq!(starts(&place).await, [BackendId::GITEA]);
    let mode = fs::metadata(place.join(FILE)).unwrap().permissions().mode();
    assert_eq!(mode & 0o077, 0, "nobody else reads it");
}

/// Puts something in the place of a file of state.
type Swap = (&'static str, fn(&Path));

/// What may lie where our file should, and a word of the reason that is told.
const FOREIGN: [Swap; 5] = [
    ("link", |path| std::os::unix::fs::symlink("/dev/zero", path).unwrap()),
    ("link", |path| {
        fs::write(path.with_extension("target"), "theirs").unwrap();
        std::os::unix::fs::symlink(path.with_extension("target"), path).unwrap();
    }),
    ("regular file", |path| {
        assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success());
    }),
    ("regular file", |path| {
        drop(std::os::unix::net::UnixListener::bind(path).unwrap());
    }),
    ("first line", |path| fs::File::create(path).unwrap().set_len(1 << 40).unwrap()),
];

#[tokio::test]
async fn s16e_what_is_no_file_of_ours_is_set_aside_and_the_start_goes_on() {
    for (word, swap) in FOREIGN {
        let dir = tempfile::tempdir().unwrap();
        written(dir.path(), &["provider/a:1.0.0"]).await;
        let place = dir.path().join(FILE);
        fs::remove_file(&place).unwrap();
        swap(&place);
        assert_eq!(starts(dir.path()).await, []);
        assert!(others(dir.path()).contains(&aside()[0]), "{word}: {:?}", others(dir.path()));
        written(dir.path(), &["provider/a:1.0.0"]).await;
        assert_eq!(starts(dir.path()).await, [BackendId::GITEA]);
        if let Ok(theirs) = fs::read_to_string(place.with_extension("target")) {
            assert_eq!(theirs, "theirs", "nothing is written through a link");
        }
    }
}

#[tokio::test]
async fn s16f_files_of_version_0_2_are_read_as_carefully() {
    for (word, swap) in FOREIGN {
        let dir = tempfile::tempdir().unwrap();
        swap(&dir.path().join("digests.json"));
        let (lines, guard) = Lines::capture(tracing::Level::WARN);
        let known = catalog(vec![Scripted::down(BackendId::GITEA)]);
        assert_eq!(persister(&known, dir.path()).load(noon()).unwrap().0, []);
        drop(guard);
        let told = lines.take();
        assert!(told.contains(word) && told.contains("digests.json"), "{word}: {told}");
        written(dir.path(), &["provider/a:1.0.0"]).await;
        let (lines, _guard) = Lines::capture(tracing::Level::WARN);
        assert_eq!(persister(&known, dir.path()).load(noon()).unwrap().0, [BackendId::GITEA]);
        assert_eq!(lines.take(), "", "it is not read beside a state log");
    }
}

/// A link where an unfinished file of ours might be, and a folder of that name.
#[tokio::test]
async fn s16g_links_that_look_unfinished_lose_nothing_of_others() {
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("theirs"), "theirs").unwrap();
    let dir = tempfile::tempdir().unwrap();
    written(dir.path(), &["provider/a:1.0.0"]).await;
    let name = |end: &str| dir.path().join(format!(".state.log.unfinished-{end}"));
    std::os::unix::fs::symlink(outside.path(), name("link")).unwrap();
    fs::create_dir(name("folder")).unwrap();
    fs::write(name("file"), "half").unwrap();
    assert_eq!(starts(dir.path()).await, [BackendId::GITEA]);
    assert_eq!(fs::read_to_string(outside.path().join("theirs")).unwrap(), "theirs");
    assert!(!name("file").exists() && name("folder").exists());
}

#[tokio::test]
async fn s16h_a_directory_that_was_made_again_is_written_again() {
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().join("state");
    let known =
        catalog(vec![std::sync::Arc::new(Scripted::new(BackendId::GITEA, &["provider/a:1.0.0"]))]);
    let persister = persister(&known, &place);
    persister.read(noon()).await.unwrap();
    known.syncer.sync(Scope::All).await.unwrap();
    persister.save(noon()).await.unwrap();
    fs::remove_dir_all(&place).unwrap();
    known.syncer.sync(Scope::All).await.unwrap();
    let error = persister.save(noon()).await.unwrap_err();
    assert!(error.report().contains("cannot be written"), "{}", error.report());
    fs::create_dir(&place).unwrap();
    persister.save(noon()).await.unwrap();
    assert_eq!(starts(&place).await, [BackendId::GITEA]);
}
