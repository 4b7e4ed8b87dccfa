//! Rules that decide who answers for a name, in plain words.

use std::fmt;

use registry_core::models::backend_id::BackendId;

/// The rule that decided who answers for a name. Its text is a phrase for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OwnerRule {
    /// The owner is the first backend that has the name.
    FirstInOrder,
    /// Like [`OwnerRule::FirstInOrder`], and the versions of the others are served too.
    Pooled,
    /// A later backend has the name. This one comes before it and may own the name.
    ComesFirst(BackendId),
    /// No backend that was listed has the name. This one may have it.
    Unread(BackendId),
    /// The owner lost the name, which does not pass to the backends that have it.
    Remembered,
    /// The owner lost the name, and no other backend has it.
    Removed,
}

impl fmt::Display for OwnerRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FirstInOrder => f.write_str("first in catalog.order that has it"),
            Self::Pooled => f.write_str(
                "merge = union: the versions of all backends are pooled; equal ones are those of \
                 the first in catalog.order",
            ),
            Self::ComesFirst(unread) => write!(
                f,
                "{unread} comes first in catalog.order and was not listed yet, or exceeds \
                 catalog.max_bytes"
            ),
            Self::Unread(unread) => write!(
                f,
                "no backend that was listed has it; {unread} was not listed yet, or exceeds \
                 catalog.max_bytes"
            ),
            Self::Remembered => f.write_str("owner remembered; catalog.allow_takeover is off"),
            Self::Removed => f.write_str("owner remembered; no backend has it any longer"),
        }
    }
}
