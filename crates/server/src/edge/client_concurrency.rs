//! Limits on the concurrent requests of one client.

use std::collections::HashMap;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use parking_lot::Mutex;
use tracing::warn;

use crate::edge::client_address::{TrustedProxies, network_of};
use crate::edge::rate_limit::ClientKey;

// Log filters name this target (docs/operations.md), so it outlives the former module name.
const LOG_TARGET: &str = "extension_registry::api::client_concurrency";

/// Numbers of concurrent requests by client. Only clients with requests in flight have an entry.
#[derive(Clone, Debug)]
pub struct ClientConcurrency {
    each: u32,
    taken: Arc<TakenPermits>,
}

#[derive(Debug, Default)]
struct TakenPermits {
    clients: Mutex<HashMap<ClientKey, u32>>,
    /// Number of `clients`, so that an idle service needs no lock.
    count: AtomicUsize,
}

/// Maximum share of all permits for one address, so that no address can take them all.
#[derive(Debug)]
pub struct Share {
    concurrency: ClientConcurrency,
    told: AtomicBool,
}

impl Share {
    /// Creates a limit of this many permits per address.
    #[must_use]
    pub fn new(each: NonZeroU32) -> Self {
        Self { concurrency: ClientConcurrency::new(each), told: AtomicBool::new(false) }
    }

    /// Fails if an address has no permit left.
    pub fn check(
        &self,
        address: IpAddr,
        proxies: &TrustedProxies,
    ) -> Result<(), ClientLimitReached> {
        let is_free = proxies.trusts(address) || self.concurrency.has_room(&key(address));
        if is_free { Ok(()) } else { Err(self.reached(address)) }
    }

    /// Acquires a permit; `None` for a trusted proxy, which connects for many clients.
    pub fn take(
        &self,
        address: IpAddr,
        proxies: &TrustedProxies,
    ) -> Result<Option<ClientPermit>, ClientLimitReached> {
        if proxies.trusts(address) {
            return Ok(None);
        }
        self.concurrency.take(key(address)).map(Some).ok_or_else(|| self.reached(address))
    }

    fn reached(&self, address: IpAddr) -> ClientLimitReached {
        if !self.told.swap(true, Ordering::Relaxed) {
            warn!(target: LOG_TARGET, %address, "an address reached its limit of concurrent requests (429): if it is a proxy, name it in server.trusted_proxies; see server.max_requests_per_client. Logged once");
        }
        ClientLimitReached
    }
}

fn key(address: IpAddr) -> ClientKey {
    ClientKey::Network(network_of(address))
}

/// The address is at its limit.
#[derive(Clone, Copy, Debug)]
pub struct ClientLimitReached;

/// A permit of one client, released on drop.
#[derive(Debug)]
pub struct ClientPermit {
    client: ClientKey,
    taken: Arc<TakenPermits>,
}

impl ClientConcurrency {
    /// Creates a limit of this many permits per client.
    #[must_use]
    pub fn new(each: NonZeroU32) -> Self {
        Self { each: each.get(), taken: Arc::default() }
    }

    /// Returns true if the client is below its limit.
    #[must_use]
    pub fn has_room(&self, client: &ClientKey) -> bool {
        let TakenPermits { clients, count } = &*self.taken;
        count.load(Ordering::Relaxed) == 0
            || clients.lock().get(client).is_none_or(|concurrency| *concurrency < self.each)
    }

    /// Acquires a permit; `None` if the client is at its limit.
    #[must_use]
    pub fn take(&self, client: ClientKey) -> Option<ClientPermit> {
        let mut clients = self.taken.clients.lock();
        let concurrency = clients.entry(client.clone()).or_insert(0);
        if *concurrency >= self.each {
            return None;
        }
        *concurrency += 1;
        self.taken.count.store(clients.len(), Ordering::Relaxed);
        Some(ClientPermit { client, taken: Arc::clone(&self.taken) })
    }
}

impl Drop for ClientPermit {
    fn drop(&mut self) {
        let mut clients = self.taken.clients.lock();
        if let Some(concurrency) = clients.get_mut(&self.client) {
            *concurrency -= 1;
            // Removed at zero, so that the table does not grow with every address ever seen.
            if *concurrency == 0 {
                clients.remove(&self.client);
                self.taken.count.store(clients.len(), Ordering::Relaxed);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    fn network(number: u32) -> ClientKey {
        ClientKey::Network(IpAddr::V4(number.into()))
    }

    #[test]
    fn each_client_has_its_seats_and_who_has_left_is_forgotten() {
        let concurrency = ClientConcurrency::new(NonZeroU32::new(2).unwrap());
        let first = concurrency.take(network(1)).unwrap();
        let second = concurrency.take(network(1)).unwrap();
        assert!(!concurrency.has_room(&network(1)) && concurrency.take(network(1)).is_none());
        assert!(concurrency.has_room(&network(2)), "others have their own");
        assert!(concurrency.take(network(2)).is_some());
        drop(first);
        assert!(concurrency.take(network(1)).is_some());
        drop(second);
        assert!(concurrency.taken.clients.lock().is_empty() && concurrency.has_room(&network(1)));
    }
}
