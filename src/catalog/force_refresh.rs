//! Fresh reads for requests with `no-cache`: a round, or a read of one extension.

use std::sync::Arc;

use futures_util::future::join_all;

use crate::catalog::Catalog;
use crate::catalog::lookups::Deadline;
use crate::error::Result;
use crate::models::backend_id::BackendId;
use crate::models::naming::ExtensionId;
use crate::models::scope::Scope;

impl Catalog {
    /// Makes a round over each requested backend. Returns the backends whose round failed or was
    /// not over by the deadline; such a round continues in the background.
    pub async fn force_refresh(
        self: &Arc<Self>,
        scope: Scope,
        deadline: Deadline,
    ) -> Vec<BackendId> {
        self.failing(scope, deadline, |backend| self.round(backend.into())).await
    }

    /// Reads one extension again from each requested backend. Returns the backends that failed or
    /// sent no response by the deadline.
    pub async fn force_refresh_one(
        self: &Arc<Self>,
        id: &ExtensionId,
        scope: Scope,
        deadline: Deadline,
    ) -> Vec<BackendId> {
        let read =
            async |backend: BackendId| self.lookup(id, backend.into(), false, deadline).await;
        self.failing(scope, deadline, read).await
    }

    async fn failing<F: Future<Output = Result<()>>>(
        &self,
        scope: Scope,
        deadline: Deadline,
        question: impl Fn(BackendId) -> F,
    ) -> Vec<BackendId> {
        // Each backend has its own wait, so that a slow one does not hide the result of another.
        let asked = self.asked(scope).map(|handle| {
            let (backend, answer) = (handle.id(), question(handle.id()));
            async move { deadline.wait(backend.into(), answer).await.is_err().then_some(backend) }
        });
        join_all(asked).await.into_iter().flatten().collect()
    }
}
