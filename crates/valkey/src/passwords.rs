//! Passwords that are replaced while replicas run.

use std::sync::Arc;

use parking_lot::RwLock;
use secrecy::SecretString;
use tokio::sync::Notify;

/// Passwords of the server and of its sentinels. Clones share them.
#[derive(Clone)]
pub struct EnginePasswords(Arc<PasswordState>);

struct PasswordState {
    server: RwLock<Option<SecretString>>,
    sentinels: RwLock<Option<SecretString>>,
    /// Ends the wait for the next attempt to connect.
    replaced: Notify,
}

impl EnginePasswords {
    /// Names the first passwords; `None` where none is wanted.
    #[must_use]
    pub fn new(server: Option<SecretString>, sentinels: Option<SecretString>) -> Self {
        let (server, sentinels) = (RwLock::new(server), RwLock::new(sentinels));
        Self(Arc::new(PasswordState { server, sentinels, replaced: Notify::new() }))
    }

    /// Uses this password of the server from the next connection on. Connections that are refused now
    /// are tried again at once.
    pub fn replace_server(&self, password: SecretString) {
        *self.0.server.write() = Some(password);
        self.0.replaced.notify_one();
    }

    /// Uses this password of the sentinels from the next question on, as for the server.
    pub fn replace_sentinels(&self, password: SecretString) {
        *self.0.sentinels.write() = Some(password);
        self.0.replaced.notify_one();
    }

    pub(crate) fn server(&self) -> Option<SecretString> {
        self.0.server.read().clone()
    }

    pub(crate) fn sentinels(&self) -> Option<SecretString> {
        self.0.sentinels.read().clone()
    }

    /// Waits until a password is replaced.
    pub(crate) async fn replaced(&self) {
        self.0.replaced.notified().await;
    }
}
