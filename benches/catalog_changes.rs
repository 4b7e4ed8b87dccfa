//! What it costs to show a change among 100,000 extensions, beside the cost of a view made anew; and
//! what a million made-up names leave in memory.
//!
//! Fails where the promise is broken: a change costs at most a fifth of a view made anew, and the
//! second half of the million leaves at most 8 MiB more than the first.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a measurement may fail loudly, and its output is its result"
)]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use registry_catalog::index::Index;
use registry_catalog::index::delta::{BackendDelta, Delta};
use registry_catalog::index::view::View;
use registry_catalog::{Catalog, Merge, Rules};
use registry_core::models::artifact::{Artifact, ArtifactChoice, ArtifactKey};
use registry_core::models::backend_id::BackendId;
use registry_core::models::extension::{About, Extension, Release};
use registry_core::models::naming::ExtensionId;
use registry_core::models::scope::Scope;
use registry_testing::memory::MemoryBackend;
use tokio::time::Instant;

const EXTENSIONS: usize = 100_000;
const CHANGES: usize = 50;
const NAMES: usize = 1_000_000;
const GROWTH_MAX_KIB: usize = 8 * 1024;

#[tokio::main]
async fn main() {
    changes();
    made_up_names().await;
}

fn rules() -> Rules {
    Rules {
        merge: Merge::Owner,
        allow_takeover: false,
        ttl: Duration::from_mins(5),
        stale_while_revalidate: Duration::from_mins(5),
        stale_if_error: Duration::from_hours(24),
        full_sweep: Duration::from_hours(1),
        negative_ttl: Duration::from_secs(10),
        accept_changes: false,
        max_bytes: usize::MAX,
    }
}

fn id(number: usize) -> ExtensionId {
    ExtensionId::from_oci_repository(&format!("extension-{number:06}-taskserv")).unwrap()
}

fn extension(number: usize, patch: usize) -> Extension {
    let file = Arc::new(Artifact {
        key: ArtifactKey::new("key"),
        file_name: "archive.tar.gz".into(),
        size: 1,
        digest: None,
        url: None,
    });
    let about = About {
        description: Some(format!("Number {number} of a hundred thousand").into()),
        ..About::default()
    };
    let release = Release {
        artifact: ArtifactChoice::Chosen(file),
        about: Arc::new(about),
        ..Release::of_tag(BackendId::GITEA, format!("1.0.{patch}").parse().unwrap())
    };
    Extension::new(id(number), vec![release])
}

fn changes() {
    let mut index = Index::new(&[BackendId::GITEA], &rules());
    index.apply(Delta::Backend(BackendId::GITEA, BackendDelta::Listed));
    let mut touched = BTreeSet::new();
    for number in 0..EXTENSIONS {
        touched.append(&mut put(&mut index, extension(number, 0)));
    }
    let begun = Instant::now();
    let (mut view, owners) = index.view(&View::default(), &touched);
    index.apply(Delta::Owners(owners));
    let anew = begun.elapsed();
    assert_eq!(view.entries(Scope::All).len(), EXTENSIONS);
    let mut times: Vec<Duration> = (1..=CHANGES)
        .map(|change| {
            let number = change * 7919 % EXTENSIONS;
            let touched = put(&mut index, extension(number, change));
            let begun = Instant::now();
            view = index.view(&view, &touched).0;
            begun.elapsed()
        })
        .collect();
    times.sort();
    let (median, worst) = (times[CHANGES / 2], times[CHANGES - 1]);
    println!("a view of {EXTENSIONS} extensions made anew: {anew:.2?}");
    println!("with one change: median {median:.2?}, longest {worst:.2?}");
    assert!(median * 5 <= anew, "a change costs {median:.2?}, a view made anew {anew:.2?}");
}

fn put(index: &mut Index, extension: Extension) -> BTreeSet<ExtensionId> {
    let read = (Arc::new(extension), Instant::now().into());
    index.apply(Delta::Backend(BackendId::GITEA, BackendDelta::Put(vec![read]))).unwrap()
}

async fn made_up_names() {
    let backend = MemoryBackend::new(BackendId::GITEA);
    backend.publish(&id(0), "1.0.0".parse().unwrap(), About::default(), "bytes");
    let catalog = Catalog::new(vec![Arc::new(backend)], rules());
    catalog.syncer.sync(Scope::All).await.unwrap();
    ask(&catalog, 1..NAMES / 2).await;
    let half = resident_kib();
    ask(&catalog, NAMES / 2..NAMES).await;
    let all = resident_kib();
    println!("resident after {} made-up names {half} KiB, after {NAMES} {all} KiB", NAMES / 2);
    assert!(all.saturating_sub(half) <= GROWTH_MAX_KIB, "made-up names fill the memory");
}

async fn ask(catalog: &Arc<Catalog>, numbers: std::ops::Range<usize>) {
    for number in numbers {
        assert!(catalog.reader.find(&id(number), Scope::All).await.unwrap_err().is_not_found());
    }
}

/// What this process keeps in memory.
fn resident_kib() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
