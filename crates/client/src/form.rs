//! Forms of the output.

use clap::ValueEnum;

/// Form of the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OutputForm {
    /// Columns for people
    Table,
    /// One array of objects
    Json,
    /// One object per line
    Jsonl,
    /// A table of Nushell, with sizes and dates
    Nuon,
    /// type/name@version, one per line
    Name,
}

impl OutputForm {
    /// Returns true for a form that programs parse.
    #[must_use]
    pub const fn is_for_machines(self) -> bool {
        matches!(self, Self::Json | Self::Jsonl | Self::Nuon)
    }
}
