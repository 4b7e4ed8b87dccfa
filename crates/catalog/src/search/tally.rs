//! Tally of one search: the documents that matched every word so far, and their rank.

use crate::search::segment::Doc;

/// Rank of a match, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    ExactName,
    Prefix,
    Keyword,
    Description,
    NearMiss,
}

impl Rank {
    pub(super) const COUNT: usize = Self::NearMiss as usize + 1;
}

/// Words are counted one after the other, and within a word better ranks before worse.
pub(super) struct Tally {
    found: Vec<SearchHit>,
    /// Number of words that were counted completely.
    words: u16,
    /// Number of documents that matched the current word and all before it.
    matched: usize,
}

#[derive(Clone, Copy)]
struct SearchHit {
    words: u16,
    best: Rank,
}

impl Tally {
    pub(super) fn new(docs: Doc) -> Self {
        let found = vec![SearchHit { words: 0, best: Rank::NearMiss }; docs as usize];
        Self { found, words: 0, matched: 0 }
    }

    /// Returns true if a document matched all previous words, but not yet the current one.
    pub(super) fn wants(&self, doc: Doc) -> bool {
        self.found.get(doc as usize).is_some_and(|found| found.words == self.words)
    }

    /// Counts a match of the current word. A later match of the same word is ignored.
    pub(super) fn hit(&mut self, doc: Doc, rank: Rank) {
        if let Some(found) = self.found.get_mut(doc as usize)
            // Out if it missed an earlier word; at its best rank if it has this one.
            && found.words == self.words
        {
            found.words += 1;
            found.best = found.best.min(rank);
            self.matched += 1;
        }
    }

    /// Moves on to the next word. Returns the number of documents that matched every word so far.
    pub(super) fn ends_word(&mut self) -> usize {
        self.words += 1;
        std::mem::take(&mut self.matched)
    }

    /// Returns `None` before the first word, or if the document missed one.
    pub(super) fn rank(&self, doc: Doc) -> Option<Rank> {
        let found = self.found.get(doc as usize)?;
        (found.words == self.words && self.words > 0).then_some(found.best)
    }
}
