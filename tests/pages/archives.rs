//! Pages made from archives, and the install line.

use std::process::Command;
use std::sync::Arc;

use registry_core::models::backend_id::BackendId;
use registry_core::models::scope::Scope;
use registry_testing::archives::{File, gzip, tar};
use registry_testing::ids::{about, id, tag};
use registry_testing::memory::MemoryBackend;
use registry_testing::scripted::Scripted;
use reqwest::StatusCode;
use tar::EntryType;

use super::{assert_shows, attributes};
use crate::support::served::{BROWSER, Served, Setup};

fn archives() -> MemoryBackend {
    let backend = MemoryBackend::new(BackendId::LOCAL);
    let old =
        [File::new("aws/main.sh", "#!/bin/sh\necho one\n"), File::new("aws/gone.txt", "gone\n")];
    let new = [
        File::new("aws/main.sh", "#!/bin/sh\necho <two>\n"),
        File::new("aws/new.txt", "new\n"),
        File::new("aws/root.sh", "x").mode(0o4755),
        File::link("aws/link", EntryType::Symlink, "../../etc/passwd"),
        File::new("aws/data.bin", [0, 1, 2, 0]),
    ];
    for (version, files) in [("1.0.0", &old[..]), ("1.1.0", &new)] {
        backend.publish(&id("provider/aws"), tag(version), about("d", &[]), gzip(&tar(files)));
    }
    backend
}

async fn local() -> Served {
    let served = Served::over(vec![Arc::new(archives())]).await;
    served.catalog.reader.ready(Scope::All).await.unwrap();
    served
}

#[tokio::test]
async fn the_files_of_an_archive_are_shown() {
    let served = local().await;
    let html = served.visit("/provider/aws/v/1.1.0/files").await.text();
    assert_shows(
        "files",
        &html,
        &["Files (5)", "main.sh", "/provider/aws/v/1.1.0/files/aws/main.sh"],
    );
    let file = served.visit("/provider/aws/v/1.1.0/files/aws/main.sh").await;
    assert_eq!(file.status, StatusCode::OK);
    assert_shows("file", &file.text(), &["echo &lt;two&gt;", "id=\"L2\""]);
    let raw = served.visit("/provider/aws/v/1.1.0/files/aws/main.sh?raw=1").await;
    assert_eq!(raw.text(), "#!/bin/sh\necho <two>\n");
    assert_eq!(raw.header("content-security-policy"), "sandbox; default-src 'none'");
    let by_query = served.visit("/provider/aws/v/1.1.0/files?path=aws%2Fmain.sh").await;
    assert_shows("path", &by_query.text(), &["echo &lt;two&gt;"]);
    let none = served.visit("/provider/aws/v/1.1.0/files/aws/none").await;
    assert_eq!(none.status, StatusCode::NOT_FOUND);
    let binary = served.visit("/provider/aws/v/1.1.0/files/aws/data.bin").await;
    assert_eq!(binary.status, StatusCode::OK);
}

#[tokio::test]
async fn the_notice_of_an_old_version_leads_to_a_file_that_the_latest_has() {
    let served = local().await;
    // Which files the latest version has is known once its archive was read.
    served.visit("/provider/aws/v/1.1.0/files").await;
    for (path, latest) in [
        ("aws/main.sh", "/provider/aws/v/1.1.0/files/aws/main.sh"),
        ("aws/gone.txt", "/provider/aws/v/1.1.0/files"),
    ] {
        let html = served.visit(&format!("/provider/aws/v/1.0.0/files/{path}")).await.text();
        assert_shows(path, &html, &[&format!("href=\"{latest}\">Go to 1.1.0")]);
        assert_eq!(served.visit(latest).await.status, StatusCode::OK);
    }
}

