//! Identity of the organization: its number, which is unique and survives a rename.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// Time for which a verified organization name stays verified.
const CONFIRMED: Duration = Duration::from_secs(5);

pub(super) struct OrganizationIdentity {
    accepted: Option<i64>,
    state: Mutex<IdentityState>,
}

#[derive(Default)]
struct IdentityState {
    number: Option<i64>,
    confirmed: Option<Instant>,
}

impl OrganizationIdentity {
    pub(super) fn new(accepted: Option<i64>) -> Self {
        Self { accepted, state: Mutex::new(IdentityState { number: accepted, confirmed: None }) }
    }

    pub(super) fn number(&self) -> Option<i64> {
        self.state.lock().number
    }

    /// Restores the number from before a restart, unless the configuration names one.
    pub(super) fn resume(&self, number: i64) {
        if self.accepted.is_none() {
            self.state.lock().number.get_or_insert(number);
        }
    }

    /// Accepts the expected number or the first one seen. Fails with the expected one otherwise.
    pub(super) fn confirm(&self, seen: i64) -> Result<(), i64> {
        let mut state = self.state.lock();
        let number = *state.number.get_or_insert(seen);
        if number != seen {
            // Cached repositories must not be served under a name that another organization took.
            state.confirmed = None;
            return Err(number);
        }
        state.confirmed = Some(Instant::now());
        Ok(())
    }

    pub(super) fn is_confirmed(&self) -> bool {
        self.state.lock().confirmed.is_some_and(|at| at.elapsed() < CONFIRMED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_first_number_counts_unless_the_operator_names_one() {
        let first = OrganizationIdentity::new(None);
        assert_eq!((first.number(), first.is_confirmed()), (None, false));
        first.resume(2);
        assert_eq!(first.confirm(3), Err(2));
        assert_eq!((first.confirm(2), first.is_confirmed()), (Ok(()), true));
        tokio::time::advance(CONFIRMED).await;
        assert!(!first.is_confirmed());
        let named = OrganizationIdentity::new(Some(3));
        named.resume(2);
        assert_eq!((named.confirm(3), named.number()), (Ok(()), Some(3)));
    }
}
