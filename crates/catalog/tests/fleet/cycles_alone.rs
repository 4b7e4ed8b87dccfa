//! Cycles of replicas that are alone: they end when the engine is back.

use std::sync::Arc;
use std::time::Duration;

use registry_core::models::backend_id::BackendId;
use registry_testing::fleet::fault::Fault;
use registry_testing::ids::{about, id, tag};
use registry_testing::memory::MemoryBackend;
use tokio::time::sleep;

use crate::contents::stored;
use crate::question_counts::QuestionKind;
use crate::replica_set::ReplicaSet;
use crate::scenario::Scenario;

/// So many that a cycle takes seconds.
const NAMES: usize = 400;
/// Time at which replicas without any state have begun cycles of their own.
const CYCLES_BEGUN: Duration = Duration::from_millis(3500);

#[tokio::test(start_paused = true)]
async fn cycles_of_replicas_without_the_engine_end_when_it_is_back() {
    let backend = Arc::new(MemoryBackend::new(BackendId::GITEA));
    for number in 0..NAMES {
        let name = id(&format!("provider/e{number}"));
        backend.publish(&name, tag("1.0.1"), about("one", &[]), "archive");
    }
    let scenario = Scenario { backends: &[BackendId::GITEA], ..Scenario::QUIET_HOUR };
    let replicas = ReplicaSet::start(scenario, std::slice::from_ref(&backend));
    replicas.engine.set_fault(Fault::Refused);
    sleep(CYCLES_BEGUN).await;
    let asked = || replicas.questions.of(QuestionKind::Extension);
    assert!(asked() > 0, "each replica reads by itself");
    replicas.engine.set_fault(Fault::None);
    // Until the replicas follow the log, and what was under way is answered.
    sleep(Duration::from_millis(1500)).await;
    let before = asked();
    assert!(before < 3 * NAMES, "{before} questions: the cycles came to their end");
    sleep(Duration::from_millis(200)).await;
    assert_eq!(asked(), before, "the cycles go on");
    sleep(Duration::from_secs(30)).await;
    assert_eq!(replicas.common_contents(), Some(stored(&[backend]).await));
}
