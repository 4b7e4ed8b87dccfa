//! Image layouts that are broken or hostile: the others go on, the fault is named, nothing panics.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use registry_backends::local::backend::LocalBackend;
use registry_backends::oci::models::{OCI_INDEX, OCI_MANIFEST};
use registry_core::backend::Backend as _;
use registry_core::models::backend_id::BackendId;
use registry_core::models::digest::Digest;
use registry_core::models::scope::Scope;
use registry_testing::ids::id;
use reqwest::StatusCode;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::layouts::{ARCHIVE, LayoutBuilder, publish};
use crate::support::served::Served;

/// A directory with a good extension, and room for a bad one.
struct Bench(TempDir);

impl Bench {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        publish(dir.path(), &id("provider/good"), "1.0.0", "good", b"good bytes");
        Self(dir)
    }

    fn bad(&self) -> PathBuf {
        self.0.path().join("bad-provider")
    }

    fn publish_bad(&self, tag: &str) {
        publish(self.0.path(), &id("provider/bad"), tag, "bad", format!("bad {tag}").as_bytes());
    }

    fn blob(&self, bytes: &[u8]) -> PathBuf {
        self.bad().join("blobs/sha256").join(Digest::sha256(bytes).hex())
    }

    fn index(&self) -> Value {
        serde_json::from_slice(&fs::read(self.bad().join("index.json")).unwrap()).unwrap()
    }

    fn write_index(&self, index: &Value) {
        fs::write(self.bad().join("index.json"), index.to_string()).unwrap();
    }

    /// Serves the directory; checks that the good one is served whole and that health names a
    /// fault of the bad one with these words. Answers with the service.
    async fn good_goes_on(&self, words: &[&str]) -> Served {
        let served = Served::local(self.0.path()).await;
        let list = served.get("/extensions").await;
        assert!(list.column("name").contains(&"good".to_owned()), "{}", list.text());
        let bytes = served.get("/extensions/provider/good/1.0.0").await;
        assert_eq!((bytes.status, bytes.text().as_str()), (StatusCode::OK, "good bytes"));
        let health = served.get("/health").await.json();
        let local = &health["backends"]["local"];
        assert_eq!(local["healthy"], true);
        let faults = local["faults"].to_string();
        for word in words {
            assert!(faults.contains(word), "{word:?} is not in {faults}");
        }
        served
    }
}

fn descriptor(media_type: &str, digest: &str, size: usize) -> Value {
    json!({"mediaType": media_type, "digest": digest, "size": size})
}

#[tokio::test]
async fn a_missing_manifest_costs_its_tag_alone() {
    let bench = Bench::new();
    bench.publish_bad("1.0.0");
    let manifest = bench.index()["manifests"][0]["digest"].as_str().unwrap().to_owned();
    bench.publish_bad("1.1.0");
    fs::remove_file(bench.bad().join("blobs").join(manifest.replace(':', "/"))).unwrap();
    let served = bench.good_goes_on(&["provider/bad", "tag 1.0.0", "is missing"]).await;
    let versions = served.get("/extensions/provider/bad/versions").await;
    assert_eq!(versions.column("version"), ["1.1.0"]);
}

#[tokio::test]
async fn a_missing_archive_costs_its_tag_alone() {
    let bench = Bench::new();
    bench.publish_bad("1.0.0");
    bench.publish_bad("1.1.0");
    fs::remove_file(bench.blob(b"bad 1.1.0")).unwrap();
    let served = bench.good_goes_on(&["tag 1.1.0", "is missing"]).await;
    let versions = served.get("/extensions/provider/bad/versions").await;
    assert_eq!(versions.column("version"), ["1.0.0"]);
}

#[tokio::test]
async fn a_manifest_that_fails_its_digest_is_not_believed() {
    let bench = Bench::new();
    bench.publish_bad("1.0.0");
    let manifest = bench.index()["manifests"][0]["digest"].as_str().unwrap().to_owned();
    let path = bench.bad().join("blobs").join(manifest.replace(':', "/"));
    let forged = fs::read_to_string(&path).unwrap().replace("\"bad\"", "\"BAD\"");
    fs::write(&path, forged).unwrap();
    let served = bench.good_goes_on(&["provider/bad", "has another digest"]).await;
    let got = served.get("/extensions/provider/bad").await;
    assert_eq!(got.status, StatusCode::BAD_GATEWAY, "it is there, and cannot be read");
    assert_eq!(got.json()["message"], "Extension provider/bad has no release that can be read");
}

