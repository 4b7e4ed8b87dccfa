//! How many requests of one client are answered at once.

use std::collections::HashMap;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use tracing::warn;

use crate::api::client_address::{TrustedProxies, network_of};
use crate::api::rate_limit::ClientKey;

/// The seats of all clients. Only clients with requests under way are remembered.
#[derive(Clone, Debug)]
pub struct Seats {
    each: u32,
    taken: Arc<Mutex<HashMap<ClientKey, u32>>>,
}

/// The share that one address has of all places, so that none takes them all.
#[derive(Debug)]
pub struct Share {
    seats: Seats,
    /// Whether it was told that an address has reached its share.
    told: AtomicBool,
}

impl Share {
    /// So many places for each address.
    #[must_use]
    pub fn new(each: NonZeroU32) -> Self {
        Self { seats: Seats::new(each), told: AtomicBool::new(false) }
    }

    /// A place out of the share of an address; `None` inside for a trusted proxy, which asks for many
    /// and is no client.
    ///
    /// # Errors
    /// [`Reached`]: the address has as many places as it may.
    pub fn take(&self, address: IpAddr, proxies: &TrustedProxies) -> Result<Option<Seat>, Reached> {
        if proxies.trusts(address) {
            return Ok(None);
        }
        if let Some(seat) = self.seats.take(ClientKey::Network(network_of(address))) {
            return Ok(Some(seat));
        }
        if !self.told.swap(true, Ordering::Relaxed) {
            warn!(%address, "an address reached its limit of concurrent requests (429): if it is a proxy, name it in server.trusted_proxies; see server.max_requests_per_client. Logged once");
        }
        Err(Reached)
    }
}

/// An address has as many places as it may.
#[derive(Clone, Copy, Debug)]
pub struct Reached;

/// One request's seat, until it is dropped.
#[derive(Debug)]
pub struct Seat {
    client: ClientKey,
    taken: Arc<Mutex<HashMap<ClientKey, u32>>>,
}

impl Seats {
    /// So many for each client.
    #[must_use]
    pub fn new(each: NonZeroU32) -> Self {
        Self { each: each.get(), taken: Arc::default() }
    }

    /// A seat of this client; `None`: all of its seats are taken.
    #[must_use]
    pub fn take(&self, client: ClientKey) -> Option<Seat> {
        let mut taken = self.taken.lock();
        let seats = taken.entry(client.clone()).or_insert(0);
        if *seats >= self.each {
            return None;
        }
        *seats += 1;
        Some(Seat { client, taken: Arc::clone(&self.taken) })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.taken.lock();
        if let Some(seats) = taken.get_mut(&self.client) {
            *seats -= 1;
            if *seats == 0 {
                taken.remove(&self.client);
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
        let seats = Seats::new(NonZeroU32::new(2).unwrap());
        let first = seats.take(network(1)).unwrap();
        let second = seats.take(network(1)).unwrap();
        assert!(seats.take(network(1)).is_none());
        assert!(seats.take(network(2)).is_some(), "others have their own");
        drop(first);
        assert!(seats.take(network(1)).is_some());
        drop(second);
        assert!(seats.taken.lock().is_empty());
    }
}
