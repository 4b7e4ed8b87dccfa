//! Pages of archives that no packing program would make: bombs, floods of entries, paths that lead
//! outside, long lines, and files that are no archives.

use std::path::Path;
use std::sync::Arc;

use registry_core::models::backend_id::BackendId;
use registry_core::models::scope::Scope;
use registry_testing::archives::{File, gzip, packed, tar};
use registry_testing::ids::{about, id, tag};
use registry_testing::memory::MemoryBackend;
use reqwest::StatusCode;
use tar::EntryType;

use super::{assert_shows, attributes};
use crate::support::served::Served;

const FILES: &str = "/provider/aws/v/1.0.0/files";

async fn served(archive: Vec<u8>) -> Served {
    let backend = MemoryBackend::new(BackendId::LOCAL);
    backend.publish(&id("provider/aws"), tag("0.9.0"), about("d", &[]), packed(&[]));
    backend.publish(&id("provider/aws"), tag("1.0.0"), about("d", &[]), archive);
    let served = Served::over(vec![Arc::new(backend)]).await;
    served.catalog.reader.ready(Scope::All).await.unwrap();
    served
}

/// Checks that the tree says why it is not shown, once, and that all other pages do without it.
async fn assert_unreadable(archive: Vec<u8>, reason: &str) {
    let served = served(archive).await;
    for _ in 0..2 {
        let got = served.visit(FILES).await;
        assert_eq!(got.status, StatusCode::OK, "{reason}");
        assert_shows(FILES, &got.text(), &[reason, "Download"]);
        assert!(got.text().matches("look into").count() <= 1, "{reason}");
    }
    let changes = served.visit("/provider/aws/changes").await;
    assert_eq!(changes.status, StatusCode::OK, "{reason}");
    assert_shows("changes", &changes.text(), &["cannot be compared", reason]);
    for page in ["/provider/aws", "/provider/aws/v/1.0.0/provenance", "/provider/aws/versions"] {
        assert_eq!(served.visit(page).await.status, StatusCode::OK, "{page} {reason}");
    }
    let file = served.visit(&format!("{FILES}/a")).await;
    assert!(file.status.is_client_error(), "{}", file.status);
    assert_shows("file", &file.text(), &[reason]);
}

#[tokio::test]
async fn a_bomb_is_too_large_to_look_into() {
    let zeros = vec![0; 64 << 20];
    let bomb = gzip(&tar(&[File::new("a", &zeros)]));
    assert!(zeros.len() / bomb.len() > 900, "{}", bomb.len());
    assert_unreadable(bomb, "200 unpacked bytes for each packed byte").await;
}

#[tokio::test]
async fn what_is_no_archive_is_said_to_be_none() {
    assert_unreadable(b"\x7fELF no archive".to_vec(), "The file is not an archive").await;
    assert_unreadable(Vec::new(), "The file is not an archive").await;
    assert_unreadable(b"\xfd7zXZ\0\0".to_vec(), "xz archive cannot be looked into").await;
    let whole = packed(&[File::new("a", "x".repeat(10_000))]);
    assert_unreadable(whole[..whole.len() / 2].to_vec(), "The archive is cut off").await;
}

#[tokio::test]
async fn the_first_ten_thousand_entries_are_shown() {
    let files: Vec<File> =
        (0..10_001).map(|number| File::new(format!("d{}/{number}", number % 100), "")).collect();
    let served = served(packed(&files)).await;
    let got = served.visit(FILES).await;
    assert_eq!(got.status, StatusCode::OK);
    assert_shows(FILES, &got.text(), &["has more files; these are the first 10,000", "d99/9999"]);
    assert!(!got.text().contains("/10000\""));
    assert_eq!(served.visit(&format!("{FILES}/d99/9999")).await.status, StatusCode::OK);
    let beyond = served.visit(&format!("{FILES}/d0/10000")).await;
    assert_eq!(beyond.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_shows("beyond", &beyond.text(), &["not among those that are read"]);
}

#[tokio::test]
async fn paths_and_links_that_lead_outside_stay_names() {
    let outside = tempfile::tempdir().unwrap();
    let secret = outside.path().join("secret");
    std::fs::write(&secret, "not of the archive").unwrap();
    let files = [
        File::new("../../x", "above"),
        File::new("/etc/shadow", "absolute"),
        File::new("a/\u{202e}gnp\u{200b}.exe", "hidden"),
        File::link("a/up", EntryType::Symlink, "../../../../etc/passwd"),
        File::link("a/out", EntryType::Symlink, secret.to_str().unwrap()),
        File::link("a/hard", EntryType::Link, "../../x"),
    ];
    let served = served(packed(&files)).await;
    let html = served.visit(FILES).await.text();
    assert_shows(FILES, &html, &["link to ../../../../etc/passwd"]);
    assert!(!html.contains('\u{202e}') && !html.contains('\u{200b}'), "{html}");
    let links: Vec<String> = attributes(&html, "href");
    for link in links.iter().filter(|link| link.starts_with(FILES)) {
        assert!(!link.split(['/', '?']).any(|segment| segment == ".."), "{link}");
        assert_eq!(served.visit(link).await.status, StatusCode::OK, "{link}");
    }
    for (path, content) in [("..%2F..%2Fx", "above"), ("%2Fetc%2Fshadow", "absolute")] {
        let raw = served.visit(&format!("{FILES}?path={path}&raw=1")).await;
        assert_eq!((raw.status, raw.text().as_str()), (StatusCode::OK, content), "{path}");
    }
    for path in ["a/up", "a/out"] {
        let page = served.visit(&format!("{FILES}/{path}")).await;
        assert_shows(path, &page.text(), &["The file is not text"]);
        let raw = served.visit(&format!("{FILES}/{path}?raw=1")).await;
        assert_eq!(raw.status, StatusCode::NOT_FOUND, "{path}");
    }
    assert!(Path::new(&secret).exists());
    let html = served.visit("/provider/aws/v/1.0.0/provenance").await.text();
    assert_shows("provenance", &html, &["a/up", "a/out", "link to"]);
}

#[tokio::test]
async fn a_line_of_five_megabytes_is_not_shown() {
    // Without repetition, or the archive would count as a bomb.
    let letters = (0..5_u64 << 20).map(|n| (n.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 60) as u8);
    let line: String = letters.map(|letter| char::from(b'a' + letter)).collect();
    let files = [File::new("long", &line), File::new("half", &line[..500 << 10])];
    let served = served(packed(&files)).await;
    let got = served.visit(&format!("{FILES}/long")).await;
    assert_eq!(got.status, StatusCode::OK);
    assert_shows("long", &got.text(), &["larger than 512 KiB, so it is not shown", "Raw file"]);
    assert!(got.body.len() < 20_000, "{}", got.body.len());
    let raw = served.visit(&format!("{FILES}/long?raw=1")).await;
    assert_eq!(raw.body.len(), line.len());
    let half = served.visit(&format!("{FILES}/half")).await;
    assert_eq!(half.status, StatusCode::OK);
    assert!(half.body.len() < 600 << 10, "{}", half.body.len());
    let changes = served.visit("/provider/aws/changes").await;
    assert_eq!(changes.status, StatusCode::OK);
}
