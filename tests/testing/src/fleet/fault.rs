//! Faults of an engine in memory, or of the way to it.

use std::time::Duration;

use registry_fleet::failure::{Away, AwayReason};
use tokio::time::sleep;

/// What happens to calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fault {
    /// They are carried out and answered.
    #[default]
    None,
    /// They fail at once.
    Refused,
    /// They are not carried out, and fail at their deadline.
    Hanging,
    /// They are carried out after this time, even if they failed at their deadline before.
    Late(Duration),
    /// They are carried out, and their answers are lost.
    AnswersLost,
}

impl Fault {
    /// Makes a call with this fault.
    pub async fn call<T: Send + 'static>(
        self,
        deadline: Duration,
        carry_out: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Away> {
        match self {
            Self::None => return Ok(carry_out()),
            Self::Refused => return Err(Away::new(AwayReason::Unreachable, "refused")),
            Self::Late(delay) if delay < deadline => {
                sleep(delay).await;
                return Ok(carry_out());
            }
            Self::Late(delay) => drop(tokio::spawn(async move {
                sleep(delay).await;
                carry_out();
            })),
            Self::Hanging => {}
            Self::AnswersLost => drop(carry_out()),
        }
        sleep(deadline).await;
        Err(Away::new(AwayReason::Late, "no answer"))
    }
}
