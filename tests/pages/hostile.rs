//! Hostile names, descriptions and READMEs.

use std::sync::Arc;

use registry_core::models::backend_id::BackendId;
use registry_core::models::extension::About;
use registry_core::models::scope::Scope;
use registry_testing::ids::{id, tag};
use registry_testing::memory::MemoryBackend;
use reqwest::StatusCode;

use super::attributes;
use crate::support::served::Served;

const TEXT: &str =
    "</p><script>alert(1)</script><svg onload=alert(1)> \u{202e}gnp.exe \u{200b}\u{0}";
const README: &str = "<script>alert(1)</script>\n\n<p onclick=alert(1) style='x'>x</p>\n\n\
    [a](javascript:alert(1)) <svg onload=alert(1)></svg>\n\n<img src=x onerror=alert(1)>\n\n\
    <img src=\"https://a.example/\\\"><script>alert(1)</script>\" alt='\"><script>alert(1)'>\n";

async fn served() -> Served {
    let backend = MemoryBackend::new(BackendId::LOCAL);
    let about = About {
        description: Some(TEXT.into()),
        author: Some(TEXT.into()),
        repository: Some("javascript:alert(1)".into()),
        keywords: [TEXT.into(), "a\"b".into()].into(),
        license: Some(TEXT.into()),
    };
    let aws = id("provider/aws");
    backend.publish(&aws, tag("1.0.0"), about.clone(), "x");
    backend.publish(&aws, tag("1.1.0"), about, "y");
    for version in ["1.0.0", "1.1.0"] {
        backend.date(&aws, &tag(version), "2026-01-01T00:00:00Z".parse().ok());
        backend.write_notes(&aws, &tag(version), README);
        backend.write_readme(&aws, tag(version), README);
    }
    let served = Served::over(vec![Arc::new(backend)]).await;
    served.catalog.reader.ready(Scope::All).await.unwrap();
    served
}

fn assert_harmless(path: &str, html: &str) {
    let scripts: Vec<&str> = html.split("<script").skip(1).collect();
    assert!(scripts.iter().all(|script| script.starts_with(" src=\"/static/")), "{path}: {html}");
    for tag in html.split('<').skip(1).map(|rest| rest.split('>').next().unwrap()) {
        for bad in [" on", " style", "svg onload", "iframe", "javascript:"] {
            let outside = tag.split('"').step_by(2).collect::<String>();
            assert!(!outside.contains(bad), "{path}: <{tag}>");
        }
    }
    for address in attributes(html, "href") {
        assert!(!address.trim().to_lowercase().starts_with("javascript"), "{path}: {address}");
    }
    assert!(!html.contains('\u{202e}') && !html.contains('\0'), "{path}");
}

#[tokio::test]
async fn texts_of_publishers_are_texts() {
    let served = served().await;
    for path in [
        "/",
        "/extensions",
        "/search?q=aws",
        "/provider/aws",
        "/provider/aws/v/1.0.0",
        "/provider/aws/versions",
        "/provider/aws/changes",
        "/provider/aws/v/1.0.0/provenance",
        "/provider/aws/feed.atom",
        "/feeds/all.atom",
        "/badges/provider/aws.svg",
    ] {
        let got = served.visit(path).await;
        assert_eq!(got.status, StatusCode::OK, "{path}");
        assert_harmless(path, &got.text());
    }
}

#[tokio::test]
async fn texts_of_callers_are_texts() {
    let served = served().await;
    let script = "%22%3E%3Cscript%3Ealert(1)%3C/script%3E";
    for path in [
        format!("/search?q={script}"),
        format!("/extensions?keyword={script}"),
        format!("/extensions?backend={script}"),
        format!("/provider/{script}"),
        format!("/provider/aws/v/{script}"),
        format!("/provider/aws/changes?from={script}&to={script}"),
        format!("/nowhere/{script}"),
        format!("/{script}"),
    ] {
        let got = served.visit(&path).await;
        assert_harmless(&path, &got.text());
        assert!(!got.status.is_server_error(), "{path}");
    }
}
