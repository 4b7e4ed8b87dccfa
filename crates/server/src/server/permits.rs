//! Permits for connections and HTTP/2 streams, shared by all listeners.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::server::activity::HeldConnection;
use crate::server::clients::{Clients, CountedConnection};
use crate::server::{SPARE, streams};

#[derive(Clone)]
pub(super) struct StreamPermits {
    all: Arc<Semaphore>,
    clients: Clients,
}

impl StreamPermits {
    fn of(connections: usize, clients: &Clients) -> Self {
        let most = streams(connections).min(Semaphore::MAX_PERMITS);
        Self { all: Arc::new(Semaphore::new(most)), clients: clients.with(most / 2) }
    }

    /// Acquires a permit for a stream; `None` if the client or the service is at its limit.
    pub(super) fn enter(&self, peer: SocketAddr) -> Option<HeldConnection> {
        let counted = self.clients.enter(peer.ip()).ok()?;
        Some(Box::new((Arc::clone(&self.all).try_acquire_owned().ok()?, counted)))
    }
}

pub(super) struct ConnectionPermits {
    served: Arc<Semaphore>,
    spare: Arc<Semaphore>,
    clients: Clients,
    /// For clients beyond their own limit, which must not use up the spare ones.
    beyond: Arc<Semaphore>,
    streams: StreamPermits,
}

/// The right to one more connection of any client.
pub(super) struct SparePermit(OwnedSemaphorePermit);

/// Permits that a connection holds until it ends.
pub(super) struct HeldPermits {
    /// True for a connection beyond a limit.
    pub(super) overflow: bool,
    pub(super) streams: StreamPermits,
    _place: OwnedSemaphorePermit,
    _counted: Option<CountedConnection>,
}

impl ConnectionPermits {
    pub(super) fn of(connections: usize, clients: Clients) -> Self {
        let [served, spare, beyond] =
            [connections, SPARE, SPARE].map(|places| Arc::new(Semaphore::new(places)));
        let streams = StreamPermits::of(connections, &clients);
        Self { served, spare, clients, beyond, streams }
    }

    /// Waits for the permit without which no connection is accepted.
    pub(super) async fn spare(&self) -> io::Result<SparePermit> {
        let spare = Arc::clone(&self.spare).acquire_owned().await;
        spare.map(SparePermit).map_err(io::Error::other)
    }

    /// Acquires the permits of a connection; `None` if its client has too many.
    pub(super) fn enter(
        &self,
        peer: SocketAddr,
        SparePermit(spare): SparePermit,
    ) -> Option<HeldPermits> {
        let (place, counted, overflow) = match self.clients.enter(peer.ip()) {
            Err(_) => (Arc::clone(&self.beyond).try_acquire_owned().ok()?, None, true),
            Ok(counted) => match Arc::clone(&self.served).try_acquire_owned() {
                Ok(served) => (served, counted, false),
                Err(_) => (spare, None, true),
            },
        };
        let streams = self.streams.clone();
        Some(HeldPermits { overflow, streams, _place: place, _counted: counted })
    }
}
