//! Owner of a name in words.

use crate::format::amount::listed;

/// Backend that has the name, but does not answer for it.
#[derive(Clone, Debug)]
pub struct OtherBackend {
    /// Name of the backend.
    pub name: String,
    /// Oldest version.
    pub oldest: String,
    /// Newest version.
    pub newest: String,
}

/// Owner of a name.
#[derive(Clone, Debug)]
pub enum OwnershipView {
    /// One backend answers for the name.
    Owned {
        /// The backend.
        owner: String,
        /// Backends before it in the order, which do not have the name.
        earlier: Vec<String>,
        /// Further backends that have the name.
        others: Vec<OtherBackend>,
    },
    /// A backend that comes first was not listed yet.
    Undetermined {
        /// Backend that has the name.
        holder: String,
        /// Backend that must answer first.
        awaited: String,
    },
    /// The owner lost the name.
    Orphaned {
        /// Former owner.
        former: String,
        /// Backends that have the name.
        holders: Vec<String>,
    },
}

impl OwnershipView {
    pub(super) fn headline(&self) -> String {
        match self {
            Self::Owned { owner, .. } => format!("{owner} owns this name."),
            Self::Undetermined { .. } => "The owner of this name is not determined yet.".to_owned(),
            Self::Orphaned { former, .. } => format!("{former} owned this name and lost it."),
        }
    }

    pub(super) fn sentences(&self) -> Vec<String> {
        match self {
            Self::Owned { earlier, others, .. } => {
                let rule = if earlier.is_empty() {
                    "It is the first backend in the order.".to_owned()
                } else {
                    let does = if earlier.len() == 1 { "does" } else { "do" };
                    let names = listed(earlier);
                    format!("It is the first backend in the order that has the name; {names} {does} not have it.")
                };
                let other = |one: &OtherBackend| if one.oldest == one.newest { format!("{} has the name too ({}). It is not used.", one.name, one.newest) } else { format!(
                    "{} has the name too ({} to {}). It is not used.",
                    one.name, one.oldest, one.newest
                ) };
                std::iter::once(rule).chain(others.iter().map(other)).collect()
            }
            Self::Undetermined { holder, awaited } => vec![
                format!("{holder} has the name. {awaited} comes before it and was not listed yet, so it may own the name."),
                format!("Downloads answer 503 until {awaited} answers. Select {holder} to use its versions now."),
            ],
            Self::Orphaned { holders, .. } => vec![
                format!(
                    "The name does not pass to {} by itself: another publisher could have taken it.",
                    listed(holders)
                ),
                "Select a backend to use its versions. With catalog.allow_takeover = true the first of \
                 them becomes the owner, and existing clients get its archives."
                    .to_owned(),
            ],
        }
    }

    /// Returns the backends that the reader can select.
    pub(super) fn holders(&self) -> Vec<&str> {
        match self {
            Self::Owned { others, .. } => others.iter().map(|one| one.name.as_str()).collect(),
            Self::Undetermined { holder, .. } => vec![holder.as_str()],
            Self::Orphaned { holders, .. } => holders.iter().map(String::as_str).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rule_is_said_in_words() {
        let other = OtherBackend { name: "oci".into(), oldest: "1.0".into(), newest: "1.2".into() };
        let owned = |earlier: &[&str]| OwnershipView::Owned {
            owner: "gitea".into(),
            earlier: earlier.iter().map(|&one| one.to_owned()).collect(),
            others: vec![other.clone()],
        };
        let sentences = owned(&[]).sentences();
        assert_eq!(
            sentences,
            [
                "It is the first backend in the order.",
                "oci has the name too (1.0 to 1.2). It is not used.",
            ]
        );
        assert!(owned(&["a", "b"]).sentences()[0].ends_with("a and b do not have it."));
        assert_eq!(owned(&[]).holders(), ["oci"]);
    }
}
