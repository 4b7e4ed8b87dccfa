//! What backends have, and what replicas show of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use registry_catalog::index::view::View;
use registry_core::backend::Backend as _;
use registry_core::models::backend_id::BackendId;
use registry_core::models::extension::Extension;
use registry_core::models::naming::ExtensionId;
use registry_core::models::scope::Scope;
use registry_testing::memory::MemoryBackend;

/// An extension of a backend.
pub type Name = (BackendId, ExtensionId);

/// Tags of every extension.
pub type Contents = BTreeMap<Name, Vec<String>>;

/// Returns what a view shows.
pub fn shown(view: &View, backends: &[BackendId]) -> Contents {
    let of_backend = |&backend| {
        let entries = view.entries(Scope::Backend(backend)).iter();
        entries.map(move |entry| ((backend, entry.id().clone()), tags(&entry.extension)))
    };
    backends.iter().flat_map(of_backend).collect()
}

/// Returns what backends have.
pub async fn stored(backends: &[Arc<MemoryBackend>]) -> Contents {
    let mut contents = Contents::new();
    for backend in backends {
        for id in backend.listing().await.unwrap().ids {
            let extension = backend.extension(&id).await.unwrap();
            contents.insert((backend.id(), id), tags(&extension));
        }
    }
    contents
}

fn tags(extension: &Extension) -> Vec<String> {
    extension.releases().iter().map(|release| release.tag.as_str().to_owned()).collect()
}
