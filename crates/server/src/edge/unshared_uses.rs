//! Tokens that this replica gave out and has not told the other ones yet.

use std::collections::HashMap;
use std::hash::Hash;

use parking_lot::Mutex;
use tokio::sync::Notify;

/// Number of tokens by client, of a bounded number of clients.
pub(super) struct UnsharedUses<K> {
    clients_max: usize,
    tokens: Mutex<HashMap<K, u32>>,
    new_client: Notify,
}

impl<K: Clone + Eq + Hash> UnsharedUses<K> {
    pub(super) fn new(clients_max: usize) -> Self {
        Self { clients_max, tokens: Mutex::default(), new_client: Notify::new() }
    }

    /// Adds a token. Beyond the bound a client's tokens are not shared.
    pub(super) fn add(&self, client: &K, is_new: bool) {
        let mut tokens = self.tokens.lock();
        if let Some(count) = tokens.get_mut(client) {
            *count = count.saturating_add(1);
        } else if tokens.len() < self.clients_max {
            tokens.insert(client.clone(), 1);
        }
        drop(tokens);
        if is_new {
            self.new_client.notify_one();
        }
    }

    /// Returns the tokens of a client.
    pub(super) fn tokens(&self, client: &K) -> u32 {
        self.tokens.lock().get(client).copied().unwrap_or_default()
    }

    /// Removes and returns the tokens of all clients.
    pub(super) fn remove_all(&self) -> Vec<(K, u32)> {
        std::mem::take(&mut *self.tokens.lock()).into_iter().collect()
    }

    /// Waits for a token of a client without a bucket: other replicas may know it.
    pub(super) async fn new_client(&self) {
        self.new_client.notified().await;
    }
}
