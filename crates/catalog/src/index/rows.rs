//! Rows of a list: the fields that readers compare, side by side, so that a pass over a whole list
//! follows no pointer.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;

use jiff::Timestamp;
use registry_core::models::extension::Extension;
use registry_core::models::naming::ExtensionType;

use crate::index::entry::Entry;
use crate::known_rows::known_row;
use crate::search::words::fold;

/// The rows of a list, in its order.
#[derive(Debug, Default)]
pub(super) struct Rows {
    fields: Vec<Fields>,
    /// Keywords of all rows, row after row.
    keywords: Vec<KeywordMark>,
    /// Drawn at random, so that no publisher can choose keywords with equal hashes.
    hasher: RandomState,
}

#[derive(Clone, Copy, Debug)]
struct Fields {
    extension_type: ExtensionType,
    latest_at: Option<Timestamp>,
    newest_at: Option<Timestamp>,
    /// Place of the first keyword, and of the one after the last.
    keywords: (usize, usize),
}

/// Row of one extension.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    /// Type of the extension.
    pub extension_type: ExtensionType,
    /// Time at which the latest release was published.
    pub latest_at: Option<Timestamp>,
    /// Time at which the newest listed release was published.
    pub newest_at: Option<Timestamp>,
    /// Keywords of the latest release, each once.
    pub keywords: &'a [KeywordMark],
}

/// A keyword by its hashes. Those of two keywords are equal with a probability of 2⁻⁶⁴.
#[derive(Clone, Copy, Debug)]
pub struct KeywordMark {
    /// Hash of the keyword without regard to case.
    pub folded: u64,
    /// Hash of the spelling, which tells the spellings of one keyword apart.
    pub spelled: u32,
    /// Place among the keywords of the latest release.
    at: u32,
}

impl Rows {
    /// Builds the rows of the list that follows one with these rows. Rows of unchanged entries are
    /// copied.
    pub(super) fn next(&self, previous: &[Arc<Entry>], entries: &[Arc<Entry>]) -> Self {
        let mut known = previous.iter().zip(self.iter()).peekable();
        let mut next = Self {
            fields: Vec::with_capacity(entries.len()),
            keywords: Vec::with_capacity(self.keywords.len()),
            hasher: self.hasher.clone(),
        };
        for entry in entries {
            match known_row(&mut known, entry) {
                Some(row) => next.push(row),
                None => next.read(&entry.extension),
            }
        }
        next
    }

    /// Returns the rows in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = Row<'_>> {
        self.fields.iter().map(|fields| self.row(fields))
    }

    /// Returns the row at this place of the list.
    pub(super) fn get(&self, at: usize) -> Option<Row<'_>> {
        self.fields.get(at).map(|fields| self.row(fields))
    }

    /// Returns the hash of a keyword, given without regard to case.
    pub(super) fn hash_of(&self, folded: &str) -> u64 {
        self.hasher.hash_one(folded)
    }

    fn row(&self, fields: &Fields) -> Row<'_> {
        let Fields { extension_type, latest_at, newest_at, keywords: (start, end) } = *fields;
        let keywords = self.keywords.get(start..end).unwrap_or_default();
        Row { extension_type, latest_at, newest_at, keywords }
    }

    fn push(&mut self, row: Row<'_>) {
        let start = self.keywords.len();
        self.keywords.extend_from_slice(row.keywords);
        self.end_row(start, row);
    }

    fn read(&mut self, extension: &Extension) {
        let (start, latest) = (self.keywords.len(), extension.latest());
        let keywords = latest.map_or(&[][..], |latest| &latest.about.keywords);
        for (at, keyword) in (0..).zip(keywords) {
            let folded = self.hash_of(&fold(keyword));
            // An extension counts once, however often it repeats a keyword.
            let before = self.keywords.iter().skip(start);
            if !before.map(|one| one.folded).any(|one| one == folded) {
                let spelled = self.hasher.hash_one(&**keyword) >> u32::BITS;
                let spelled = u32::try_from(spelled).unwrap_or_default();
                self.keywords.push(KeywordMark { folded, spelled, at });
            }
        }
        let published = extension.releases().iter().filter_map(|release| release.published_at);
        let row = Row {
            extension_type: extension.id().extension_type,
            latest_at: latest.and_then(|latest| latest.published_at),
            newest_at: published.max(),
            keywords: &[],
        };
        self.end_row(start, row);
    }

    fn end_row(&mut self, start: usize, row: Row<'_>) {
        let Row { extension_type, latest_at, newest_at, .. } = row;
        let keywords = (start, self.keywords.len());
        self.fields.push(Fields { extension_type, latest_at, newest_at, keywords });
    }
}

impl KeywordMark {
    /// Returns the keyword as an extension spells it, which has this mark in its row.
    #[must_use]
    pub fn text_of<'a>(&self, extension: &'a Extension) -> Option<&'a str> {
        let keywords = &extension.latest()?.about.keywords;
        keywords.get(usize::try_from(self.at).ok()?).map(|keyword| &**keyword)
    }
}
