//! Public JSON is read back by the types that wrote it, for clients of this crate.

use std::fmt::Debug;
use std::fs;
use std::path::Path;
use std::slice;

use registry_core::models::backend_id::BackendId;
use registry_public::caches::CacheStats;
use registry_public::errors::{ErrorBody, ProblemDetails};
use registry_public::explanation::ExplanationBody;
use registry_public::extension::{ExtensionBody, VersionBody};
use registry_public::files::{DifferencesBody, FileChangeBody, FilesAnswer, FilesBody};
use registry_public::health::HealthBody;
use registry_public::metadata::MetadataBody;
use registry_testing::ids::{about, id, tag};
use registry_testing::memory::memory;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::support::served::Served;
use registry_testing::archives::{File, packed};

/// Reads a value, and writes the same again.
fn read_back<T: DeserializeOwned + Serialize + Debug>(value: &Value) -> T {
    let read: T =
        serde_json::from_value(value.clone()).unwrap_or_else(|error| panic!("{error}: {value}"));
    assert_eq!(&serde_json::to_value(&read).unwrap(), value);
    read
}

#[tokio::test]
async fn every_answer_is_read_back() {
    let backend = memory(BackendId::LOCAL, &["provider/aws:1.0.0"]);
    let archive = packed(&[File::new("a", "x")]);
    backend.publish(&id("taskserv/files"), tag("1.0.0"), about("d", &[]), archive);
    let served = Served::over(vec![backend]).await;
    let json = async |path: &str| served.get(path).await.json();
    let one: ExtensionBody = read_back(&json("/extensions/provider/aws").await);
    assert_eq!((one.name.as_str(), one.version.as_str()), ("aws", "1.0.0"));
    for path in ["/extensions?type=provider", "/extensions/search?q=aws"] {
        let rows: Vec<ExtensionBody> = read_back(&json(path).await);
        assert_eq!(rows, slice::from_ref(&one), "{path}");
    }
    let versions: Vec<VersionBody> = read_back(&json("/extensions/provider/aws/versions").await);
    let resolved = json("/extensions/provider/aws/resolve?constraint=*").await;
    assert_eq!(versions, [read_back::<VersionBody>(&resolved)]);
    let whole: MetadataBody = read_back(&json("/extensions/provider/aws/1.0.0/metadata").await);
    assert_eq!((&whole.version, whole.assets.len()), (&versions[0], 1));
    let explained: ExplanationBody = read_back(&json("/extensions/provider/aws/explain").await);
    assert_eq!(explained.owner.as_deref(), Some("local"));
    let files = json("/extensions/taskserv/files/1.0.0/files").await;
    assert_eq!(read_back::<FilesBody>(&files).entries.len(), 1);
    let same = json("/extensions/taskserv/files/1.0.0/files?against=1.0.0").await;
    assert!(read_back::<DifferencesBody>(&same).changed.is_empty());
    let change = json("/extensions/taskserv/files/1.0.0/files?against=1.0.0&path=a").await;
    assert_eq!(read_back::<FileChangeBody>(&change).diff, None);
    for answer in [files, same, change] {
        read_back::<FilesAnswer>(&answer);
    }
    let health: HealthBody = read_back(&json("/health").await);
    assert_eq!(health.backends["local"].extensions, 2);
    let stats: CacheStats = read_back(&json("/cache/stats").await);
    assert_eq!((stats.list_entries, stats.search_entries), (1, 1));
    let error: ErrorBody = read_back(&json("/extensions/provider/none").await);
    assert_eq!(error.error, "not_found");
    let details = [("accept", "application/problem+json")];
    let details = served.get_with("/extensions/provider/none", &details).await.json();
    assert_eq!(read_back::<ProblemDetails>(&details).detail, error.message);
}

#[test]
fn every_documented_example_is_read_back() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let mut read = 0;
    for file in ["api.md", "quick-start.md", "operations.md", "layouts.md"] {
        let text = fs::read_to_string(docs.join(file)).unwrap();
        for line in text.lines().map(str::trim).filter(|line| line.starts_with('{')) {
            // Others are cut, or are what another program made of an answer.
            let Ok(value) = serde_json::from_str::<Value>(line) else { continue };
            let is = |field: &str| value.get(field).is_some();
            match () {
                () if is("detail") => drop(read_back::<ProblemDetails>(&value)),
                () if is("message") => drop(read_back::<ErrorBody>(&value)),
                () if is("list_entries") => drop(read_back::<CacheStats>(&value)),
                () => continue,
            }
            read += 1;
        }
    }
    assert!(read >= 17, "{read} examples were found");
}
