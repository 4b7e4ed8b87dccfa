//! A pause that a backend demands of the writer: it is that of all replicas.

use std::sync::Arc;
use std::time::Duration;

use registry_core::backend::Backend;
use registry_core::backend::contact::Contact;
use registry_core::models::backend_id::BackendId;
use registry_testing::fleet::engine::{EngineConnection, MemoryEngine};
use registry_testing::fleet::fault::Fault;
use registry_testing::scripted::Scripted;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use crate::applied_order::ObservedConnection;
use crate::catalog_replica::{CatalogReplica, Membership};

const PAUSE: Duration = Duration::from_mins(1);
/// Seconds are rounded up each time that a pause is told.
const SLACK: Duration = Duration::from_secs(2);

/// Maximum time between two reports of a writer.
const REPORT_EVERY: Duration = Duration::from_secs(16);

/// A replica with a backend client of its own.
struct Member {
    replica: CatalogReplica,
    connection: Arc<EngineConnection>,
    backend: Arc<Scripted>,
}

impl Member {
    fn start(engine: &Arc<MemoryEngine>, name: &str) -> Self {
        let mut backend = Scripted::new(BackendId::GITEA, &["provider/a:1.0.0"]);
        backend.contact = Some(watch::Sender::default());
        let (backend, connection) = (Arc::new(backend), engine.connect());
        let membership = Membership {
            connection: ObservedConnection::new(Arc::clone(&connection)),
            replica: name.parse().unwrap(),
            replicas: 3,
        };
        let backends = vec![Arc::clone(&backend) as Arc<dyn Backend>];
        let replica = CatalogReplica::start(backends, Some(membership), None);
        Self { replica, connection, backend }
    }

    fn contact(&self) -> &watch::Sender<Contact> {
        self.backend.contact.as_ref().unwrap()
    }

    fn holds_until(&self, until: Instant) -> bool {
        let held = self.contact().borrow().held_until;
        held.is_some_and(|held| held >= until && held <= until + SLACK)
    }
}

#[tokio::test(start_paused = true)]
async fn all_replicas_and_the_next_writer_wait_as_long_as_a_backend_told_the_writer() {
    let engine = MemoryEngine::new();
    let mut members: Vec<_> =
        ["one", "two", "three"].map(|name| Member::start(&engine, name)).into();
    sleep(PAUSE).await;
    let writer = members.iter().position(|member| member.replica.is_writer()).unwrap();
    let writer = members.swap_remove(writer);
    let until = Instant::now() + PAUSE;
    writer.contact().send_modify(|contact| contact.paused_until = Some(until));
    // Before a caller who waits for the writer gives up.
    sleep(Duration::from_millis(100)).await;
    assert!(members.iter().all(|member| member.holds_until(until)));
    writer.connection.set_fault(Fault::Refused);
    drop(writer);
    sleep(Duration::from_secs(15)).await;
    assert!(members.iter().any(|member| member.replica.is_writer()));
    members.push(Member::start(&engine, "four"));
    // Until the next report the late one counts from the last report that it finds in the log.
    sleep(REPORT_EVERY).await;
    assert!(members.iter().all(|member| member.holds_until(until)));
    sleep(PAUSE).await;
    assert!(members.iter().all(|member| member.contact().borrow().pause().is_zero()));
}
