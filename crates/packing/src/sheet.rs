//! The sheet `extension.toml`: what a publisher says about an extension.

use std::collections::BTreeMap;

use registry_core::models::oci_manifest::VERSION;
use serde::{Deserialize, Deserializer};

/// Name of the file.
pub const SHEET: &str = "extension.toml";

/// Keys of a sheet.
const KEYS: [&str; 10] = [
    "type",
    "name",
    "version",
    "description",
    "authors",
    "source",
    "license",
    "keywords",
    "exclude",
    "release",
];
const RELEASE_KEYS: [&str; 3] = ["version", "created", "notes"];

/// Content of a sheet. Texts are as they are written: the caller parses names and versions.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Sheet {
    /// Type of the extension.
    #[serde(rename = "type")]
    pub extension_type: Option<String>,
    /// Name of the extension.
    pub name: Option<String>,
    /// Version of the files beside the sheet.
    pub version: Option<String>,
    /// What it is, in one sentence.
    pub description: Option<String>,
    /// Authors, joined by a comma and a space.
    #[serde(default, deserialize_with = "one_or_many")]
    pub authors: Option<String>,
    /// Address of the source repository.
    pub source: Option<String>,
    /// SPDX expression.
    pub license: Option<String>,
    /// Keywords.
    #[serde(default)]
    pub keywords: Vec<String>,
    /// Patterns of files that are not packed.
    #[serde(default)]
    pub exclude: Vec<String>,
    /// Versions that were or will be published, with their notes.
    #[serde(default, rename = "release")]
    pub releases: Vec<SheetRelease>,
}

/// One version of a sheet.
#[derive(Clone, Debug, Deserialize)]
pub struct SheetRelease {
    /// The version.
    pub version: String,
    /// Release time (RFC 3339).
    pub created: Option<String>,
    /// Notes, in Markdown.
    pub notes: Option<String>,
}

impl Sheet {
    /// Parses a sheet.
    ///
    /// # Errors
    ///
    /// The reason, for people: no TOML, a value of another type, or an unknown key, with the known
    /// one that is near.
    pub fn parse(text: &str) -> Result<Self, String> {
        let table: toml::Table = toml::from_str(text).map_err(|error| message(text, &error))?;
        known(&table, &KEYS, "")?;
        let releases = table.get("release").and_then(toml::Value::as_array);
        for release in releases.into_iter().flatten().filter_map(toml::Value::as_table) {
            known(release, &RELEASE_KEYS, "release.")?;
        }
        toml::from_str(text).map_err(|error| message(text, &error))
    }

    /// Returns the annotations of a version's manifest. Texts that are empty are left out.
    #[must_use]
    pub fn annotations(&self, tag: &str, created: &str, notes: &str) -> BTreeMap<String, String> {
        let texts = [
            ("io.artifacthub.package.changes", Some(notes)),
            ("io.artifacthub.package.keywords", Some(&*self.keywords.join(","))),
            ("org.opencontainers.image.authors", self.authors.as_deref()),
            ("org.opencontainers.image.created", Some(created)),
            ("org.opencontainers.image.description", self.description.as_deref()),
            ("org.opencontainers.image.licenses", self.license.as_deref()),
            ("org.opencontainers.image.source", self.source.as_deref()),
            (VERSION, Some(tag)),
        ]
        .map(|(key, text)| (key, text.unwrap_or_default().to_owned()));
        let texts = texts.into_iter().filter(|(_, text)| !text.is_empty());
        texts.map(|(key, text)| (key.to_owned(), text)).collect()
    }

    /// Returns what the sheet says about a version.
    #[must_use]
    pub fn release(&self, version: &str) -> Option<&SheetRelease> {
        self.releases.iter().find(|release| release.version == version)
    }
}

fn known(table: &toml::Table, keys: &[&str], before: &str) -> Result<(), String> {
    let Some(unknown) = table.keys().find(|key| !keys.contains(&key.as_str())) else {
        return Ok(());
    };
    let wrong = unknown.to_lowercase();
    let near = keys
        .iter()
        .map(|key| (strsim::osa_distance(&wrong, key), *key))
        .filter(|(distance, key)| *distance <= (key.len() / 3).max(1))
        .min();
    let advice = near.map_or_else(
        || format!("the keys are {}", keys.join(", ")),
        |(_, key)| format!("did you mean {before}{key}?"),
    );
    Err(format!("{before}{unknown} is no key: {advice}"))
}

fn message(text: &str, error: &toml::de::Error) -> String {
    let before = error.span().and_then(|span| text.get(..span.start));
    let line = before.map_or(1, |before| before.matches('\n').count() + 1);
    format!("line {line}: {}", error.message())
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

fn one_or_many<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(match Option::<OneOrMany>::deserialize(deserializer)? {
        None => None,
        Some(OneOrMany::One(text)) => Some(text),
        Some(OneOrMany::Many(texts)) => Some(texts.join(", ")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sheet_has_one_author_or_several() {
        let one = Sheet::parse("authors = \"A\"\nkeywords = [\"x\"]").unwrap();
        assert_eq!((one.authors.as_deref(), one.keywords.len()), (Some("A"), 1));
        let several = Sheet::parse("authors = [\"A\", \"B\"]").unwrap();
        assert_eq!(several.authors.as_deref(), Some("A, B"));
        assert_eq!(Sheet::parse("").unwrap().authors, None);
    }

    #[test]
    fn notes_belong_to_a_version() {
        let text = "[[release]]\nversion = \"1.0.0\"\nnotes = \"First.\"\n";
        let sheet = Sheet::parse(text).unwrap();
        assert_eq!(sheet.release("1.0.0").unwrap().notes.as_deref(), Some("First."));
        assert!(sheet.release("1.0.1").is_none());
    }

    #[test]
    fn what_is_no_sheet_is_refused_with_its_place() {
        for (text, part) in [
            ("licens = \"MIT\"", "did you mean license?"),
            ("Keyword = []", "did you mean keywords?"),
            ("homepage = \"x\"", "the keys are type, name"),
            ("[[release]]\nversion = \"1\"\nnote = \"x\"", "did you mean release.notes?"),
            ("name = \"a\"\nversion = 1\n", "line 2"),
            ("name = \"a\"\nkeywords = \"x\"\n", "line 2"),
            ("name = \"a\n", "line 1"),
            ("[[release]]\ncreated = \"x\"", "version"),
        ] {
            let reason = Sheet::parse(text).unwrap_err();
            assert!(reason.contains(part), "{text}: {reason}");
        }
    }
}
