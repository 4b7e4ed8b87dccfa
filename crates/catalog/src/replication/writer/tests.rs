//! The writer answers requests with content, and keeps the order of contents.

use registry_core::backend::Backend;
use registry_core::models::backend_id::BackendId;
use registry_core::models::extension::About;
use registry_core::models::scope::Scope;
use registry_fleet::leases::{LeaseState, Leases as _};
use registry_fleet::log::{Cursor, SharedLog as _, StreamPlace};
use registry_fleet::state::EngineState;
use registry_testing::fleet::engine::{EngineConnection, MemoryEngine};
use registry_testing::memory::MemoryBackend;
use tokio::time::sleep;

use super::*;
use crate::index::delta::{BackendDelta, Delta};
use crate::replication::apply::apply;
use crate::replication::payload::Payload;
use crate::replication::publisher::publish;
use crate::replication::request_payload::encode;
use crate::replication::settle::settle_names;
use crate::share::requests::RequestId;
use crate::{Catalog, Rules};

/// A catalog that writes about one backend.
struct Writer {
    fleet: Fleet,
    connection: Arc<EngineConnection>,
    catalog: Arc<Catalog>,
    shared: Arc<SharedBackend>,
    cursor: Cursor,
}

impl Writer {
    async fn over(backend: &Arc<MemoryBackend>) -> Self {
        let connection = MemoryEngine::new().connect();
        let fleet = Fleet {
            leases: Arc::clone(&connection) as _,
            log: Arc::clone(&connection) as _,
            snapshots: Arc::clone(&connection) as _,
            replica: "one".parse().unwrap(),
            engine: EngineState::default(),
        };
        let fingerprints = vec![(backend.id(), String::new())];
        let backends = vec![Arc::clone(backend) as Arc<dyn Backend>];
        let shared = Some((fleet.clone(), fingerprints));
        let catalog = Catalog::replicated(backends, Rules::for_tests(), None, shared);
        catalog.syncer.sync(Scope::All).await.unwrap();
        let shared = Arc::clone(&catalog.replicator.as_ref().unwrap().backends[0]);
        let held = connection.take(shared.topic(), &fleet.replica, Epoch::default(), 7).await;
        let Ok(LeaseState::Held { epoch, tail }) = held else { panic!("{held:?}") };
        let takeover = take_over(&shared, &fleet, epoch, tail, false).await;
        assert_eq!(takeover, Takeover::Done);
        tokio::spawn(publish(fleet.clone(), Arc::clone(&shared)));
        let (topic, renewing) = (shared.topic().clone(), fleet.clone());
        tokio::spawn(async move {
            loop {
                let _ = renewing.leases.take(&topic, &renewing.replica, epoch, 7).await;
                sleep(Duration::from_secs(3)).await;
            }
        });
        Self { fleet, connection, catalog, shared, cursor: Cursor::default() }
    }

    /// Takes a webhook, and reads what is due.
    async fn receives(&self, place: u64, request: u64, id: &ExtensionId) {
        let payload = encode(RequestId(request), &RequestSubject::Notice(id.clone())).unwrap();
        let place = StreamPlace { millis: place, number: 0 };
        let topic = self.shared.topic().clone();
        receive(&self.shared, &PostedRequest { place, topic, payload }, 0);
        look_up_for_caller(&self.shared.handle, id.clone()).await;
    }

    /// Number of releases that it shows.
    fn releases(&self) -> usize {
        let known = self.catalog.store.read_backend(BackendId::GITEA, |known| {
            known.get(&id()).map(|copy| copy.extension.releases().len())
        });
        known.flatten().unwrap_or_default()
    }

    /// Returns what comes next in the log about extensions.
    async fn published(&mut self) -> Payload {
        for _ in 0..100 {
            let heard = self.connection.follow(&mut self.cursor).await.unwrap();
            let payloads = heard.entries.iter().map(|it| Payload::decode(&it.payload).unwrap());
            if let Some(payload) = payloads.into_iter().find(|it| !it.deltas.is_empty()) {
                return payload;
            }
        }
        panic!("nothing is published")
    }
}

fn id() -> ExtensionId {
    "provider/one".parse().unwrap()
}

fn published() -> Arc<MemoryBackend> {
    let backend = Arc::new(MemoryBackend::new(BackendId::GITEA));
    let other = "provider/other".parse().unwrap();
    for id in [id(), other] {
        backend.publish(&id, "1.0.0".parse().unwrap(), About::default(), "archive");
    }
    backend
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_posted_again_is_answered_with_the_content() {
    let backend = published();
    let mut writer = Writer::over(&backend).await;
    backend.publish(&id(), "1.1.0".parse().unwrap(), About::default(), "another");
    writer.receives(1, 7, &id()).await;
    let first = writer.published().await;
    // Not read again: the replica may have a snapshot instead of the entry.
    writer.receives(2, 7, &id()).await;
    let again = writer.published().await;
    for payload in [&first, &again] {
        assert_eq!(payload.answered, [(RequestId(7), RequestAnswer::Read)]);
        let put = matches!(&payload.deltas[..],
            [Delta::Backend(_, BackendDelta::Put(all))] if *all[0].0.id() == id());
        assert!(put, "{payload:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_about_a_removal_is_answered_with_the_removal() {
    let backend = published();
    let mut writer = Writer::over(&backend).await;
    backend.remove(&id());
    let _tasks = writer.catalog.syncer.start();
    writer.receives(1, 7, &id()).await;
    assert_eq!(writer.shared.share.inbox.begin_read(&id()).len(), 1, "one read may be wrong");
    let removed = Delta::Backend(BackendId::GITEA, BackendDelta::Removed(id()));
    let payload = writer.published().await;
    assert_eq!(payload.answered, [(RequestId(7), RequestAnswer::Read)]);
    assert!(payload.deltas.contains(&removed), "{payload:?}");
}

#[tokio::test(start_paused = true)]
async fn a_name_that_this_replica_has_read_stays_until_the_writer_has_read_it() {
    let backend = published();
    let replica = Writer::over(&backend).await;
    let shared = &replica.shared;
    step_down(shared);
    let older = backend.extension(&id()).await.unwrap();
    backend.publish(&id(), "1.1.0".parse().unwrap(), About::default(), "another");
    look_up_for_caller(&shared.handle, id()).await;
    let put = BackendDelta::Put(vec![(Arc::new(older), Instant::now().into())]);
    let deltas = vec![Delta::Backend(BackendId::GITEA, put)];
    let entry = Payload { deltas, ..Payload::default() };
    apply(shared, entry.clone());
    assert_eq!(replica.releases(), 2, "the log may be older");
    shared.share.outbox.unrequested(Instant::now(), |_| RequestId(7));
    settle_names(shared, &[(RequestId(7), RequestAnswer::Read)]);
    apply(shared, entry);
    assert_eq!(replica.releases(), 1, "the writer has read it since");
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_lacks_entries_leaves_the_lease_to_others() {
    let replica = Writer::over(&published()).await;
    step_down(&replica.shared);
    let epoch = Epoch { number: 9, nonce: 7 };
    let tail = LogPosition::first_of(epoch).next();
    let (shared, fleet) = (&replica.shared, &replica.fleet);
    assert_eq!(take_over(shared, fleet, epoch, tail, true).await, Takeover::Yielded);
    let publishes = take_over(shared, fleet, epoch, tail, false).await;
    assert_eq!(publishes, Takeover::Failed, "its lease is of another epoch");
}
