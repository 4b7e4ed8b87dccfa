//! The canary: a known extension whose read shows whether the backend answers reads at all.

use registry_core::models::naming::ExtensionId;

use crate::health::status::Operation;
use crate::sync::backend_handle::BackendHandle;
use crate::sync::intake::{ReadOrigin, is_of_backend, read_one};
use crate::sync::removal::apply;

/// Returns a known extension whose last read succeeded, else one whose last read failed.
pub(super) fn canary(handle: &BackendHandle) -> Option<ExtensionId> {
    let incomplete = handle.health.evidence.incomplete();
    readable(handle, &incomplete).or_else(|| incomplete.into_iter().next())
}

fn readable(handle: &BackendHandle, incomplete: &[ExtensionId]) -> Option<ExtensionId> {
    let readable = handle.store.read_backend(handle.id(), |known| {
        let mut undoubted = known.with_releases().filter(|id| !known.is_doubted(id));
        undoubted.find(|id| incomplete.binary_search(id).is_err()).cloned()
    });
    readable.flatten()
}

/// Reads an extension that could be read before. Returns true if the backend responds.
pub(super) async fn responds_to_another(handle: &BackendHandle) -> bool {
    let Some(canary) = readable(handle, &handle.health.evidence.incomplete()) else { return false };
    let read = read_one(handle, canary).await;
    let responds = !read.outcome.as_ref().is_err_and(is_of_backend);
    if responds {
        handle.health.succeeded(Operation::Read);
    }
    apply(handle, vec![read], ReadOrigin::Backend).await.schedule_confirmation(handle);
    responds
}
