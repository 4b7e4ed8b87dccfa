//! How much of a list an answer proves: the evidence on which removal, 404 and freshness rest.

/// The evidence that came with a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Coverage {
    /// The list was read to a proven end. Absence from the list is absence.
    #[default]
    Complete,
    /// The list is longer than what is kept; the newest entries are there. Asking again brings no
    /// more.
    Bounded(Box<str>),
    /// A part of the list is missing, for this reason. Asking again may bring it.
    Partial(Box<str>),
    /// The server refused the list or a part of it, for this reason.
    Refused(Box<str>),
    /// The server answered with something that is no such list.
    Nonsense(Box<str>),
}

impl Coverage {
    /// Coverage of a list with these gaps; no gap makes a complete list.
    #[must_use]
    pub fn with_gaps(gaps: &[String]) -> Self {
        if gaps.is_empty() { Self::Complete } else { Self::Partial(gaps.join("; ").into()) }
    }

    /// Whether absence from the list is absence.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        matches!(self, Self::Complete)
    }

    /// Whether the list shows the newest entries as they are, so that older knowledge adds none.
    #[must_use]
    pub const fn proves_the_newest(&self) -> bool {
        matches!(self, Self::Complete | Self::Bounded(_))
    }

    /// The reason why the list proves less than everything, in words for `/health`.
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
