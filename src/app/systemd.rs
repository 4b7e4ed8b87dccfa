//! Notifies a supervisor such as systemd of start, life and stop, if `NOTIFY_SOCKET` is set.

use crate::app::LOG_TARGET;
use sd_notify::{NotifyState, notify, watchdog_enabled};
use tokio::time::interval;
use tracing::warn;

pub(super) fn ready() {
    // Sent once the first rounds over the backends have begun, not when they have ended: a backend
    // that is down must not keep the service from being started.
    tell(&[NotifyState::Ready]);
}

pub(super) fn stopping() {
    tell(&[NotifyState::Stopping]);
}

pub(super) async fn keep_alive() {
    // Notifies twice per watchdog period from the serving runtime, so that a hang is noticed.
    let Some(patience) = watchdog_enabled() else { return };
    let mut beat = interval(patience / 2);
    loop {
        beat.tick().await;
        tell(&[NotifyState::Watchdog]);
    }
}

fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = notify(state) {
        warn!(target: LOG_TARGET, "cannot notify systemd of {state:?}: {error}");
    }
}
