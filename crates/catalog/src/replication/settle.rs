//! Own requests and content that the log answers.

use crate::replication::shared_backend::SharedBackend;
use crate::share::requests::{RequestAnswer, RequestId};

/// Has own content replaced that the writer has read since. Called before the content of answers is
/// applied.
pub(super) fn settle_names(backend: &SharedBackend, answered: &[(RequestId, RequestAnswer)]) {
    if !answered.is_empty() {
        backend.share.outbox.answered(answered);
    }
}

/// Ends own requests that the log answers. Called after the content of the answers is applied.
pub(super) fn settle_requests(backend: &SharedBackend, answered: &[(RequestId, RequestAnswer)]) {
    backend.share.inbox.remember(answered);
    for (request, answer) in answered {
        backend.share.requests.answered(*request, *answer);
    }
}
