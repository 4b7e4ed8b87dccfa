//! The words of some extensions, and who has which: an inverted index that never changes.

use std::collections::HashMap;
use std::sync::Arc;

use crate::catalog::search::words::{fold, text_words};
use crate::models::extension::Extension;

/// The number of an extension in a segment, or through several of them.
pub(super) type Doc = u32;

/// Words in order, each with the documents that have it.
#[derive(Debug)]
pub(super) struct Segment {
    docs: Doc,
    terms: Box<[Term]>,
}

/// One word.
#[derive(Debug)]
pub(super) struct Term {
    text: Box<str>,
    /// Documents that have it among their keywords.
    pub(super) keyword_of: Box<[Doc]>,
    /// Others that have it in their description.
    pub(super) described_in: Box<[Doc]>,
}

/// The same while it grows.
#[derive(Default)]
struct Postings {
    keyword_of: Vec<Doc>,
    described_in: Vec<Doc>,
}

/// A segment while its extensions are read.
#[derive(Default)]
struct Reader {
    /// Where each word's postings are.
    places: HashMap<Box<str>, usize>,
    postings: Vec<Postings>,
}

impl Segment {
    /// The words of these extensions, as their latest releases describe them. Documents are numbered
    /// from 0.
    pub(super) fn of(extensions: Vec<&Extension>) -> Self {
        let mut reader = Reader::default();
        let mut docs = 0;
        for extension in extensions {
            reader.read(extension, docs);
            docs += 1;
        }
        Self { docs, terms: reader.terms() }
    }

    /// One segment of several. `renumbered` has the new number of each document of all of them, in
    /// their order; `None`: it is left out.
    pub(super) fn merge(parts: &[Arc<Self>], renumbered: &[Option<Doc>]) -> Self {
        let mut rest = renumbered;
        let mut terms: Vec<(&Term, &[Option<Doc>])> = Vec::new();
        for part in parts {
            let (own, others) = rest.split_at_checked(part.docs as usize).unwrap_or_default();
            terms.extend(part.terms.iter().map(|term| (term, own)));
            rest = others;
        }
        // Stable sorting finds the runs that are in order already.
        terms.sort_by(|(a, _), (b, _)| a.text.cmp(&b.text));
        let merged = terms.chunk_by(|(a, _), (b, _)| a.text == b.text).filter_map(merged_term);
        let docs = renumbered.iter().flatten().map(|doc| doc + 1).max().unwrap_or_default();
        Self { docs, terms: merged.collect() }
    }

    /// How many documents it has.
    pub(super) const fn docs(&self) -> Doc {
        self.docs
    }

    /// A word, if any of its documents has it.
    pub(super) fn find(&self, word: &str) -> Option<&Term> {
        let at = self.terms.binary_search_by(|term| (*term.text).cmp(word)).ok()?;
        self.terms.get(at)
    }
}

impl Postings {
    fn of(self, text: Box<str>) -> Term {
        let Self { keyword_of, described_in } = self;
        Term { text, keyword_of: keyword_of.into(), described_in: described_in.into() }
    }
}

impl Reader {
    fn read(&mut self, extension: &Extension, doc: Doc) {
        let Some(latest) = extension.latest() else { return };
        for keyword in &latest.about.keywords {
            self.read_text(keyword, |postings| {
                if postings.keyword_of.last() != Some(&doc) {
                    postings.keyword_of.push(doc);
                }
            });
        }
        let description = latest.about.description.as_deref().unwrap_or_default();
        self.read_text(description, |postings| {
            let known = [postings.keyword_of.last(), postings.described_in.last()];
            if !known.contains(&Some(&doc)) {
                postings.described_in.push(doc);
            }
        });
    }

    fn read_text(&mut self, text: &str, mut note: impl FnMut(&mut Postings)) {
        for word in text_words(&fold(text)) {
            // A key is made for new words only: most are known.
            let place = self.places.get(word).copied().unwrap_or_else(|| {
                self.places.insert(word.into(), self.postings.len());
                self.postings.push(Postings::default());
                self.postings.len() - 1
            });
            self.postings.get_mut(place).into_iter().for_each(&mut note);
        }
    }

    fn terms(self) -> Box<[Term]> {
        let Self { places, mut postings } = self;
        let term = |(text, place)| {
            let postings: Option<&mut Postings> = postings.get_mut(place);
            postings.map(std::mem::take).unwrap_or_default().of(text)
        };
        let mut terms: Box<[Term]> = places.into_iter().map(term).collect();
        terms.sort_unstable_by(|a, b| a.text.cmp(&b.text));
        terms
    }
}

/// One word of several segments; `None`: none of its documents is left.
fn merged_term(same: &[(&Term, &[Option<Doc>])]) -> Option<Term> {
    let (first, _) = same.first()?;
    let mut postings = Postings::default();
    for (term, renumbered) in same {
        let new = |doc: &Doc| renumbered.get(*doc as usize).copied().flatten();
        postings.keyword_of.extend(term.keyword_of.iter().filter_map(new));
        postings.described_in.extend(term.described_in.iter().filter_map(new));
    }
    let is_left = !postings.keyword_of.is_empty() || !postings.described_in.is_empty();
    is_left.then(|| postings.of(first.text.clone()))
}