#[tokio::test]
async fn two_versions_are_compared() {
    let served = local().await;
    for path in ["/provider/aws/changes", "/provider/aws/changes?from=1.0.0&to=1.1.0"] {
        let html = served.visit(path).await.text();
        let texts = ["4 files added, 1 removed, 1 changed", "- echo one", "+ echo &lt;two&gt;"];
        assert_shows(path, &html, &texts);
        assert_shows(path, &html, &["gone.txt", "new.txt"]);
    }
    let same = served.visit("/provider/aws/changes?from=1.1.0&to=1.1.0@local").await.text();
    assert_shows("same", &same, &["Both archives have the same bytes"]);
    for query in ["from=a%20b", "to=1.0.0@NO", "from=9.9.9"] {
        let got = served.visit(&format!("/provider/aws/changes?{query}")).await;
        assert!(got.status.is_client_error(), "{query}: {}", got.status);
    }
}

#[tokio::test]
async fn provenance_names_the_owner_and_what_to_look_at() {
    let served = local().await;
    served.visit("/provider/aws/v/1.1.0/files").await;
    let html = served.visit("/provider/aws/v/1.1.0/provenance").await.text();
    assert_shows("provenance", &html, &["local owns this name", "aws/root.sh", "aws/link"]);
    served.get("/extensions/provider/aws/1.1.0").await;
    let html = served.visit("/provider/aws/v/1.1.0/provenance").await.text();
    assert_shows("pinned", &html, &["aws.tar.gz", "from the registry"]);
}

#[tokio::test]
async fn an_address_by_digest_never_has_other_bytes() {
    let backend = Arc::new(archives());
    let served = Served::over(vec![Arc::clone(&backend) as _]).await;
    served.catalog.reader.ready(Scope::All).await.unwrap();
    let html = served.visit("/provider/aws/v/1.1.0/provenance").await.text();
    let link = attributes(&html, "href").into_iter().find(|link| link.contains("/digest/"));
    let link = link.unwrap().strip_prefix("http://x").unwrap().to_owned();
    let by_version = served.get("/extensions/provider/aws/1.1.0").await;
    let by_digest = served.visit(&link).await;
    assert_eq!(by_digest.status, StatusCode::OK);
    assert!(by_digest.body == by_version.body);
    assert_eq!(by_digest.header("cache-control"), "public, max-age=31536000, immutable");
    assert_eq!(by_digest.header("etag"), by_version.header("etag"));
    backend.publish(&id("provider/aws"), tag("1.1.0"), about("d", &[]), "other bytes");
    served.catalog.syncer.sync(Scope::All).await.unwrap();
    let moved = served.visit(&link).await;
    assert_eq!(moved.status, StatusCode::BAD_GATEWAY, "{}", moved.text());
    for (digest, status) in [
        (format!("sha256:{}", "0".repeat(64)), StatusCode::NOT_FOUND),
        ("sha256:0".to_owned(), StatusCode::BAD_REQUEST),
        ("latest".to_owned(), StatusCode::BAD_REQUEST),
    ] {
        let got = served.visit(&format!("/provider/aws/digest/{digest}")).await;
        assert_eq!(got.status, status, "{digest}");
    }
}

#[tokio::test]
async fn an_archive_is_fetched_only_by_a_link() {
    let mut backend = Scripted::new(BackendId::OCI, &[]);
    backend.inner = Arc::new({
        let archives = MemoryBackend::new(BackendId::OCI);
        let files = [File::new("a/x.txt", "one\n")];
        archives.publish(&id("provider/aws"), tag("1.0.0"), about("d", &[]), gzip(&tar(&files)));
        archives
    });
    let (backend, dir) = (Arc::new(backend), tempfile::tempdir().unwrap());
    let setup = Setup { store: Some((dir.path().to_owned(), 1 << 20)), ..Setup::default() };
    let served = Served::with(vec![Arc::clone(&backend) as _], setup).await;
    served.catalog.reader.ready(Scope::All).await.unwrap();
    let opens = || backend.opens.load(std::sync::atomic::Ordering::SeqCst);
    let html = served.visit("/provider/aws/v/1.0.0/files").await.text();
    assert_shows("not fetched", &html, &["Read the files", "?fetch=1", "nofollow"]);
    served.visit("/provider/aws/v/1.0.0/files/a/x.txt").await;
    served.visit("/provider/aws/v/1.0.0/files/a/x.txt?raw=1").await;
    served.visit("/provider/aws/v/1.0.0/provenance").await;
    assert_eq!(opens(), 0);
    let html = served.visit("/provider/aws/v/1.0.0/files?fetch=1").await.text();
    assert_shows("fetched", &html, &["x.txt"]);
    assert_eq!(opens(), 1);
    let html = served.visit("/provider/aws/v/1.0.0/files/a/x.txt").await.text();
    assert_shows("file", &html, &["one"]);
}

