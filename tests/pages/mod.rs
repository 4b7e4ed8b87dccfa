//! Pages as browsers see them.

mod addresses;
mod archives;
mod bad_archives;
mod closed;
mod errors;
mod extremes;
mod hostile;
mod installs;
mod kept;
mod known;
mod links;
mod lists;
mod outages;
mod shown;
mod well_known;

use std::sync::Arc;

use registry_core::models::backend_id::BackendId;
use registry_core::models::scope::Scope;
use registry_testing::ids::{about, id, tag};
use registry_testing::memory::MemoryBackend;

use crate::support::served::Served;

/// A few extensions with dates, notes and READMEs.
fn sample() -> Arc<MemoryBackend> {
    let backend = MemoryBackend::new(BackendId::LOCAL);
    for (name, version, day, keywords) in [
        ("provider/aws", "1.1.0", 1, &["cloud", "ec2"][..]),
        ("provider/aws", "v1.2.0", 2, &["cloud", "ec2"]),
        ("provider/aws", "1.3.0-rc.1", 3, &["cloud"]),
        ("provider/aws", "nightly", 4, &[]),
        ("provider/hetzner", "0.1.0", 5, &["cloud"]),
        ("taskserv/kubernetes", "1.31.0", 6, &["k8s"]),
        ("cluster/web", "2.0.0-beta.1", 7, &[]),
    ] {
        let (id, tag) = (id(name), tag(version));
        let archive = format!("{name}:{version}");
        backend.publish(&id, tag.clone(), about(&format!("The {name}"), keywords), archive);
        backend.date(&id, &tag, format!("2026-01-0{day}T10:00:00Z").parse().ok());
        backend.write_notes(&id, &tag, &format!("Notes of **{version}**"));
    }
    let readme = "# Amazon\n\nRuns *machines*.\n\n![logo](https://pictures.example/a.png)\n";
    backend.write_readme(&id("provider/aws"), tag("v1.2.0"), readme);
    Arc::new(backend)
}

async fn served() -> Served {
    let served = Served::over(vec![sample()]).await;
    served.catalog.reader.ready(Scope::All).await.unwrap();
    served
}

/// Checks that a page has these texts, without the marks around names.
fn assert_shows(path: &str, html: &str, texts: &[&str]) {
    let plain = html.replace("<bdi>", "").replace("</bdi>", "");
    for text in texts {
        assert!(plain.contains(text), "{path} lacks {text}:\n{plain}");
    }
}

/// Returns the values of an attribute, unescaped.
fn attributes(html: &str, name: &str) -> Vec<String> {
    let start = format!(" {name}=\"");
    let values = html.split(&start).skip(1).filter_map(|rest| rest.split('"').next());
    values.map(|value| value.replace("&#38;", "&").replace("&amp;", "&")).collect()
}
