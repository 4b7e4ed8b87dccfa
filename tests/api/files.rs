//! Files of archives: entries, bytes, and what archives of strangers may contain.

mod bounds;
mod differences;
mod fetching;

use std::sync::Arc;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use registry_core::models::backend_id::BackendId;
use registry_core::models::digest::Digest;
use registry_testing::ids::{about, id, tag};
use registry_testing::memory::MemoryBackend;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tar::EntryType;

use crate::support::served::{Got, Served};
use registry_testing::archives::{File, gzip, packed, tar};

const FILES: &str = "/extensions/provider/aws/1.0.0/files";

/// A backend with one version of `provider/aws` for each archive: 1.0.0, 2.0.0 and so on.
fn backend(backend: BackendId, archives: &[Vec<u8>]) -> Arc<MemoryBackend> {
    let backend = MemoryBackend::new(backend);
    for (place, archive) in archives.iter().enumerate() {
        let version = tag(&format!("{}.0.0", place + 1));
        backend.publish(&id("provider/aws"), version, about("d", &[]), archive.clone());
    }
    Arc::new(backend)
}

async fn serving(archive: Vec<u8>) -> Served {
    Served::over(vec![backend(BackendId::LOCAL, &[archive])]).await
}

/// The address of one file of 1.0.0.
fn file(path: &str) -> String {
    format!("{FILES}?path={}", utf8_percent_encode(path, NON_ALPHANUMERIC))
}

fn paths(entries: &Value) -> Vec<&str> {
    entries.as_array().unwrap().iter().map(|entry| entry["path"].as_str().unwrap()).collect()
}

/// A failure, whose message has these parts.
#[track_caller]
fn fails(got: &Got, status: u16, code: &str, parts: &[&str]) {
    let body = got.json();
    assert_eq!((got.status.as_u16(), &body["error"]), (status, &json!(code)), "{body}");
    for part in parts {
        assert!(body["message"].as_str().unwrap().contains(part), "{part:?} is not in {body}");
    }
}

#[tokio::test]
async fn entries_are_listed_with_kind_size_mode_hash_and_link() {
    let archive = packed(&[
        File::directory("aws/"),
        File::new("./aws/main.k", "a = 1\n"),
        File::new("aws/tool", "#!").mode(0o4777),
        File::link("aws/link", EntryType::Symlink, "../../etc/passwd"),
        File::link("aws/hard", EntryType::Link, "aws/main.k"),
    ]);
    let digest = Digest::sha256(&archive).to_string();
    let served = serving(archive).await;
    let got = served.get(FILES).await;
    assert_eq!(got.status, StatusCode::OK);
    let sha = |text: &str| Digest::sha256(text.as_bytes()).hex().to_owned();
    let entry = |path: &str, kind: &str, size: u64, mode: &str| {
        json!({
            "path": path, "kind": kind, "size": size, "mode": mode, "sha256": null, "link": null,
            "marks": [],
        })
    };
    let with = |mut entry: Value, fields: &[(&str, Value)]| {
        for (name, value) in fields {
            entry[*name] = value.clone();
        }
        entry
    };
    let expected = json!({
        "digest": digest,
        "truncated": false,
        "entries": [
            entry("aws", "directory", 0, "0755"),
            with(entry("aws/main.k", "file", 6, "0644"), &[("sha256", json!(sha("a = 1\n")))]),
            with(entry("aws/tool", "file", 2, "4777"), &[
                ("sha256", json!(sha("#!"))),
                ("marks", json!(["set-uid", "world-writable"])),
            ]),
            with(entry("aws/link", "symlink", 0, "0777"), &[
                ("link", json!("../../etc/passwd")),
                ("marks", json!(["link out of the archive"])),
            ]),
            with(entry("aws/hard", "hardlink", 0, "0777"), &[
                ("link", json!("aws/main.k")),
                ("marks", json!(["world-writable"])),
            ]),
        ],
    });
    assert_eq!(got.json(), expected);
    assert_eq!(got.header("cache-control"), "public, no-cache");
    let etag = got.header("etag").to_owned();
    assert!(etag.starts_with("W/"), "{etag}");
    let again = served.get_with(FILES, &[("if-none-match", &etag)]).await;
    assert_eq!((again.status, again.body.len()), (StatusCode::NOT_MODIFIED, 0));
    let head = served.send(Method::HEAD, FILES, &[]).await;
    assert_eq!((head.status, head.header("etag"), head.body.len()), (StatusCode::OK, &*etag, 0));
    let latest = served.get("/extensions/provider/aws/latest/files").await;
    assert_eq!(latest.json(), expected);
}

#[tokio::test]
async fn each_format_is_read_by_its_bytes() {
    let plain = tar(&[File::new("a", "text")]);
    let zstd = zstd::stream::encode_all(&plain[..], 3).unwrap();
    for archive in [plain.clone(), gzip(&plain), zstd] {
        let served = serving(archive).await;
        assert_eq!(paths(&served.get(FILES).await.json()["entries"]), ["a"]);
        assert_eq!(served.get(&file("a")).await.text(), "text");
    }
}

