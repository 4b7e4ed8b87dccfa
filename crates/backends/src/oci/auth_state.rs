//! Authentication state of a registry: the credentials, and the bounded caches of challenges and tokens.

use std::sync::Arc;
use std::time::Duration;

use registry_core::caching::bounded_lru::{BoundedLru, LruBounds};
use tokio::time::Instant;

use crate::oci::challenge::{BearerChallenge, Challenge};
use crate::oci::credentials::Credentials;
use crate::oci::token::BearerToken;

/// Bounds of each cache, because the registry controls the size of every entry.
const BOUNDS: LruBounds = LruBounds::new(16 * 1024, 4 * 1024 * 1024);
/// Fixed memory per entry, in bytes, beside its texts.
const ENTRY_BYTES: usize = 256;

pub(super) struct AuthState {
    pub(super) credentials: Arc<Credentials>,
    /// True if the registry requires a password with every request. `None` before the first ping.
    pub(super) basic: Option<bool>,
    /// Last challenge per subject, because each repository may have another one.
    methods: BoundedLru<String, AuthMethod>,
    tokens: BoundedLru<BearerChallenge, BearerToken>,
    worked_at: Option<Instant>,
}

#[derive(Clone)]
pub(super) struct AuthMethod {
    pub(super) challenge: Challenge,
    pub(super) takes_password: bool,
}

impl AuthState {
    pub(super) fn new(credentials: Credentials) -> Self {
        Self {
            credentials: Arc::new(credentials),
            basic: None,
            methods: BoundedLru::new(BOUNDS),
            tokens: BoundedLru::new(BOUNDS),
            worked_at: None,
        }
    }

    pub(super) fn good_token(&mut self, challenge: &BearerChallenge) -> Option<BearerToken> {
        self.tokens.get(challenge).cloned().filter(BearerToken::is_good)
    }

    pub(super) fn keep_token(&mut self, challenge: BearerChallenge, token: BearerToken) {
        let weight = ENTRY_BYTES + challenge.bytes() + token.bytes();
        self.tokens.put(challenge, weight as u64, token);
    }

    /// Drops a refused token. True unless another request has already replaced it.
    pub(super) fn forget_token(
        &mut self,
        challenge: &BearerChallenge,
        refused: &BearerToken,
    ) -> bool {
        let is_held = self.tokens.peek(challenge).is_some_and(|held| held.is(refused));
        if is_held {
            self.tokens.remove(challenge);
        }
        is_held
    }

    pub(super) fn method(&mut self, subject: &str) -> Option<AuthMethod> {
        self.methods.get(subject).cloned()
    }

    pub(super) fn keep_method(&mut self, subject: String, method: AuthMethod) {
        let weight = ENTRY_BYTES + subject.len() + method.challenge.bytes();
        self.methods.put(subject, weight as u64, method);
    }

    pub(super) fn forget_method(&mut self, subject: &str) {
        self.methods.remove(subject);
    }

    pub(super) fn accepted(&mut self) {
        self.worked_at = Some(Instant::now());
    }

    pub(super) fn worked_within(&self, span: Duration) -> bool {
        self.worked_at.is_some_and(|at| at.elapsed() <= span)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_and_tokens_are_bounded_in_number_and_in_bytes() {
        for (length, most) in [(1, 16 * 1024), (10_000, 4 * 1024 * 1024 / 10_000)] {
            let mut state = AuthState::new(Credentials::Anonymous);
            for number in 0..20_000 {
                let realm = format!("https://{number}.example/{}", "x".repeat(length));
                let challenge = BearerChallenge { realm, service: None, scopes: Vec::new() };
                let challenge = Challenge::Bearer(challenge);
                state.keep_method(
                    number.to_string(),
                    AuthMethod { challenge, takes_password: false },
                );
            }
            assert!(state.methods.values().count() <= most, "{length}");
            assert!(state.methods.peek("19999").is_some() && state.methods.peek("0").is_none());
        }
    }
}
