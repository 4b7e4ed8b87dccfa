//! Failures of commands: a kind that decides the exit code, a message, and what to try.

/// Result of a command or of a part.
pub type Result<T, E = ClientFailure> = std::result::Result<T, E>;

/// Category of a failure. `docs/cli.md` lists the exit codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// A disk, a file or a bug.
    Failed,
    /// The command line, a file of the user, or a server that is no registry.
    Usage,
    /// No such name or version, or no version in a range.
    NotFound,
    /// The server refused the credentials, or requires some.
    Denied,
    /// The server or its backend cannot answer now.
    Unavailable,
    /// Bytes that are not the expected ones, or an archive that is not safe to unpack.
    Integrity,
    /// The lock or a file is older than what is wanted.
    Outdated,
    /// Something else is in the place to write to.
    Conflict,
    /// The user ended the command.
    Interrupted,
}

impl FailureKind {
    /// Returns the exit code of the program.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Failed => 1,
            Self::Usage => 2,
            Self::NotFound => 3,
            Self::Denied => 4,
            Self::Unavailable => 5,
            Self::Integrity => 6,
            Self::Outdated => 7,
            Self::Conflict => 8,
            Self::Interrupted => 130,
        }
    }

    /// Returns the word for programs.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Usage => "usage",
            Self::NotFound => "not_found",
            Self::Denied => "denied",
            Self::Unavailable => "unavailable",
            Self::Integrity => "integrity",
            Self::Outdated => "outdated",
            Self::Conflict => "conflict",
            Self::Interrupted => "interrupted",
        }
    }

    /// Position among the failures of several references: the lowest one decides the exit code.
    const fn rank(self) -> u8 {
        match self {
            Self::Interrupted => 0,
            Self::Usage => 1,
            Self::Integrity => 2,
            Self::Denied => 3,
            Self::Conflict => 4,
            Self::Outdated => 5,
            Self::NotFound => 6,
            Self::Unavailable => 7,
            Self::Failed => 8,
        }
    }
}

/// Failure of a command. Several messages are lines of one text.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct ClientFailure {
    kind: FailureKind,
    message: String,
    hint: Option<String>,
}

impl ClientFailure {
    /// Creates a failure: what failed, of which, and why.
    #[must_use]
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), hint: None }
    }

    /// Creates a failure of the kind [`FailureKind::Usage`].
    #[must_use]
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(FailureKind::Usage, message)
    }

    /// Creates a failure of the kind [`FailureKind::Failed`].
    #[must_use]
    pub fn failed(message: impl Into<String>) -> Self {
        Self::new(FailureKind::Failed, message)
    }

    /// Adds what the user can try.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Joins failures of several references. `None` without any.
    #[must_use]
    pub fn join(failures: Vec<Self>) -> Option<Self> {
        let worst = failures.iter().min_by_key(|failure| failure.kind.rank())?;
        let (kind, hint) = (worst.kind, worst.hint.clone());
        let messages: Vec<String> = failures.into_iter().map(|failure| failure.message).collect();
        Some(Self { kind, message: messages.join("\n"), hint })
    }

    /// Returns the category.
    #[must_use]
    pub const fn kind(&self) -> FailureKind {
        self.kind
    }

    /// Returns what the user can try.
    #[must_use]
    pub fn hint_text(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// Returns the messages, one for each reference that failed.
    pub fn messages(&self) -> impl Iterator<Item = &str> {
        self.message.lines()
    }
}

/// Runs every part and keeps all results, or joins the failures.
pub fn all<T>(results: impl IntoIterator<Item = Result<T>>) -> Result<Vec<T>> {
    let (mut values, mut failures) = (Vec::new(), Vec::new());
    for result in results {
        match result {
            Ok(value) => values.push(value),
            Err(failure) => failures.push(failure),
        }
    }
    ClientFailure::join(failures).map_or(Ok(values), Err)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_of_several_failures_decides_and_every_message_stays() {
        let kinds = [
            (FailureKind::Failed, FailureKind::Unavailable, 5),
            (FailureKind::NotFound, FailureKind::Unavailable, 3),
            (FailureKind::Integrity, FailureKind::Denied, 6),
            (FailureKind::Usage, FailureKind::Integrity, 2),
            (FailureKind::Conflict, FailureKind::Outdated, 8),
        ];
        for (one, other, code) in kinds {
            let failures =
                vec![ClientFailure::new(one, "a").hint("x"), ClientFailure::new(other, "b")];
            let joined = ClientFailure::join(failures).unwrap();
            assert_eq!(joined.kind().code(), code);
            assert_eq!(joined.messages().collect::<Vec<_>>(), ["a", "b"]);
        }
        assert!(ClientFailure::join(Vec::new()).is_none());
    }
}
