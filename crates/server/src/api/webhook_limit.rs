//! Memory limits for webhook bodies: a signature can only be checked after the body was read.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use registry_core::models::backend_id::BackendId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::edge::admission::Sender;

/// Maximum number of webhook bodies of one backend in memory. Each may be a mebibyte.
pub const READ_AT_ONCE: usize = 16;
/// Maximum number of bodies from one address.
pub const OF_ONE_ADDRESS: usize = READ_AT_ONCE / 2;
const PATIENCE: Duration = Duration::from_secs(3);

/// Permits of all backends, separate for each backend.
#[derive(Debug, Default)]
pub struct WebhookLimit(HashMap<BackendId, BackendLimit>);

#[derive(Debug)]
struct BackendLimit {
    places: Arc<Semaphore>,
    shares: Mutex<HashMap<IpAddr, Arc<Semaphore>>>,
}

/// A permit for one body.
#[derive(Debug)]
pub struct BodyPermit {
    _place: OwnedSemaphorePermit,
    _share: Option<OwnedSemaphorePermit>,
}

impl WebhookLimit {
    /// Creates permits for each of the given backends.
    #[must_use]
    pub fn of(backends: impl Iterator<Item = BackendId>) -> Self {
        let limits = backends.map(|backend| {
            let places = Arc::new(Semaphore::new(READ_AT_ONCE));
            (backend, BackendLimit { places, shares: Mutex::default() })
        });
        Self(limits.collect())
    }

    /// Acquires a permit for a body; `None` after three seconds without a free one.
    pub async fn enter(&self, backend: BackendId, Sender(address): Sender) -> Option<BodyPermit> {
        let room = self.0.get(&backend)?;
        let entering = async {
            // The address's own permit first: at its limit, an address waits but blocks no other.
            let share = match address {
                Some(address) => Some(room.share(address).acquire_owned().await.ok()?),
                None => None,
            };
            let place = Arc::clone(&room.places).acquire_owned().await.ok()?;
            Some(BodyPermit { _place: place, _share: share })
        };
        timeout(PATIENCE, entering).await.ok().flatten()
    }
}

impl BackendLimit {
    fn share(&self, address: IpAddr) -> Arc<Semaphore> {
        let mut shares = self.shares.lock();
        // Only addresses with a body in flight stay: forged senders cannot make the table grow.
        shares.retain(|_, share| Arc::strong_count(share) > 1);
        let share = shares.entry(address);
        Arc::clone(share.or_insert_with(|| Arc::new(Semaphore::new(OF_ONE_ADDRESS))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn backends_and_addresses_have_their_own_room_and_who_waits_gets_it() {
        let notices = WebhookLimit::of([BackendId::GITEA, BackendId::OCI].into_iter());
        let [one, other, third] =
            [1, 2, 3].map(|number: u32| Sender(Some(IpAddr::V4(number.into()))));
        let mut held = Vec::new();
        for _ in 0..OF_ONE_ADDRESS {
            held.push(notices.enter(BackendId::GITEA, one).await.unwrap());
        }
        assert!(notices.enter(BackendId::GITEA, one).await.is_none());
        assert!(notices.enter(BackendId::OCI, one).await.is_some(), "another backend's room");
        for _ in 0..OF_ONE_ADDRESS {
            held.push(notices.enter(BackendId::GITEA, other).await.unwrap());
        }
        assert!(notices.enter(BackendId::GITEA, Sender(None)).await.is_none(), "all are taken");
        let waiting = async {
            tokio::time::sleep(PATIENCE / 2).await;
            held.clear();
        };
        let (entered, ()) = tokio::join!(notices.enter(BackendId::GITEA, third), waiting);
        assert!(entered.is_some());
        drop(entered);
        drop(notices.enter(BackendId::GITEA, one).await);
        let room = &notices.0[&BackendId::GITEA];
        assert_eq!(room.shares.lock().len(), 1, "who has left is forgotten");
        assert!(notices.enter(BackendId::LOCAL, one).await.is_none(), "which sends none");
    }
}
