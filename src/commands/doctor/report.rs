//! Report of the `doctor` command: one entry per check, with a suggested fix.

use serde::Serialize;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum StepState {
    Ok,
    Note,
    Problem,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct ReportLine {
    about: String,
    step: &'static str,
    state: StepState,
    what: String,
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

pub(super) fn as_json(entries: &[ReportLine]) -> String {
    let problems = entries.iter().filter(|entry| entry.is_problem()).count();
    format!("{:#}\n", serde_json::json!({ "entries": entries, "problems": problems }))
}
