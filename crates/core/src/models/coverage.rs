//! Coverage of a list response: the evidence for removals, 404 responses and freshness.

/// Evidence that came with a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Coverage {
    /// The list was read to its end. A missing entry does not exist.
    #[default]
    Complete,
    /// The newest entries are present; another request brings no further entries.
    Bounded(Box<str>),
    /// A part of the list is missing, for the given reason. Another request may return it.
    Partial(Box<str>),
    /// The server refused the list or a part, for the given reason.
    Refused(Box<str>),
    /// The response is not a list of the expected form.
    Nonsense(Box<str>),
}

impl Coverage {
    /// Returns the coverage of a list with these gaps; complete if there are no gaps.
    #[must_use]
    pub fn with_gaps(gaps: &[String]) -> Self {
        if gaps.is_empty() { Self::Complete } else { Self::Partial(gaps.join("; ").into()) }
    }

    /// Returns true if a missing entry does not exist.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        matches!(self, Self::Complete)
    }

    /// Returns true if the newest entries are certain: cached releases need not be merged in.
    #[must_use]
    pub const fn proves_the_newest(&self) -> bool {
        matches!(self, Self::Complete | Self::Bounded(_))
    }

    /// Returns the reason for incomplete coverage, as a sentence for `/health`.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Complete => None,
            Self::Bounded(reason)
            | Self::Partial(reason)
            | Self::Refused(reason)
            | Self::Nonsense(reason) => Some(reason),
        }
    }
}