#[tokio::test]
async fn relative_addresses_of_a_readme_lead_to_files_of_an_archive_that_was_read() {
    let mut backend = Scripted::new(BackendId::LOCAL, &[]);
    backend.inner = Arc::new(archives());
    let readme = "[script](main.sh) [none](none.sh) ![p](p.png)\n";
    backend.inner.write_readme(&id("provider/aws"), tag("1.1.0"), readme);
    let backend = Arc::new(backend);
    let served = Served::over(vec![Arc::clone(&backend) as _]).await;
    served.catalog.reader.ready(Scope::All).await.unwrap();
    // The first download tells the digest of the archive.
    served.get("/extensions/provider/aws/1.1.0").await;
    let opens = || backend.opens.load(std::sync::atomic::Ordering::SeqCst);
    let before = opens();
    let html = served.visit("/provider/aws").await.text();
    assert!(!html.contains("/files/aws/main.sh") && !html.contains("relative:"), "{html}");
    assert_eq!(opens(), before, "a README causes no download");
    served.visit("/provider/aws/v/1.1.0/files").await;
    let before = opens();
    let html = served.visit("/provider/aws").await.text();
    assert_shows(
        "readme",
        &html,
        &["<a href=\"/provider/aws/v/1.1.0/files/aws/main.sh\">script</a>"],
    );
    assert!(!html.contains("none.sh") && !html.contains("relative:"), "{html}");
    assert_eq!(opens(), before);
}

#[tokio::test]
async fn an_archive_is_read_once_for_each_page() {
    let mut backend = Scripted::new(BackendId::LOCAL, &[]);
    backend.inner = Arc::new(archives());
    let backend = Arc::new(backend);
    let served = Served::over(vec![Arc::clone(&backend) as _]).await;
    served.catalog.reader.ready(Scope::All).await.unwrap();
    // The first download tells the digests, by which pages are kept.
    for version in ["1.0.0", "1.1.0"] {
        served.get(&format!("/extensions/provider/aws/{version}")).await;
    }
    let opens = || backend.opens.load(std::sync::atomic::Ordering::SeqCst);
    for path in [
        "/provider/aws/v/1.1.0/files",
        "/provider/aws/v/1.1.0/files/aws/main.sh",
        "/provider/aws/v/1.1.0/files/aws/main.sh?raw=1",
        "/provider/aws/v/1.1.0/files/aws/data.bin?raw=1",
        "/provider/aws/changes?from=1.0.0&to=1.1.0",
    ] {
        let (before, first) = (opens(), served.visit(path).await);
        assert_eq!(first.status, StatusCode::OK, "{path}");
        assert!(opens() > before, "{path}");
        let (before, again) = (opens(), served.visit(path).await);
        assert_eq!(opens(), before, "{path}");
        assert!(again.body == first.body, "{path}");
        assert_eq!(again.header("cache-status"), "extension-registry; hit", "{path}");
        assert_eq!(again.header("etag"), first.header("etag"), "{path}");
    }
}

#[tokio::test]
async fn the_install_line_works_as_it_stands() {
    let served = local().await;
    let host = served.address().to_string();
    let page = served.visit_with("/provider/aws", &[("host", &host), ("accept", BROWSER)]).await;
    let html = page.text();
    let code = html.split("data-kind=\"curl\"").nth(1).unwrap();
    let code = code.split("<code>").nth(1).unwrap().split("</code>").next().unwrap();
    let line = code.replace("&#39;", "'").replace("&quot;", "\"").replace("&amp;", "&");
    let dir = tempfile::tempdir().unwrap();
    let run = {
        let dir = dir.path().to_owned();
        tokio::task::spawn_blocking(move || {
            Command::new("sh").args(["-c", &line]).env("NO_PROXY", "*").current_dir(dir).output()
        })
    };
    let output = run.await.unwrap().unwrap();
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(told, "aws.tar.gz: OK\n");
}
