//! The count of one search: which documents matched every word so far, and how well.

use crate::catalog::search::segment::Doc;

/// How a word matched, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    ExactName,
    Prefix,
    Keyword,
    Description,
    NearMiss,
}

impl Rank {
    /// How many there are.
    pub(super) const COUNT: usize = Self::NearMiss as usize + 1;
}

/// Documents and the words they matched. Words are counted one after the other, and of each word
/// the better ranks before the worse.
pub(super) struct Tally {
    found: Vec<Found>,
    /// Words that were counted to the end.
    words: u16,
    /// How many documents matched the current word and all before it.
    matched: usize,
}

#[derive(Clone, Copy)]
struct Found {
    words: u16,
    best: Rank,
}

impl Tally {
    /// The count before the first word, over so many documents.
    pub(super) fn new(docs: Doc) -> Self {
        let found = vec![Found { words: 0, best: Rank::NearMiss }; docs as usize];
        Self { found, words: 0, matched: 0 }
    }

    /// Whether a document matched all words before the current one, and not yet this one.
    pub(super) fn wants(&self, doc: Doc) -> bool {
        self.found.get(doc as usize).is_some_and(|found| found.words == self.words)
    }

    /// The document matches the current word so.
    pub(super) fn hit(&mut self, doc: Doc, rank: Rank) {
        if let Some(found) = self.found.get_mut(doc as usize)
            && found.words == self.words
        {
            found.words += 1;
            found.best = found.best.min(rank);
            self.matched += 1;
        }
    }

    /// Goes on to the next word; answers how many documents can still match them all.
    pub(super) fn ends_word(&mut self) -> usize {
        self.words += 1;
        std::mem::take(&mut self.matched)
    }

    /// The best rank of a document that matched every word; `None` too before the first word.
    pub(super) fn rank(&self, doc: Doc) -> Option<Rank> {
        let found = self.found.get(doc as usize)?;
        (found.words == self.words && self.words > 0).then_some(found.best)
    }
}