#[tokio::test]
async fn a_digest_that_is_none_never_becomes_a_path() {
    let bench = Bench::new();
    bench.publish_bad("1.0.0");
    fs::write(bench.0.path().join("secret"), "{}").unwrap();
    for digest in ["sha256:../../../secret", "../../secret", "sha256:", "md5:00", ""] {
        let mut entry = descriptor(OCI_MANIFEST, digest, 2);
        entry["annotations"] = json!({"org.opencontainers.image.ref.name": "1.0.0"});
        bench.write_index(&json!({"schemaVersion": 2, "manifests": [entry]}));
        bench.good_goes_on(&["provider/bad", "has no digest"]).await;
    }
}

#[tokio::test]
async fn a_truncated_index_is_named() {
    let bench = Bench::new();
    bench.publish_bad("1.0.0");
    let whole = fs::read(bench.bad().join("index.json")).unwrap();
    for length in [0, 1, whole.len() / 2, whole.len() - 1] {
        fs::write(bench.bad().join("index.json"), &whole[..length]).unwrap();
        let served = bench.good_goes_on(&["provider/bad", "index.json cannot be read"]).await;
        let got = served.get("/extensions/provider/bad").await;
        assert_eq!(got.status, StatusCode::BAD_GATEWAY, "it may be there");
        assert_eq!(got.json()["error"], "backend_error");
    }
}

#[tokio::test]
async fn an_index_that_is_cut_short_later_leaves_what_was_known() {
    let bench = Bench::new();
    bench.publish_bad("1.0.0");
    let served = Served::local(bench.0.path()).await;
    served.get("/extensions").await;
    fs::write(bench.bad().join("index.json"), "{\"manifests\":[").unwrap();
    served.catalog.syncer.sync(Scope::All).await.unwrap();
    assert_eq!(served.get("/extensions").await.column("name"), ["bad", "good"]);
    let faults = served.get("/health").await.json()["backends"]["local"]["faults"].to_string();
    assert!(faults.contains("index.json cannot be read"), "{faults}");
}

#[tokio::test]
async fn indexes_of_other_shapes_are_named() {
    let bench = Bench::new();
    bench.publish_bad("1.0.0");
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let in_depth = format!("{{\"manifests\":{deep}}}");
    for text in
        ["[]", "null", "\"x\"", "{}", "{\"manifests\":{}}", "{\"manifests\":[1]}", &in_depth]
    {
        fs::write(bench.bad().join("index.json"), text).unwrap();
        bench.good_goes_on(&["provider/bad"]).await;
    }
}

