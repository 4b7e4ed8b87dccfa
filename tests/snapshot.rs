//! What is known outlives a restart. The clock is virtual; questions are counted.

mod damage;
mod log;
mod restart;
mod room;
mod round_trip;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use registry_catalog::state::Fingerprints;
use registry_catalog::state::persister::Persister;
use registry_catalog::{Catalog, Merge, Rules};
use registry_core::backend::Backend;
use registry_core::models::backend_id::BackendId;
use registry_core::models::backend_kind::BackendKind;
use registry_core::models::scope::Scope;
use registry_testing::scripted::Scripted;

use crate::support::served::rules;

const TTL: Duration = Duration::from_mins(5);
const FILE: &str = "state.log";

fn noon() -> Timestamp {
    "2025-06-01T12:00:00Z".parse().unwrap()
}

fn after(seconds: i64) -> Timestamp {
    noon() + SignedDuration::from_secs(seconds)
}

fn catalog(backends: Vec<Arc<dyn Backend>>) -> Arc<Catalog> {
    let full_sweep = Duration::from_hours(1);
    Catalog::new(backends, Rules { full_sweep, ..rules(Merge::Owner, TTL) })
}

fn prints() -> Fingerprints {
    BackendKind::ALL.map(BackendId::from).map(|source| (source, format!("the {source}"))).into()
}

fn persister(catalog: &Arc<Catalog>, dir: &Path) -> Arc<Persister> {
    Persister::new(Arc::clone(catalog), dir, prints())
}

/// A run that knows these releases of Gitea, and has written it at noon.
async fn written(dir: &Path, releases: &[&str]) -> Arc<Scripted> {
    let backend = Arc::new(Scripted::new(BackendId::GITEA, releases));
    let known = catalog(vec![backend.clone()]);
    known.syncer.sync(Scope::All).await.unwrap();
    persister(&known, dir).save(noon()).await.unwrap();
    backend
}

/// The names in a directory beside the state log.
fn others(dir: &Path) -> Vec<String> {
    let names = std::fs::read_dir(dir).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|name| name != FILE).collect();
    names.sort();
    names
}