#[tokio::test]
async fn a_file_is_sent_so_that_no_browser_runs_it() {
    let svg = "<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>";
    let files = [
        ("main.k", "a = 1\n", "text/plain; charset=utf-8", ""),
        ("page.html", "<script>alert(1)</script>", "text/plain; charset=utf-8", ""),
        ("logo.svg", svg, "text/plain; charset=utf-8", ""),
        ("logo.png", "\u{89}PNG", "text/plain; charset=utf-8", ""),
        ("bin/a tool", "\u{7f}ELF\0", "application/octet-stream", "a_tool"),
    ];
    let entries = files.map(|(path, content, ..)| File::new(path, content));
    let png = File::new("real.png", b"\x89PNG\r\n\x1a\n\0");
    let served = serving(packed(&[&entries[..], &[png]].concat())).await;
    for (path, content, content_type, attachment) in files {
        let got = served.get(&file(path)).await;
        assert_eq!((got.status, &*got.body), (StatusCode::OK, content.as_bytes()), "{path}");
        assert_eq!(got.header("content-type"), content_type, "{path}");
        let disposition = match attachment {
            "" => String::new(),
            name => format!("attachment; filename=\"{name}\""),
        };
        assert_eq!(got.header("content-disposition"), disposition, "{path}");
        assert_eq!(got.header("content-security-policy"), "sandbox; default-src 'none'");
        assert_eq!(got.header("x-content-type-options"), "nosniff");
        assert_eq!(got.header("content-length"), content.len().to_string());
    }
    assert_eq!(served.get(&file("real.png")).await.header("content-type"), "image/png");
}

#[tokio::test]
async fn a_file_has_a_strong_entity_tag_and_the_cache_policy_of_its_version() {
    let served = serving(packed(&[File::new("a", "text")])).await;
    let got = served.get_with(&file("a"), &[("accept-encoding", "gzip")]).await;
    let etag = format!("\"{}\"", Digest::sha256(b"text"));
    assert_eq!((got.header("etag"), got.header("content-encoding")), (&*etag, ""));
    assert!(got.header("repr-digest").starts_with("sha-256=:"));
    assert_eq!(got.header("cache-control"), "public, max-age=3600");
    let again = served.get_with(&file("a"), &[("if-none-match", &etag)]).await;
    assert_eq!((again.status, again.body.len()), (StatusCode::NOT_MODIFIED, 0));
    assert_eq!(again.header("cache-control"), "public, max-age=3600");
    let head = served.send(Method::HEAD, &file("a"), &[]).await;
    assert_eq!((head.header("content-length"), head.header("etag")), ("4", &*etag));
    let latest = served.get("/extensions/provider/aws/latest/files?path=a").await;
    assert_eq!((latest.text().as_str(), latest.header("cache-control")), ("text", "no-store"));
}

#[tokio::test]
async fn every_path_of_a_list_names_its_file() {
    let names: [&[u8]; 9] = [
        b"a b.txt",
        b"100%.txt",
        b"a%20b.txt",
        b"a+b&c=d#e?.txt",
        "größe/日本.md".as_bytes(),
        b"line\nbreak",
        b"caf\xe9",
        b"back\\slash",
        "txt.\u{202e}gpj.exe".as_bytes(),
    ];
    let entries = names.map(|name| File::new(name, name));
    let served = serving(packed(&entries)).await;
    let list = served.get(FILES).await.json();
    let paths = paths(&list["entries"]);
    assert_eq!(paths.len(), names.len());
    assert!(paths.iter().all(|path| !path.contains(['\n', '\u{202e}'])), "{paths:?}");
    for (path, name) in paths.iter().zip(names) {
        let got = served.get(&file(path)).await;
        assert_eq!((got.status, &*got.body), (StatusCode::OK, name), "{path}");
    }
    // Spelled as browsers and programs write a space and a slash.
    for (query, content) in
        [("path=a+b.txt", "a b.txt"), ("path=gr%C3%B6%C3%9Fe/日本.md", "größe/日本.md")]
    {
        assert_eq!(served.get(&format!("{FILES}?{query}")).await.text(), content, "{query}");
    }
    fails(&served.get(&format!("{FILES}?path=%ff")).await, 404, "not_found", &[]);
}

#[tokio::test]
async fn only_files_have_bytes() {
    let archive = packed(&[
        File::directory("dir/"),
        File::new("dir/a", "x"),
        File::link("link", EntryType::Symlink, "dir/a"),
        File::link("hard", EntryType::Link, "dir/a"),
        File::link("device", EntryType::Char, ""),
    ]);
    let served = serving(archive).await;
    for (path, part) in [
        ("dir", "directory"),
        ("link", "symlink"),
        ("hard", "hardlink"),
        ("device", "device"),
        ("none", "no entry \"none\""),
        ("dir/", "no entry"),
        ("./dir/a", "no entry"),
        ("dir/a/../a", "no entry"),
    ] {
        fails(&served.get(&file(path)).await, 404, "not_found", &[part]);
    }
    assert_eq!(served.get(&file("dir/a")).await.text(), "x");
}

#[tokio::test]
async fn paths_out_of_the_archive_are_marked_and_read_from_the_archive_alone() {
    let names = ["../../x", "/etc/passwd", "a/../../b"];
    let served = serving(packed(&names.map(|name| File::new(name, "ours")))).await;
    let list = served.get(FILES).await.json();
    assert_eq!(paths(&list["entries"]), names);
    for (entry, name) in list["entries"].as_array().unwrap().iter().zip(names) {
        assert_eq!(entry["marks"], json!(["path outside the archive"]));
        assert_eq!(served.get(&file(name)).await.text(), "ours");
    }
}
