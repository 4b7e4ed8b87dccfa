//! The configured backends, in the order in which they own names.

use std::sync::Arc;

use registry_core::models::backend_id::BackendId;
use registry_core::models::scope::Scope;

/// The configured backends, in the order in which they own names.
#[derive(Clone, Debug)]
pub struct BackendOrder(Arc<[BackendId]>);

impl BackendOrder {
    /// Sets the order.
    #[must_use]
    pub fn new(backends: impl IntoIterator<Item = BackendId>) -> Self {
        Self(backends.into_iter().collect())
    }

    /// Returns all backends, in order.
    pub fn iter(&self) -> impl Iterator<Item = BackendId> {
        self.0.iter().copied()
    }

    /// Returns the backends of a scope, in order.
    pub fn within(&self, scope: Scope) -> impl Iterator<Item = BackendId> {
        self.iter().filter(move |backend| scope.includes(*backend))
    }

    /// Returns the scope of a backend: its kind if it is the only one, else the backend.
    #[must_use]
    pub fn scope_of(&self, backend: BackendId) -> Scope {
        let kind = Scope::Kind(backend.kind());
        if self.within(kind).nth(1).is_none() { kind } else { backend.into() }
    }
}
