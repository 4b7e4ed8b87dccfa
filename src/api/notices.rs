//! Room for the bodies of change notices: whether a signature is right is known only after its body.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::models::backend_id::BackendId;

/// Bodies of one backend's notices that are read or held at once. Each may be a mebibyte.
pub const READ_AT_ONCE: usize = 16;
/// Of these, bodies from one address.
pub const OF_ONE_ADDRESS: usize = READ_AT_ONCE / 2;
/// How long a notice waits for room.
const PATIENCE: Duration = Duration::from_secs(3);

/// The address that a notice comes from; `None`: that of a trusted proxy, which is no sender.
#[derive(Clone, Copy, Debug)]
pub struct Sender(pub Option<IpAddr>);

/// The rooms of all backends. Backends do not share theirs.
#[derive(Debug, Default)]
pub struct Notices(HashMap<BackendId, Room>);

#[derive(Debug)]
struct Room {
    places: Arc<Semaphore>,
    /// The places of each address that has or waits for any.
    shares: Mutex<HashMap<IpAddr, Arc<Semaphore>>>,
}

/// Room for one body, until it is dropped.
#[derive(Debug)]
pub struct Place {
    _place: OwnedSemaphorePermit,
    _share: Option<OwnedSemaphorePermit>,
}

impl Notices {
    /// A room for each of these backends.
    #[must_use]
    pub fn of(backends: impl Iterator<Item = BackendId>) -> Self {
        let room =
            || Room { places: Arc::new(Semaphore::new(READ_AT_ONCE)), shares: Mutex::default() };
        Self(backends.map(|backend| (backend, room())).collect())
    }

    /// Room for the body of a notice; `None`: there was none for three seconds.
    pub async fn enter(&self, backend: BackendId, Sender(address): Sender) -> Option<Place> {
        let room = self.0.get(&backend)?;
        let entering = async {
            // First out of its own share: an address that waits for that keeps nobody else waiting.
            let share = match address {
                Some(address) => Some(room.share(address).acquire_owned().await.ok()?),
                None => None,
            };
            let place = Arc::clone(&room.places).acquire_owned().await.ok()?;
            Some(Place { _place: place, _share: share })
        };
        timeout(PATIENCE, entering).await.ok().flatten()
    }
}

impl Room {
    fn share(&self, address: IpAddr) -> Arc<Semaphore> {
        let mut shares = self.shares.lock();
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
        let notices = Notices::of([BackendId::GITEA, BackendId::OCI].into_iter());
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
