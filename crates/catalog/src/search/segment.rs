//! Immutable segment of the inverted index: words, and the extensions that have them.

use std::collections::HashMap;
use std::sync::Arc;

use registry_core::models::extension::Extension;

use crate::search::words::{fold, text_words};

/// Number of an extension in a segment, or across several.
pub(super) type Doc = u32;

#[derive(Debug)]
pub(super) struct Segment {
    docs: Doc,
    terms: Box<[Term]>,
}

#[derive(Debug)]
pub(super) struct Term {
    text: Box<str>,
    pub(super) keyword_of: Box<[Doc]>,
    /// Other documents that have the word in their description.
    pub(super) described_in: Box<[Doc]>,
}

#[derive(Default)]
struct Postings {
    keyword_of: Vec<Doc>,
    described_in: Vec<Doc>,
}

#[derive(Default)]
struct PostingsReader {
    /// Index into `postings` of each word.
    places: HashMap<Box<str>, usize>,
    postings: Vec<Postings>,
}

impl Segment {
    /// Indexes keywords and description of the latest releases. Documents are numbered from 0.
    pub(super) fn of(extensions: Vec<&Extension>) -> Self {
        let mut reader = PostingsReader::default();
        let mut docs = 0;
        for extension in extensions {
            reader.read(extension, docs);
            docs += 1;
        }
        Self { docs, terms: reader.terms() }
    }

    /// `renumbered` has the new number of each document of all parts; `None` drops the document.
    pub(super) fn merge(parts: &[Arc<Self>], renumbered: &[Option<Doc>]) -> Self {
        let mut rest = renumbered;
        let mut terms: Vec<(&Term, &[Option<Doc>])> = Vec::new();
        for part in parts {
            let (own, others) = rest.split_at_checked(part.docs as usize).unwrap_or_default();
            terms.extend(part.terms.iter().map(|term| (term, own)));
            rest = others;
        }
        // A stable sort recognizes runs that are ordered already, as the parts are.
        terms.sort_by(|(a, _), (b, _)| a.text.cmp(&b.text));
        let merged = terms.chunk_by(|(a, _), (b, _)| a.text == b.text).filter_map(merged_term);
        let docs = renumbered.iter().flatten().map(|doc| doc + 1).max().unwrap_or_default();
        Self { docs, terms: merged.collect() }
    }

    pub(super) const fn docs(&self) -> Doc {
        self.docs
    }

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

impl PostingsReader {
    fn read(&mut self, extension: &Extension, doc: Doc) {
        let Some(latest) = extension.latest() else { return };
        for keyword in &latest.about.keywords {
            self.read_text(keyword, |postings| {
                // Documents come in ascending order, so a repeated keyword is the last one pushed.
                if postings.keyword_of.last() != Some(&doc) {
                    postings.keyword_of.push(doc);
                }
            });
        }
        let description = latest.about.description.as_deref().unwrap_or_default();
        self.read_text(description, |postings| {
            // A keyword ranks above the description, so the better field alone is stored.
            let known = [postings.keyword_of.last(), postings.described_in.last()];
            if !known.contains(&Some(&doc)) {
                postings.described_in.push(doc);
            }
        });
    }

    fn read_text(&mut self, text: &str, mut note: impl FnMut(&mut Postings)) {
        for word in text_words(&fold(text)) {
            // A key is allocated for new words only: most words are known.
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
        let terms = places.into_iter().map(|(text, place)| {
            let postings: Option<&mut Postings> = postings.get_mut(place);
            postings.map(std::mem::take).unwrap_or_default().of(text)
        });
        let mut terms: Box<[Term]> = terms.collect();
        terms.sort_unstable_by(|a, b| a.text.cmp(&b.text));
        terms
    }
}

/// Merges one word of several segments; `None` if no document is left.
fn merged_term(same: &[(&Term, &[Option<Doc>])]) -> Option<Term> {
    let (first, _) = same.first()?;
    let mut postings = Postings::default();
    // The parts are in order, and so are the new numbers, so the postings stay ordered.
    for (term, renumbered) in same {
        let new = |doc: &Doc| renumbered.get(*doc as usize).copied().flatten();
        postings.keyword_of.extend(term.keyword_of.iter().filter_map(new));
        postings.described_in.extend(term.described_in.iter().filter_map(new));
    }
    let is_left = !postings.keyword_of.is_empty() || !postings.described_in.is_empty();
    is_left.then(|| postings.of(first.text.clone()))
}
