//! References of the command line: `[type/]name[@version|@range]`.

use std::fmt;
use std::str::FromStr;

use registry_core::models::constraint::Constraint;
use registry_core::models::naming::{ExtensionId, ExtensionName, ExtensionType};
use registry_core::models::tag::Tag;

/// An extension as the user writes it, and the wanted version.
#[derive(Clone, Debug)]
pub struct ExtensionReference {
    /// Type, if given; else the name must be unique.
    pub extension_type: Option<ExtensionType>,
    /// Name.
    pub name: ExtensionName,
    /// Wanted version.
    pub wanted: Wanted,
}

/// The wanted version of a reference or of a manifest.
#[derive(Clone, Debug)]
pub enum Wanted {
    /// The latest version.
    Latest,
    /// A version or a tag; if neither exists, perhaps a range without operator.
    Bare(Tag),
    /// A range with an operator.
    Range(Constraint),
}

/// Error for a text that is not a reference.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidReference {
    /// The part before the slash is no type.
    #[error("{0}: the type must be one of provider, taskserv, cluster")]
    Type(String),
    /// The name is outside the grammar.
    #[error("{0}: {1}")]
    Name(String, String),
    /// The part after `@` is neither a version nor a range.
    #[error("{0}: after @ stands a version such as 1.2.0, a tag, latest, or a range such as ^1.2")]
    Version(String),
}

impl FromStr for ExtensionReference {
    type Err = InvalidReference;

    fn from_str(text: &str) -> Result<Self, InvalidReference> {
        let (id, wanted) = match text.split_once('@') {
            Some((id, wanted)) => (id, Some(wanted)),
            None => (text, None),
        };
        let (extension_type, name) = match id.split_once('/') {
            Some((extension_type, name)) => {
                let parsed = extension_type.parse();
                (Some(parsed.map_err(|_| InvalidReference::Type(text.to_owned()))?), name)
            }
            None => (None, id),
        };
        let name = name.parse().map_err(|error: registry_core::models::naming::InvalidName| {
            InvalidReference::Name(text.to_owned(), error.to_string())
        })?;
        let wanted = wanted.map_or(Ok(Wanted::Latest), str::parse);
        let wanted = wanted.map_err(|_| InvalidReference::Version(text.to_owned()))?;
        Ok(Self { extension_type, name, wanted })
    }
}

impl ExtensionReference {
    /// Returns the id, if the reference has a type.
    #[must_use]
    pub fn id(&self) -> Option<ExtensionId> {
        let extension_type = self.extension_type?;
        Some(ExtensionId { name: self.name.clone(), extension_type })
    }

    /// Returns true if the reference means this extension.
    #[must_use]
    pub fn means(&self, id: &ExtensionId) -> bool {
        self.name == id.name && self.extension_type.is_none_or(|wanted| wanted == id.extension_type)
    }
}

/// Error for a text that is neither a version nor a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("neither a version, a tag, nor a range such as ^1.2")]
pub struct InvalidWanted;

impl FromStr for Wanted {
    type Err = InvalidWanted;

    fn from_str(text: &str) -> Result<Self, InvalidWanted> {
        let text = text.trim();
        if text == "latest" {
            return Ok(Self::Latest);
        }
        if text.contains(['^', '~', '<', '>', '=', '*', ',']) {
            return text.parse().map(Self::Range).map_err(|_| InvalidWanted);
        }
        text.parse().map(Self::Bare).map_err(|_| InvalidWanted)
    }
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Latest => f.write_str("latest"),
            Self::Bare(tag) => tag.fmt(f),
            Self::Range(range) => range.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        let ExtensionReference { extension_type, name, wanted } = text.parse().unwrap();
        let extension_type = extension_type.map_or("?", ExtensionType::as_str);
        let kind = match wanted {
            Wanted::Latest => "latest",
            Wanted::Bare(_) => "bare",
            Wanted::Range(_) => "range",
        };
        format!("{extension_type} {name} {kind} {wanted}")
    }

    #[test]
    fn a_reference_names_an_extension_and_a_version() {
        for (text, expected) in [
            ("aws", "? aws latest latest"),
            ("provider/aws", "provider aws latest latest"),
            ("provider/aws@latest", "provider aws latest latest"),
            ("aws@1.2", "? aws bare 1.2"),
            ("aws@nightly", "? aws bare nightly"),
            ("aws@^1.30", "? aws range ^1.30"),
            ("aws@>=1,<2", "? aws range >=1, <2"),
            ("aws@1.2.*", "? aws range 1.2.*"),
            ("aws@*", "? aws range *"),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_reference_is_refused_with_the_reason() {
        for (text, part) in [
            ("", "name must be"),
            ("a/b/c", "the type must be"),
            ("providr/aws", "the type must be"),
            ("provider/", "name must be"),
            ("aws@", "after @"),
            ("aws@^", "after @"),
            ("aws@..", "after @"),
            ("-x", "name must be"),
        ] {
            let error = text.parse::<ExtensionReference>().unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