#[tokio::test]
async fn an_emptied_layout_has_no_release() {
    let bench = Bench::new();
    bench.publish_bad("1.0.0");
    // As zot leaves it behind.
    fs::write(bench.bad().join("index.json"), r#"{"schemaVersion":2,"manifests":null}"#).unwrap();
    let served = bench.good_goes_on(&[]).await;
    let got = served.get("/extensions/provider/bad").await;
    assert_eq!(got.json()["message"], "Extension provider/bad has no release");
}

#[tokio::test]
async fn an_index_of_a_hundred_megabytes_is_not_read() {
    let bench = Bench::new();
    bench.publish_bad("1.0.0");
    let file = fs::File::create(bench.bad().join("index.json")).unwrap();
    file.set_len(100 * 1024 * 1024).unwrap();
    bench.good_goes_on(&["provider/bad", "larger than 16777216 bytes"]).await;
}

#[tokio::test]
async fn links_out_of_the_directory_are_not_followed() {
    let outside = tempfile::tempdir().unwrap();
    publish(outside.path(), &id("provider/secret"), "1.0.0", "secret", b"secret bytes");
    let secret = outside.path().join("secret-provider");

    let bench = Bench::new();
    symlink(&secret, bench.bad()).unwrap();
    let served = bench.good_goes_on(&["provider/bad", "cannot be opened within"]).await;
    assert_ne!(served.get("/extensions/provider/bad").await.status, StatusCode::OK);

    let bench = Bench::new();
    bench.publish_bad("1.0.0");
    fs::remove_file(bench.bad().join("index.json")).unwrap();
    symlink(secret.join("index.json"), bench.bad().join("index.json")).unwrap();
    bench.good_goes_on(&["provider/bad", "index.json cannot be read"]).await;

    let bench = Bench::new();
    bench.publish_bad("1.0.0");
    fs::remove_dir_all(bench.bad().join("blobs")).unwrap();
    symlink(secret.join("blobs"), bench.bad().join("blobs")).unwrap();
    bench.good_goes_on(&["provider/bad", "cannot be opened within"]).await;

    let bench = Bench::new();
    bench.publish_bad("1.0.0");
    fs::remove_file(bench.blob(b"bad 1.0.0")).unwrap();
    symlink("/etc/hostname", bench.blob(b"bad 1.0.0")).unwrap();
    let served = bench.good_goes_on(&["provider/bad", "cannot be opened within"]).await;
    let got = served.get("/extensions/provider/bad/1.0.0").await;
    assert_eq!(got.status, StatusCode::BAD_GATEWAY);
}

#[tokio::test]
async fn links_within_the_directory_are_followed() {
    let bench = Bench::new();
    symlink("good-provider", bench.bad()).unwrap();
    let served = bench.good_goes_on(&[]).await;
    assert_eq!(served.get("/extensions/provider/bad/1.0.0").await.text(), "good bytes");
}

/// Lets a tag of the bad extension name this index.
fn tag_index(layout: &mut LayoutBuilder, index: &Value) {
    let descriptor = layout.blob(OCI_INDEX, index.to_string().as_bytes());
    layout.tag("1.0.0", descriptor);
}

fn manifest(layout: &LayoutBuilder) -> Value {
    let layer = layout.layer(ARCHIVE, "bad.tar.gz", b"nested bytes");
    layout.extension(&[layer], &json!({}))
}

#[tokio::test]
async fn nested_indexes_are_descended_so_far_and_no_further() {
    for (depth, served_well) in [(1, true), (3, true), (4, false), (50, false)] {
        let bench = Bench::new();
        let mut layout = LayoutBuilder::create(bench.bad());
        let mut inner = manifest(&layout);
        for _ in 1..depth {
            let index = json!({"schemaVersion": 2, "manifests": [inner]});
            inner = layout.blob(OCI_INDEX, index.to_string().as_bytes());
        }
        tag_index(&mut layout, &json!({"schemaVersion": 2, "manifests": [inner]}));
        layout.finish();
        let words: &[&str] =
            if served_well { &[] } else { &["provider/bad", "indexes in each other"] };
        let served = bench.good_goes_on(words).await;
        let got = served.get("/extensions/provider/bad/1.0.0").await;
        assert_eq!(got.status == StatusCode::OK, served_well, "{depth}");
    }
}

#[tokio::test]
async fn an_index_that_names_itself_ends() {
    let bench = Bench::new();
    let digest = format!("sha256:{}", "0".repeat(64));
    let mut entry = descriptor(OCI_INDEX, &digest, 0);
    let itself = json!({"schemaVersion": 2, "manifests": [entry]}).to_string();
    entry["size"] = itself.len().into();
    let itself = json!({"schemaVersion": 2, "manifests": [entry]}).to_string();
    entry["annotations"] = json!({"org.opencontainers.image.ref.name": "1.0.0"});
    LayoutBuilder::create(bench.bad()).finish();
    fs::write(bench.bad().join("blobs/sha256").join("0".repeat(64)), itself).unwrap();
    bench.write_index(&json!({"schemaVersion": 2, "manifests": [entry]}));
    bench.good_goes_on(&["provider/bad"]).await;
}

#[tokio::test]
async fn an_index_serves_the_first_child_that_is_there() {
    let bench = Bench::new();
    let mut layout = LayoutBuilder::create(bench.bad());
    let gone = descriptor(OCI_MANIFEST, &Digest::sha256(b"gone").to_string(), 4);
    let mut attestation = manifest(&layout);
    attestation["platform"] = json!({"os": "unknown", "architecture": "unknown"});
    let there = manifest(&layout);
    tag_index(&mut layout, &json!({"schemaVersion": 2, "manifests": [attestation, gone, there]}));
    layout.finish();
    let served = bench.good_goes_on(&[]).await;
    assert_eq!(served.get("/extensions/provider/bad/1.0.0").await.text(), "nested bytes");
}

#[tokio::test]
async fn several_archives_without_a_rule_are_listed_and_their_download_names_them() {
    let bench = Bench::new();
    let mut layout = LayoutBuilder::create(bench.bad());
    let layers = [
        layout.layer(ARCHIVE, "linux.tar.gz", b"one"),
        layout.layer(ARCHIVE, "darwin.tar.gz", b"two"),
    ];
    let manifest = layout.extension(&layers, &json!({}));
    layout.tag("1.0.0", manifest);
    layout.finish();
    let served = bench.good_goes_on(&[]).await;
    let found = served.get("/extensions/provider/bad").await.json();
    assert_eq!((&found["size"], &found["download_url"]), (&Value::Null, &Value::Null));
    let got = served.get("/extensions/provider/bad/1.0.0").await;
    assert_eq!(got.status, StatusCode::NOT_FOUND);
    let message = got.json()["message"].as_str().unwrap().to_owned();
    assert!(message.contains("linux.tar.gz, darwin.tar.gz"), "{message}");
    let digest = Digest::sha256(b"two").to_string();
    for asset in ["darwin.tar.gz", &digest] {
        let got = served.get(&format!("/extensions/provider/bad/1.0.0?asset={asset}")).await;
        assert_eq!((got.status, got.text().as_str()), (StatusCode::OK, "two"), "{asset}");
    }
    let got = served.get("/extensions/provider/bad/1.0.0?asset=windows.zip").await;
    assert_eq!(got.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn what_is_no_layout_is_named() {
    let bench = Bench::new();
    fs::create_dir(bench.bad()).unwrap();
    bench.good_goes_on(&["provider/bad", "index.json cannot be read"]).await;
    bench.publish_bad("1.0.0");
    fs::write(bench.bad().join("oci-layout"), r#"{"imageLayoutVersion":"2.0.0"}"#).unwrap();
    bench.good_goes_on(&["provider/bad", "not 1.x"]).await;
    fs::remove_file(bench.bad().join("oci-layout")).unwrap();
    bench.good_goes_on(&["provider/bad", "oci-layout cannot be read"]).await;
}

#[tokio::test]
async fn a_pipe_in_the_place_of_a_file_hangs_nobody() {
    let bench = Bench::new();
    bench.publish_bad("1.0.0");
    fs::remove_file(bench.blob(b"bad 1.0.0")).unwrap();
    let made = std::process::Command::new("mkfifo").arg(bench.blob(b"bad 1.0.0")).status();
    assert!(made.unwrap().success());
    bench.good_goes_on(&["provider/bad", "tag 1.0.0"]).await;
}

#[tokio::test]
async fn row_45_names_that_differ_in_case_alone_are_named() {
    let bench = Bench::new();
    publish(bench.0.path(), &id("provider/GOOD"), "2.0.0", "shadowed", b"other");
    let served = Served::local(bench.0.path()).await;
    assert_eq!(served.get("/extensions").await.column("name"), ["GOOD"]);
    let faults = served.get("/health").await.json()["backends"]["local"]["faults"].to_string();
    assert!(faults.contains("good-provider") && faults.contains("has the name of"), "{faults}");
}

#[tokio::test]
async fn other_things_in_the_directory_are_ignored() {
    let bench = Bench::new();
    fs::write(bench.0.path().join("notes.txt"), "no directory").unwrap();
    fs::create_dir(bench.0.path().join("docs")).unwrap();
    symlink("/nonexistent", bench.0.path().join("dangling")).unwrap();
    let served = bench.good_goes_on(&[]).await;
    assert_eq!(served.get("/extensions").await.column("name"), ["good"]);
    assert_eq!(served.get("/health").await.json()["backends"]["local"]["faults"], json!([]));
}

#[tokio::test]
async fn a_changed_index_is_noticed_without_a_restart() {
    let bench = Bench::new();
    bench.publish_bad("1.0.0");
    let served = Served::local(bench.0.path()).await;
    assert_eq!(served.get("/extensions/provider/bad").await.json()["version"], "1.0.0");
    bench.publish_bad("1.1.0");
    served.catalog.syncer.sync(Scope::All).await.unwrap();
    assert_eq!(served.get("/extensions/provider/bad").await.json()["version"], "1.1.0");
}

#[tokio::test]
async fn a_directory_that_comes_later_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let late: &Path = &dir.path().join("late");
    let served = Served::local(late).await;
    assert_eq!(served.get("/extensions").await.text(), "[]");
    publish(late, &id("provider/good"), "1.0.0", "good", b"good bytes");
    served.catalog.syncer.sync(Scope::All).await.unwrap();
    assert_eq!(served.get("/extensions").await.column("name"), ["good"]);
}

/// Swaps two names again and again, as who means to be in time between a look and an opening.
struct Swapping {
    stop: std::sync::Arc<std::sync::atomic::AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Swapping {
    fn of(one: PathBuf, other: PathBuf) -> Self {
        let stop = std::sync::Arc::<std::sync::atomic::AtomicBool>::default();
        let told = std::sync::Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let aside = one.with_extension("aside");
            while !told.load(std::sync::atomic::Ordering::Relaxed) {
                fs::rename(&one, &aside).unwrap();
                fs::rename(&other, &one).unwrap();
                fs::rename(&one, &other).unwrap();
                fs::rename(&aside, &one).unwrap();
            }
        });
        Self { stop, thread: Some(thread) }
    }
}

impl Drop for Swapping {
    fn drop(&mut self) {
        self.stop.store(true, std::sync::atomic::Ordering::Relaxed);
        self.thread.take().unwrap().join().unwrap();
    }
}

/// Every file of a layout is opened without waiting, whatever it has become since a look at it.
#[tokio::test]
async fn s07_a_pipe_that_is_swapped_in_freezes_nobody() {
    for file in ["index.json", "oci-layout", "manifest", "archive"] {
        let bench = Bench::new();
        bench.publish_bad("1.0.0");
        let manifest = bench.index()["manifests"][0]["digest"].as_str().unwrap().replace(':', "/");
        let place = match file {
            "manifest" => bench.bad().join("blobs").join(manifest),
            "archive" => bench.blob(b"bad 1.0.0"),
            other => bench.bad().join(other),
        };
        let pipe = place.with_extension("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let backend = LocalBackend::new(BackendId::LOCAL, bench.0.path());
        let bad = id("provider/bad");
        let good = LocalBackend::new(BackendId::LOCAL, bench.0.path());
        let release = good.extension(&bad).await.unwrap().releases()[0].clone();
        let archive = release.artifact.chosen().unwrap().clone();
        let _swapping = Swapping::of(place, pipe);
        for _ in 0..3_000 {
            let asked = async {
                let _ = backend.extension(&bad).await;
                let _ = backend.open(&bad, &archive, None).await;
            };
            // Never reached by what does not wait for a writer, which never comes.
            let patience = std::time::Duration::from_secs(20);
            tokio::time::timeout(patience, asked).await.unwrap_or_else(|_| {
                // The thread that hangs would keep the test from ending.
                eprintln!("frozen by {file}");
                std::process::abort()
            });
        }
    }
}

/// Everything else that is no regular file, where one should be.
#[tokio::test]
async fn s07b_devices_sockets_and_folders_are_no_files_of_a_layout() {
    let swaps: [fn(&Path); 3] = [
        |path| drop(std::os::unix::net::UnixListener::bind(path).unwrap()),
        |path| fs::create_dir(path).unwrap(),
        |path| assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success()),
    ];
    for swap in swaps {
        for file in ["index.json", "oci-layout"] {
            let bench = Bench::new();
            bench.publish_bad("1.0.0");
            fs::remove_file(bench.bad().join(file)).unwrap();
            swap(&bench.bad().join(file));
            let told = format!("{file} cannot be read");
            bench.good_goes_on(&["provider/bad", &told, "regular file"]).await;
        }
    }
}

/// The faults of names that a directory has, and whether its lists are marked.
async fn advice(dir: &Path) -> Vec<(String, String)> {
    let served = Served::local(dir).await;
    let list = served.get("/extensions").await;
    assert_eq!(list.header("extension-registry-degraded"), "");
    let health = served.get("/health").await.json();
    assert_eq!(health["status"], "healthy");
    let faults = health["backends"]["local"]["faults"].as_array().unwrap().clone();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let naming = faults.iter().filter(|fault| fault["subject"] == "naming");
    naming.map(|fault| (text(&fault["repository"]), text(&fault["reason"]))).collect()
}

#[tokio::test]
async fn what_lies_in_the_directory_as_no_layout_has_a_reason() {
    let bench = Bench::new();
    for file in ["aws-provider-1.2.0.tar.gz", "aws_prov.zip", "web-cluster", "README.md"] {
        fs::write(bench.0.path().join(file), "x").unwrap();
    }
    symlink("nowhere", bench.0.path().join("lost-taskserv")).unwrap();
    for ordinary in [".aws_prov", "docs", "backup-2025.tar.gz.d", "terraform-modules"] {
        fs::create_dir(bench.0.path().join(ordinary)).unwrap();
    }
    fs::write(bench.0.path().join("backup-2025.tar.gz"), "x").unwrap();
    let told = advice(bench.0.path()).await;
    let names: Vec<&str> = told.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        ["aws-provider-1.2.0.tar.gz", "aws_prov.zip", "lost-taskserv", "web-cluster"]
    );
    for (name, reason) in &told[..2] {
        assert!(reason.contains("put it into one called aws-provider"), "{name}: {reason}");
    }
    for (name, reason) in &told[2..] {
        assert_eq!(reason, "is not served: it is not a directory", "{name}");
    }
}

#[tokio::test]
async fn a_path_one_level_too_deep_or_too_high_is_told() {
    let dir = tempfile::tempdir().unwrap();
    publish(&dir.path().join("storage/provisioning"), &id("provider/aws"), "1.0.0", "d", b"aws");
    fs::create_dir_all(dir.path().join("storage/empty/x-provider")).unwrap();
    let deep = advice(&dir.path().join("storage/provisioning/aws-provider")).await;
    assert!(deep.len() == 1 && deep[0].0 == ".", "{deep:?}");
    assert!(deep[0].1.contains("local.path must be the directory that holds it"), "{deep:?}");
    let high = advice(&dir.path().join("storage")).await;
    assert!(high.len() == 1 && high[0].0 == "provisioning", "{high:?}");
    assert!(high[0].1.contains("set local.path to this directory"), "{high:?}");
    assert_eq!(advice(&dir.path().join("storage/provisioning")).await, []);
    // Beside an extension a directory of others is a matter of its own.
    publish(&dir.path().join("storage"), &id("provider/top"), "1.0.0", "d", b"top");
    assert_eq!(advice(&dir.path().join("storage")).await, []);
}

#[tokio::test]
async fn names_without_regard_to_case_are_served_and_hostile_ones_are_shown_on_one_line() {
    let dir = tempfile::tempdir().unwrap();
    publish(dir.path(), &id("provider/aws"), "1.0.0", "d", b"aws");
    fs::rename(dir.path().join("aws-provider"), dir.path().join("AWS-Provider")).unwrap();
    for hostile in
        ["a\n\u{1b}[31m-prov", "\u{202e}x_prov", "-provider", "a%2Fb-cluster", "ünï_taskserv"]
    {
        fs::create_dir(dir.path().join(hostile)).unwrap();
    }
    fs::create_dir(dir.path().join(format!("{}-provider", "a".repeat(240)))).unwrap();
    let told = advice(dir.path()).await;
    assert_eq!(told.len(), 6, "{told:?}");
    for (name, reason) in &told {
        assert!(reason.starts_with("is not served: it should be called NAME-"), "{name}: {reason}");
        assert!(
            name.chars().count() <= 128 && !name.contains(['\n', '\u{1b}', '\u{202e}']),
            "{name:?}"
        );
    }
    let served = Served::local(dir.path()).await;
    assert_eq!(served.get("/extensions").await.column("name"), ["AWS"]);
    assert_eq!(served.get("/extensions/provider/aws/1.0.0").await.text(), "aws");
}
