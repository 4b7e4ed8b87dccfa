//! Notices above the content of a page.

/// Importance of a notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// The reader should know.
    Info,
    /// The data is usable with care.
    Warning,
    /// Something is missing or wrong.
    Problem,
}

impl Level {
    pub(crate) const fn class(self) -> &'static str {
        match self {
            Self::Info => "notice",
            Self::Warning => "notice warn",
            Self::Problem => "notice bad",
        }
    }
}

/// Link at the end of a notice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoticeLink {
    /// Words of the link.
    pub label: String,
    /// Address made by [`crate::links::Links`].
    pub href: String,
}

/// Notice above the content of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Importance.
    pub level: Level,
    /// First sentence, in bold.
    pub headline: String,
    /// Further sentences.
    pub text: String,
    /// Links at the end.
    pub links: Vec<NoticeLink>,
}

impl Notice {
    /// Returns a notice without links.
    #[must_use]
    pub fn new(level: Level, headline: impl Into<String>, text: impl Into<String>) -> Self {
        Self { level, headline: headline.into(), text: text.into(), links: Vec::new() }
    }

    /// Returns the notice with one more link.
    #[must_use]
    pub fn linked(mut self, label: impl Into<String>, href: impl Into<String>) -> Self {
        self.links.push(NoticeLink { label: label.into(), href: href.into() });
        self
    }
}
