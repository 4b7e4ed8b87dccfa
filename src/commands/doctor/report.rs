//! Report of the `doctor` command: one entry per check, with a suggested fix.

use serde::Serialize;

/// Result of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum StepState {
    /// No problem.
    Ok,
    /// Information; the service works.
    Note,
    /// A problem to fix.
    Problem,
}

/// One check and its result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct ReportLine {
    /// Name of the backend, or `service`.
    about: String,
    /// Subject of the check, in one word.
    step: &'static str,
    state: StepState,
    what: String,
    /// Suggested fix.
    fix: Option<String>,
}

impl ReportLine {
    pub(super) fn ok(about: &str, step: &'static str, what: impl Into<String>) -> Self {
        Self { about: about.to_owned(), step, state: StepState::Ok, what: what.into(), fix: None }
    }

    pub(super) fn note(
        about: &str,
        step: &'static str,
        what: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        Self { state: StepState::Note, fix: Some(fix.into()), ..Self::ok(about, step, what) }
    }

    pub(super) fn problem(
        about: &str,
        step: &'static str,
        what: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        Self { state: StepState::Problem, ..Self::note(about, step, what, fix) }
    }

    pub(super) fn is_problem(&self) -> bool {
        self.state == StepState::Problem
    }
}

/// Formats one line per entry, and one for its fix.
pub(super) fn as_text(entries: &[ReportLine]) -> String {
    let line = |entry: &ReportLine| {
        let state = match entry.state {
            StepState::Ok => "ok",
            StepState::Note => "note",
            StepState::Problem => "PROBLEM",
        };
        let fix = entry.fix.iter().map(|fix| format!("{:9}fix: {fix}\n", ""));
        let ReportLine { about, step, what, .. } = entry;
        format!("{state:9}{about} {step}: {what}\n{}", fix.collect::<String>())
    };
    entries.iter().map(line).collect()
}

/// Formats `{"entries":[…],"problems":n}`, with a line break.
pub(super) fn as_json(entries: &[ReportLine]) -> String {
    let problems = entries.iter().filter(|entry| entry.is_problem()).count();
    format!("{:#}\n", serde_json::json!({ "entries": entries, "problems": problems }))
}
