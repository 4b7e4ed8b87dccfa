//! Problems of a configuration, each with its place and the nearest valid name.

use std::fmt;
use std::path::PathBuf;

/// Place of a value, in the order in which problems are listed.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum ValueOrigin {
    /// A file as a whole.
    File(PathBuf),
    /// A line of a file, counted from 1.
    Line(PathBuf, usize),
    /// An environment variable.
    Environment(String),
    /// A flag of the command line.
    Flag(&'static str),
    /// The default.
    #[default]
    Default,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConfigProblem {
    /// `None`: the configuration as a whole.
    pub(super) origin: Option<ValueOrigin>,
    pub(super) what: String,
}

/// Everything that is wrong, never empty, in the order of places.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems(Vec<ConfigProblem>);

impl ConfigProblem {
    /// A problem at a place.
    #[must_use]
    pub fn at(origin: &ValueOrigin, what: impl Into<String>) -> Self {
        Self { origin: Some(origin.clone()), what: what.into() }
    }

    pub(super) fn concerns(&self, key: &str) -> bool {
        // Also true for a file that cannot be read.
        let rest = self.what.strip_prefix(key);
        matches!(self.origin, Some(ValueOrigin::File(_)))
            || rest.is_some_and(|rest| rest.starts_with(':'))
    }
}

impl Problems {
    pub(super) fn new(mut problems: Vec<ConfigProblem>) -> Self {
        problems.sort();
        problems.dedup();
        Self(problems)
    }

    /// The problems, in the order of their places.
    pub fn iter(&self) -> impl Iterator<Item = &ConfigProblem> {
        self.0.iter()
    }
}

impl fmt::Display for ValueOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Line(path, line) => write!(f, "{}:{line}", path.display()),
            Self::Environment(name) => write!(f, "environment variable {name}"),
            Self::Flag(flag) => f.write_str(flag),
            Self::Default => f.write_str("default"),
        }
    }
}

impl fmt::Display for ConfigProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.origin {
            Some(origin) => write!(f, "{origin}: {}", self.what),
            None => f.write_str(&self.what),
        }
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.0.len();
        write!(f, "{count} problem{} in the configuration", if count == 1 { "" } else { "s" })?;
        self.0.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
    }
}

impl std::error::Error for Problems {}

/// `; did you mean …?` for the valid name that is nearest, or nothing if all are too far.
pub fn hint<'a>(
    wrong: &str,
    valid: impl Iterator<Item = &'a str>,
    show: impl Fn(&str) -> String,
) -> String {
    let wrong = wrong.to_lowercase();
    let near = valid
        .map(|name| (strsim::osa_distance(&wrong, name), name))
        .filter(|(distance, name)| {
            *distance <= (name.len() / 3).max(1) || wrong.len() >= 3 && name.starts_with(&wrong)
        })
        .min();
    near.map_or_else(String::new, |(_, name)| format!("; did you mean {}?", show(name)))
}
