//! The task that connects, watches the connection, and replaces it.

use std::time::Duration;

use registry_fleet::failure::AwayReason;
use tokio::time::{sleep, timeout};

use crate::dial::{facts, ping};
use crate::dialer::Primary;
use crate::link::EngineLink;

/// Time between trials of a connection that works.
const TRIAL_EVERY: Duration = Duration::from_secs(2);
/// Time between trials while the engine is away.
const RETRY_EVERY: Duration = Duration::from_millis(500);
/// Time between attempts at a server that refuses this service, so that its log stays readable.
const REFUSED_EVERY: Duration = Duration::from_secs(5);
/// Failed trials after which a connection is replaced: the server may have another address now.
const TRIALS_MAX: u32 = 4;

impl EngineLink {
    /// Keeps the link connected, without end.
    pub async fn run(self) {
        loop {
            let pause = match self.dialer().primary().await {
                Ok(primary) => {
                    self.open(&primary);
                    attend(&self, primary).await;
                    RETRY_EVERY
                }
                Err(away) => {
                    let is_refused = away.reason == AwayReason::Refused;
                    self.close(&away);
                    if is_refused { REFUSED_EVERY } else { RETRY_EVERY }
                }
            };
            let _ = timeout(pause, self.dialer().passwords.replaced()).await;
        }
    }
}

/// Returns when the connection has to be replaced. Callers never try a server that does not
/// answer: the trials here do.
async fn attend(link: &EngineLink, mut primary: Primary) {
    // A server that answers again may say that it is a primary although another one has taken over.
    // Sentinels know it.
    let is_tried_again = link.dialer().settings.sentinels.is_none();
    let mut failed = 0;
    loop {
        if failed == 0 {
            let _ = timeout(TRIAL_EVERY, link.closed()).await;
        } else {
            sleep(RETRY_EVERY).await;
        }
        let closed = link.opening().err();
        if closed.is_some_and(|away| !is_tried_again || away.reason != AwayReason::Late) {
            return;
        }
        match ping(&mut primary.connection).await {
            Ok(()) if link.opening().is_ok() => link.answered(),
            Ok(()) if !is_tried_again => return,
            Ok(()) => {
                // A server that was paused may have been replaced by one of its replicas.
                let facts = facts(&mut primary.connection).await;
                match facts.and_then(|facts| facts.check().map(|()| facts)) {
                    Ok(facts) => {
                        primary.facts = facts;
                        link.open(&primary);
                    }
                    Err(away) => return link.close(&away),
                }
            }
            Err(away) if away.reason == AwayReason::Late && failed < TRIALS_MAX => {
                link.late();
                failed += 1;
                continue;
            }
            Err(away) => return link.close(&away),
        }
        failed = 0;
    }
}
