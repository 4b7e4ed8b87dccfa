//! Errors of names that no backend may answer for, and of extensions without a release.

use std::time::Duration;

use registry_core::error::{Error, Result};
use registry_core::models::backend_id::BackendId;
use registry_core::models::naming::ExtensionId;
use registry_core::models::scope::Scope;

use crate::backend_order::BackendOrder;
use crate::index::Index;
use crate::index::entry::Entry;
use crate::ownership::Ownership;

/// `Retry-After` while the owner of a name is undetermined.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// Fails if no backend may answer for a name within the scope that the entry is from.
pub(super) fn check_owner(entry: &Entry, backends: &BackendOrder) -> Result<()> {
    let id = entry.id();
    match entry.ownership {
        Ownership::Owned(_) => Ok(()),
        Ownership::Undetermined(has, unknown) => Err(Error::unavailable(
            format!(
                "The owner of {id} cannot be determined: the {unknown} backend comes first and was \
                 not listed yet, or exceeds catalog.max_bytes; use ?{} to request the other one",
                query_of(has, backends)
            ),
            RETRY_AFTER,
        )),
        Ownership::Orphaned(owner) => {
            let others = entry.backends().map(|other| format!("?{}", query_of(*other, backends)));
            let others: Vec<String> = others.collect();
            Err(Error::not_found(format!(
                "Extension {id} was removed from {owner}, which owned it; use {} to request another backend",
                others.join(" or ")
            )))
        }
    }
}

fn query_of(backend: BackendId, backends: &BackendOrder) -> String {
    backends.scope_of(backend).query().unwrap_or_default()
}

/// Returns the reason why an extension that exists is not served; `None` if no backend has it.
pub(crate) fn unserved(
    id: &ExtensionId,
    scope: Scope,
    index: &Index,
    backends: &BackendOrder,
) -> Option<Error> {
    let copies = backends.within(scope).filter_map(|backend| index.backend(backend)?.get(id));
    let mut bare = copies.filter(|copy| copy.extension.releases().is_empty());
    let extension = &bare.next()?.extension;
    let faults = extension.faults();
    let reasons: Vec<&str> = faults.iter().map(|fault| fault.reason.as_str()).collect();
    let because = match reasons.first() {
        Some(reason) => format!(": {reason}"),
        None => String::new(),
    };
    // A release may exist that could not be read, so a 404 would be a guess.
    if faults.iter().any(|fault| fault.unreadable) || !extension.coverage().is_complete() {
        let message = format!("Extension {id} has no release that can be read");
        return Some(Error::faulty(message).because(reasons.join("; ")));
    }
    Some(Error::not_found(format!("Extension {id} has no release{because}")))
}
