//! Difference of one file.

/// Longer differences start closed.
const OPEN_LINES_MAX: usize = 300;

/// Change of one file.
#[derive(Clone, Debug)]
pub struct FileChangeView {
    /// Path in the archive.
    pub path: String,
    /// Length in bytes before; `None` for an added file.
    pub size_before: Option<u64>,
    /// Length in bytes after; `None` for a removed file.
    pub size_after: Option<u64>,
    /// Difference of the contents.
    pub diff: DiffView,
}

/// Difference of the contents of a file.
#[derive(Clone, Debug)]
pub enum DiffView {
    /// Changed lines with their context.
    Lines(Vec<HunkView>),
    /// A side is not text.
    Binary,
    /// The sides differ too much, or are too large.
    TooDifferent,
}

/// Changed lines with their context.
#[derive(Clone, Debug)]
pub struct HunkView {
    /// First line of the context before the change.
    pub old_start: usize,
    /// First line of the context after the change.
    pub new_start: usize,
    /// Lines.
    pub lines: Vec<LineView>,
}

/// Kind of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineKind {
    /// The line is on both sides.
    Context,
    /// The line is only on the newer side.
    Added,
    /// The line is only on the older side.
    Removed,
}

/// One line.
#[derive(Clone, Debug)]
pub struct LineView {
    /// Kind.
    pub kind: LineKind,
    /// Text without the line break.
    pub text: String,
}

impl LineKind {
    pub(super) const fn class(self) -> &'static str {
        match self {
            Self::Context => "same",
            Self::Added => "add",
            Self::Removed => "del",
        }
    }

    pub(super) const fn sign(self) -> char {
        match self {
            Self::Context => ' ',
            Self::Added => '+',
            Self::Removed => '-',
        }
    }
}

impl FileChangeView {
    pub(super) const fn is_added(&self) -> bool {
        self.size_before.is_none()
    }

    pub(super) const fn is_removed(&self) -> bool {
        self.size_after.is_none()
    }

    /// Returns the state as mark and word.
    pub(super) const fn state(&self) -> (&'static str, &'static str) {
        if self.is_added() {
            ("mark ok", "added")
        } else if self.is_removed() {
            ("mark bad", "removed")
        } else {
            ("mark muted", "changed")
        }
    }

    fn lines(&self) -> impl Iterator<Item = &LineView> {
        let hunks = match &self.diff {
            DiffView::Lines(hunks) => hunks.as_slice(),
            _ => &[],
        };
        hunks.iter().flat_map(|hunk| &hunk.lines)
    }

    pub(super) fn has_lines(&self) -> bool {
        self.lines().next().is_some()
    }

    fn count(&self, kind: LineKind) -> usize {
        self.lines().filter(|line| line.kind == kind).count()
    }

    pub(super) fn added_lines(&self) -> usize {
        self.count(LineKind::Added)
    }

    pub(super) fn removed_lines(&self) -> usize {
        self.count(LineKind::Removed)
    }

    pub(super) fn is_open(&self) -> bool {
        self.lines().count() <= OPEN_LINES_MAX
    }
}
