//! What the doctor says: an entry for each thing that was looked at, and how to mend it.

use serde::Serialize;

/// How a thing is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum State {
    /// As it should be.
    Ok,
    /// Worth knowing; the service works.
    Note,
    /// To be mended.
    Problem,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Entry {
    /// The backend, or `service`.
    about: String,
    /// What of it, in a word.
    step: &'static str,
    state: State,
    what: String,
    /// What to do about it.
    fix: Option<String>,
}

impl Entry {
    pub(super) fn ok(about: &str, step: &'static str, what: impl Into<String>) -> Self {
        Self { about: about.to_owned(), step, state: State::Ok, what: what.into(), fix: None }
    }

    pub(super) fn note(
        about: &str,
        step: &'static str,
        what: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        Self { state: State::Note, fix: Some(fix.into()), ..Self::ok(about, step, what) }
    }

    pub(super) fn problem(
        about: &str,
        step: &'static str,
        what: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        Self { state: State::Problem, ..Self::note(about, step, what, fix) }
    }

    pub(super) fn is_problem(&self) -> bool {
        self.state == State::Problem
    }
}

/// One line for each entry, and one for what to do about it.
pub(super) fn as_text(entries: &[Entry]) -> String {
    let line = |entry: &Entry| {
        let state = match entry.state {
            State::Ok => "ok",
            State::Note => "note",
            State::Problem => "PROBLEM",
        };
        let fix = entry.fix.iter().map(|fix| format!("{:9}fix: {fix}\n", ""));
        let Entry { about, step, what, .. } = entry;
        format!("{state:9}{about} {step}: {what}\n{}", fix.collect::<String>())
    };
    entries.iter().map(line).collect()
}

/// `{"entries":[…],"problems":n}`, with a line break.
pub(super) fn as_json(entries: &[Entry]) -> String {
    let problems = entries.iter().filter(|entry| entry.is_problem()).count();
    format!("{:#}\n", serde_json::json!({ "entries": entries, "problems": problems }))
}
