//! What a simulation showed.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::incident::IncidentRecord;
use crate::observer::Backward;
use crate::question_counts::QuestionCounts;
use crate::scenario::Scenario;
use crate::webhook::Delay;

/// What a simulation showed.
pub struct Report {
    pub scenario: Scenario,
    pub begun: Instant,
    pub incidents: Vec<IncidentRecord>,
    pub questions: Arc<QuestionCounts>,
    /// Number of entries in the log.
    pub entries: usize,
    /// Number of entries that were appended below a higher position.
    pub disordered: usize,
    /// Number of webhooks about releases.
    pub webhooks: usize,
    /// One for each of these webhooks and each replica that ran until it had to show it.
    pub delays: Vec<Delay>,
    pub backward: Vec<Backward>,
    /// Entries that a replica applied out of the order of the log.
    pub violations: Vec<String>,
    /// Time after the end at which all replicas showed what the backends have; `None` if they never
    /// did.
    pub right_after: Option<Duration>,
    /// What they showed otherwise.
    pub wrong: Vec<String>,
}

impl Report {
    /// Fails unless the replicas agreed in time after each incident, and in the end on what the
    /// backends have; applied the log in order; showed webhooks in time; and showed no content after a
    /// newer one.
    pub fn assert_right(&self) {
        assert_eq!(self.failures(), Vec::<&str>::new(), "{self:#}");
    }

    /// Returns the rules that were broken.
    pub fn failures(&self) -> Vec<&'static str> {
        let right_within = self.scenario.right_within();
        let is_right = self.right_after.is_some_and(|time| time <= right_within);
        let agreed = self.agreed_after() < Duration::MAX;
        let rules = [
            (is_right, "the replicas show what the backends have"),
            (agreed, "the replicas agree after each incident"),
            (self.disordered == 0, "positions of the log rise"),
            (self.violations.is_empty(), "replicas apply the log in order"),
            (self.late().next().is_none(), "webhooks show in time"),
            (self.backward.is_empty(), "content never goes backward"),
        ];
        rules.into_iter().filter(|(holds, _)| !holds).map(|(_, rule)| rule).collect()
    }

    /// Returns the longest time from the end of an incident until all replicas showed the same.
    fn agreed_after(&self) -> Duration {
        let times = self.incidents.iter().map(|one| one.agreed_after.unwrap_or(Duration::MAX));
        times.max().unwrap_or_default()
    }

    /// Returns the releases that a replica showed later than allowed.
    fn late(&self) -> impl Iterator<Item = &Delay> {
        self.delays.iter().filter(|delay| delay.is_late())
    }

    /// Returns how often a replica did not show a release promptly, for whatever reason.
    fn delayed(&self) -> usize {
        self.delays.iter().filter(|delay| !delay.is_prompt()).count()
    }

    /// Writes the times of what went wrong.
    fn write_events(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = |time: Instant| (time - self.begun).as_secs_f64();
        for IncidentRecord { incident, begun, ended, agreed_after } in &self.incidents {
            let agreed = seconds(*agreed_after);
            write!(
                f,
                "\n{:.1} to {:.1}: {incident:?}, agreed after {agreed}",
                at(*begun),
                at(*ended)
            )?;
        }
        for Delay { replica, webhook, after, allowed } in self.late() {
            let (time, id, after) = (at(webhook.at), &webhook.name.1, seconds(*after));
            let allowed = seconds(*allowed);
            write!(f, "\n{time:.1}: replica {replica} shows {id} after {after}, not {allowed}")?;
        }
        for violation in self.violations.iter().chain(&self.wrong) {
            write!(f, "\n{violation}")?;
        }
        for Backward { replica, id, at: time, from, to } in &self.backward {
            write!(
                f,
                "\n{:.1}: replica {replica} goes back from {from} to {to} of {id}",
                at(*time)
            )?;
        }
        Ok(())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "seed {}: {} replicas, {} incidents, agreed within {} after each, right {} after the \
             end, {}, {} entries, {} webhooks (of {} times shown {} delayed, {} too late), \
             {} backward",
            self.scenario.seed,
            self.scenario.replicas,
            self.incidents.len(),
            seconds(Some(self.agreed_after())),
            seconds(self.right_after),
            self.questions,
            self.entries,
            self.webhooks,
            self.delays.len(),
            self.delayed(),
            self.late().count(),
            self.backward.len(),
        )?;
        if f.alternate() { self.write_events(f) } else { Ok(()) }
    }
}

fn seconds(time: Option<Duration>) -> String {
    match time {
        Some(Duration::MAX) | None => "never".to_owned(),
        Some(time) => format!("{:.1} s", time.as_secs_f64()),
    }
}
