//! Connections per client, limited so that no client can take them all.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;

/// Maps an address to the client it counts for; `None` for addresses that are not limited.
pub type ClientOf = Arc<dyn Fn(IpAddr) -> Option<IpAddr> + Send + Sync>;

/// Connections of all clients. Only clients with connections have an entry.
#[derive(Clone)]
pub struct Clients {
    most: usize,
    client_of: ClientOf,
    open: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

pub(super) struct CountedConnection {
    client: IpAddr,
    open: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

#[derive(Debug)]
pub(super) struct Full;

impl Clients {
    /// Creates a limit of this many connections per client.
    #[must_use]
    pub fn new(most: usize, client_of: ClientOf) -> Self {
        Self { most, client_of, open: Arc::default() }
    }

    /// Creates a limit for the same clients on another resource.
    pub(super) fn with(&self, most: usize) -> Self {
        Self::new(most, Arc::clone(&self.client_of))
    }

    pub(super) fn enter(&self, address: IpAddr) -> Result<Option<CountedConnection>, Full> {
        let Some(client) = (self.client_of)(address) else { return Ok(None) };
        let mut open = self.open.lock();
        let connections = open.entry(client).or_insert(0);
        if *connections >= self.most {
            return Err(Full);
        }
        *connections += 1;
        Ok(Some(CountedConnection { client, open: Arc::clone(&self.open) }))
    }
}

impl fmt::Debug for Clients {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Clients").field("most", &self.most).finish_non_exhaustive()
    }
}

impl Drop for CountedConnection {
    fn drop(&mut self) {
        let mut open = self.open.lock();
        if let Some(connections) = open.get_mut(&self.client) {
            *connections -= 1;
            // Removed at zero, so that the table does not grow with every address ever seen.
            if *connections == 0 {
                open.remove(&self.client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_client_has_its_connections_and_who_has_none_is_forgotten() {
        let [one, other, proxy] = [1, 2, 3].map(|number: u32| IpAddr::V4(number.into()));
        let clients = Clients::new(2, Arc::new(move |ip| (ip != proxy).then_some(ip)));
        let first = clients.enter(one).unwrap();
        let second = clients.enter(one).unwrap();
        assert!(clients.enter(one).is_err());
        assert!(clients.enter(other).is_ok_and(|counted| counted.is_some()), "others have theirs");
        let trusted: Vec<_> = (0..10).map(|_| clients.enter(proxy).unwrap()).collect();
        assert!(trusted.iter().all(Option::is_none), "a proxy's are nobody's");
        drop(first);
        assert!(clients.enter(one).is_ok());
        drop(second);
        assert!(clients.open.lock().is_empty());
    }
}
