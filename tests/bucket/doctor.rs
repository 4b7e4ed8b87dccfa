//! The program with a bucket: what `doctor` finds, and a service that works while the bucket does not.

use std::path::Path;

use registry_testing::ids::id;
use registry_testing::scripted_s3::{S3Answer, ScriptedS3};
use registry_testing::versity::{ACCESS, BUCKET, Versity};
use serde_json::Value;

use crate::support::layouts::publish;
use crate::support::program::{Running, run};

/// A directory with a sample and credentials, and the configuration of a bucket there.
fn configured(dir: &Path, endpoint: &str, bucket: &str) {
    publish(&dir.join("extensions"), &id("provider/mine"), "1.0.0", "d", b"mine");
    let [key, secret] = ACCESS;
    std::fs::write(dir.join("s3.txt"), format!("{key}\n{secret}\n")).unwrap();
    let config = format!(
        "[local]\npath = \"extensions\"\n[cache]\nstate_dir = \"state\"\n[artifacts]\n\
         store = \"s3://{bucket}/production\"\nendpoint = \"{endpoint}\"\npath_style = true\n\
         credentials_path = \"s3.txt\"\n"
    );
    std::fs::write(dir.join("config.toml"), config).unwrap();
}

/// Steps and states of the entries about the bucket, and what the last one says.
fn examined(dir: &Path) -> (Vec<(String, String)>, String) {
    let output = run(dir, &["doctor", "-o", "json", "--port", "0"]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let entries = report["entries"].as_array().unwrap().iter();
    let entries: Vec<&Value> = entries.filter(|entry| entry["about"] == "artifacts").collect();
    let text = |entry: &Value, field: &str| entry[field].as_str().unwrap_or_default().to_owned();
    let last = entries.last().unwrap();
    let told = format!("{}; {}", text(last, "what"), text(last, "fix"));
    (entries.iter().map(|entry| (text(entry, "step"), text(entry, "state"))).collect(), told)
}

fn steps(good: &[&str], bad: Option<&str>) -> Vec<(String, String)> {
    let good = good.iter().map(|step| ((*step).to_owned(), "ok".to_owned()));
    good.chain(bad.map(|step| (step.to_owned(), "problem".to_owned()))).collect()
}

const WAY: [&str; 3] = ["name", "connection", "clock"];

#[tokio::test(flavor = "multi_thread")]
async fn doctor_tries_every_right_at_a_real_server() {
    let Some(server) = Versity::start().await else { return };
    let dir = tempfile::tempdir().unwrap();
    configured(dir.path(), &server.url(), BUCKET);
    let (found, told) = examined(dir.path());
    let all = [&WAY[..], &["put", "get", "list", "delete", "missing"]].concat();
    assert_eq!(found, steps(&all, None), "{told}");
    let left = std::fs::read_dir(server.directory().join("production"));
    let left: usize = left.map_or(0, |dirs| {
        dirs.map(|dir| std::fs::read_dir(dir.unwrap().path()).unwrap().count()).sum()
    });
    assert_eq!(left, 0, "it leaves nothing behind");
    configured(dir.path(), &server.url(), "no-such-bucket");
    let (found, told) = examined(dir.path());
    assert_eq!(found, steps(&WAY, Some("put")));
    assert!(told.contains("does not exist") && told.contains("artifacts.store"), "{told}");
    configured(dir.path(), &server.url(), BUCKET);
    std::fs::write(dir.path().join("s3.txt"), "AKIATEST\ncanary\n").unwrap();
    let (found, told) = examined(dir.path());
    assert_eq!(found, steps(&WAY, Some("put")));
    assert!(told.contains("403") && told.contains("credentials_path"), "{told}");
    assert!(!told.contains("canary"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn doctor_tells_what_a_server_lacks() {
    let full = ScriptedS3::start(|_| S3Answer::error(507, "StorageFull")).await;
    let dir = tempfile::tempdir().unwrap();
    configured(dir.path(), &full.url(), BUCKET);
    let (found, told) = examined(dir.path());
    assert_eq!(found, steps(&WAY, Some("put")));
    assert!(told.contains("507 StorageFull") && told.contains("free space"), "{told}");
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    configured(dir.path(), &format!("http://{closed}"), BUCKET);
    let (found, _) = examined(dir.path());
    assert_eq!(found, steps(&WAY[..1], Some("connection")));
    let late = "Date: Tue, 01 Jan 2019 00:00:00 GMT\r\n";
    full.set(move |_| S3Answer::new(403, late, b""));
    configured(dir.path(), &full.url(), BUCKET);
    let (found, told) = examined(dir.path());
    assert_eq!(found, steps(&WAY[..2], Some("clock")));
    assert!(told.contains("clock"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_starts_and_serves_without_its_bucket() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let dir = tempfile::tempdir().unwrap();
    configured(dir.path(), &format!("http://{closed}"), BUCKET);
    let service = Running::start(dir.path(), &[]);
    let base = format!("http://{}/api/v1", service.address);
    let client = registry_testing::http::client_builder().build().unwrap();
    let get = async |path: &str| client.get(format!("{base}{path}")).send().await.unwrap();
    assert_eq!(get("/health/ready").await.status(), 200);
    assert_eq!(get("/extensions/provider/mine/1.0.0").await.status(), 200);
    let health = get("/health").await.text().await.unwrap();
    let health: Value = serde_json::from_str(&health).unwrap();
    let bucket = &health["artifact_store"]["bucket"];
    assert_eq!((&bucket["enabled"], &bucket["healthy"]), (&true.into(), &true.into()), "{health}");
    let metrics = get("/metrics").await.text().await.unwrap();
    assert!(metrics.contains("extension_registry_shared_up{engine=\"s3\"} 1"), "{metrics}");
}
