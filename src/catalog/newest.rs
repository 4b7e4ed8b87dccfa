//! What is asked before an answer that no memo may give: a round, or a read of one extension.

use std::sync::Arc;

use futures_util::future::join_all;

use crate::catalog::Catalog;
use crate::catalog::questions::Deadline;
use crate::error::Result;
use crate::models::backend_kind::BackendKind;
use crate::models::naming::ExtensionId;

impl Catalog {
    /// Makes a round over each backend asked; answers with those whose round failed, or was not
    /// over in time. Such a round goes on.
    pub async fn newest(
        self: &Arc<Self>,
        source: Option<BackendKind>,
        deadline: Deadline,
    ) -> Vec<BackendKind> {
        self.failing(source, deadline, |source| self.round(Some(source))).await
    }

    /// Reads one extension again from each backend asked; answers with those that failed, or did
    /// not answer in time.
    pub async fn newest_of(
        self: &Arc<Self>,
        id: &ExtensionId,
        source: Option<BackendKind>,
        deadline: Deadline,
    ) -> Vec<BackendKind> {
        let read = async |source| self.ask(id, Some(source), false, deadline).await;
        self.failing(source, deadline, read).await
    }

    async fn failing<F: Future<Output = Result<()>>>(
        &self,
        source: Option<BackendKind>,
        deadline: Deadline,
        question: impl Fn(BackendKind) -> F,
    ) -> Vec<BackendKind> {
        let asked = self.asked(source).map(|member| {
            let (source, answer) = (member.source(), question(member.source()));
            async move { deadline.wait(Some(source), answer).await.is_err().then_some(source) }
        });
        join_all(asked).await.into_iter().flatten().collect()
    }
}
