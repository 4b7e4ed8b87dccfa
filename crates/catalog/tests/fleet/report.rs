//! What a simulation showed.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::incident::Incident;
use crate::observer::Backward;
use crate::question_counts::QuestionCounts;
use crate::scenario::Scenario;

/// What a simulation showed.
pub struct Report {
    pub scenario: Scenario,
    pub incidents: Vec<Incident>,
    pub questions: Arc<QuestionCounts>,
    /// Number of entries in the log.
    pub entries: usize,
    /// Number of entries that were appended below a higher position.
    pub disordered: usize,
    /// Number of webhooks about releases.
    pub notices: usize,
    /// Times until a release was shown by a replica after its webhook; `None` if it never was.
    pub delays: Vec<Option<Duration>>,
    pub backward: Vec<Backward>,
    /// Time after the last incident at which all replicas showed the same; `None` if they never did.
    pub agreed_after: Option<Duration>,
    /// Time after the last incident at which all showed what the backends have.
    pub right_after: Option<Duration>,
}

impl Report {
    /// Fails unless the replicas came to agree in time on what the backends have.
    pub fn assert_right(&self) {
        let in_time = |time: Option<Duration>, bound| time.is_some_and(|time| time <= bound);
        assert!(in_time(self.agreed_after, self.scenario.agree_within()), "{self:#}");
        assert!(in_time(self.right_after, self.scenario.right_within()), "{self:#}");
        assert_eq!(self.disordered, 0, "{self:#}");
    }

    /// Number of releases that a replica showed later than this after a webhook, or never.
    pub fn later_than(&self, bound: Duration) -> usize {
        self.delays.iter().filter(|delay| delay.is_none_or(|delay| delay > bound)).count()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "seed {}: {} replicas, {} incidents, {} entries, {}, {} webhooks ({} of {} shown after \
             more than 1 s, {} after 12 s), {} backward, agreed after {}, right after {}",
            self.scenario.seed,
            self.scenario.replicas,
            self.incidents.len(),
            self.entries,
            self.questions,
            self.notices,
            self.later_than(Duration::from_secs(1)),
            self.delays.len(),
            self.later_than(Duration::from_secs(12)),
            self.backward.len(),
            seconds(self.agreed_after),
            seconds(self.right_after),
        )?;
        if f.alternate() {
            write!(f, "\nincidents: {:?}\nbackward: {:?}", self.incidents, self.backward)?;
        }
        Ok(())
    }
}

fn seconds(time: Option<Duration>) -> String {
    time.map_or_else(|| "never".to_owned(), |time| format!("{:.1} s", time.as_secs_f64()))
}
