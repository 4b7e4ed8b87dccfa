//! Ranked search over one list of extensions: exact name, prefix, keyword, word of the description,
//! near miss. All words of a query must match, and the best-matching field counts.

mod near;
mod segment;
mod tally;
pub(crate) mod words;

use std::ops::Range;
use std::sync::Arc;

use registry_core::models::extension::Extension;
use registry_core::models::naming::ExtensionType;

use crate::known_rows::known_row;
use crate::search::near::{Letters, NearMisses};
use crate::search::segment::{Doc, Segment};
use crate::search::tally::{Rank, Tally};
use crate::search::words::{QueryWord, query_words};

/// Divisor of the list length: fewer matches than the quotient are collected in a list.
const LITTLE: usize = 8;

/// Search index over a list of extensions, which is ordered by id.
///
/// Words lie in segments that never change. A list that differs in a few places from the previous
/// one gets a small segment for these and shares the others. Segments are merged so that each one
/// has more than twice the documents of all after it. `docs/adr/0012` has the alternatives.
#[derive(Debug)]
pub struct SearchIndex<T> {
    entries: Arc<[Arc<T>]>,
    rows: Vec<IndexedRow>,
    /// Segments; documents are numbered consecutively across them. Documents of removed entries
    /// have no row.
    segments: Vec<Arc<Segment>>,
}

/// The fields that a search needs of an entry, together, so that it follows no pointer.
#[derive(Clone, Copy, Debug)]
struct IndexedRow {
    letters: Letters,
    doc: Doc,
    extension_type: ExtensionType,
}

/// Place in the list, row and entry.
type RowPosition<'a, T> = (usize, &'a IndexedRow, &'a Arc<T>);

impl<T> Default for SearchIndex<T> {
    fn default() -> Self {
        Self { entries: Arc::default(), rows: Vec::new(), segments: Vec::new() }
    }
}

impl<T: AsRef<Arc<Extension>>> SearchIndex<T> {
    /// Returns true if this is the index of this list, compared by pointer.
    #[must_use]
    pub fn is_of(&self, entries: &Arc<[Arc<T>]>) -> bool {
        Arc::ptr_eq(&self.entries, entries)
    }

    /// Builds the index of the list that follows this one; both are ordered by id. Shared entries
    /// are found by pointer, so a few differences cost little, however long the list is.
    #[must_use]
    pub fn next(&self, entries: Arc<[Arc<T>]>) -> Self {
        let mut known = self.entries.iter().zip(self.rows.iter().copied()).peekable();
        let mut fresh = Vec::new();
        let mut numbers = self.docs()..;
        let mut rows = Vec::with_capacity(entries.len());
        for entry in entries.iter() {
            let row = known_row(&mut known, entry).or_else(|| {
                fresh.push(extension(entry));
                numbers.next().map(|doc| IndexedRow::new(extension(entry), doc))
            });
            rows.extend(row);
        }
        let mut segments = self.segments.clone();
        if !fresh.is_empty() {
            segments.push(Arc::new(Segment::of(fresh)));
        }
        let mut next = Self { entries, rows, segments };
        next.compact();
        next
    }

    /// Returns the entries of this type, or of all, that match every word of the query; best first,
    /// ties in the order of the list. A query without a letter or digit matches nothing.
    #[must_use]
    pub fn search(&self, query: &str, extension_type: Option<ExtensionType>) -> Vec<&Arc<T>> {
        let places = self.find(query, extension_type).into_iter();
        places.filter_map(|at| self.entries.get(at)).collect()
    }

    /// Returns the places in the list of the entries that [`SearchIndex::search`] finds.
    #[must_use]
    pub fn find(&self, query: &str, extension_type: Option<ExtensionType>) -> Vec<usize> {
        let mut tally = Tally::new(self.docs());
        let mut words = query_words(query);
        // Rare words first: the search ends at the first word that leaves no match.
        words.sort_by_cached_key(|word| self.frequency(word));
        // Matches so far, once they are few: later words skip the rest of the list.
        let mut left: Option<Vec<RowPosition<'_, T>>> = None;
        for word in &words {
            // Better ranks first.
            self.count_names(word, &mut tally);
            self.count_texts(word, &mut tally);
            self.count_near(word, left.as_deref(), &mut tally);
            match tally.ends_word() {
                0 => return Vec::new(),
                matched if matched < self.rows.len() / LITTLE => {
                    let rows = self.places(left.as_deref());
                    left = Some(rows.filter(|(_, row, _)| tally.rank(row.doc).is_some()).collect());
                }
                _ => {}
            }
        }
        self.ranked(&tally, left.as_deref(), extension_type)
    }

    /// Returns the entries whose names equal a name, begin with it, or differ from it by a typing
    /// error; best first, ties in the order of the list.
    #[must_use]
    pub fn named_like(&self, name: &str) -> Vec<&Arc<T>> {
        let mut tally = Tally::new(self.docs());
        for word in query_words(name) {
            self.count_names(&word, &mut tally);
            self.count_near(&word, None, &mut tally);
            tally.ends_word();
        }
        let places = self.ranked(&tally, None, None).into_iter();
        places.filter_map(|at| self.entries.get(at)).collect()
    }

    fn places<'a, 'l>(
        &'a self,
        left: Option<&'l [RowPosition<'a, T>]>,
    ) -> impl Iterator<Item = RowPosition<'a, T>> + use<'a, 'l, T> {
        // One iterator type for both cases: one half of the chain is always empty.
        let count = if left.is_none() { usize::MAX } else { 0 };
        let all = self.rows.iter().zip(self.entries.iter()).enumerate().take(count);
        let all = all.map(|(at, (row, entry))| (at, row, entry));
        all.chain(left.unwrap_or_default().iter().copied())
    }

    /// Orders matches by rank. The type is filtered last, since the tally covers all types.
    fn ranked(
        &self,
        tally: &Tally,
        left: Option<&[RowPosition<'_, T>]>,
        extension_type: Option<ExtensionType>,
    ) -> Vec<usize> {
        let mut by_rank: [Vec<usize>; Rank::COUNT] = Default::default();
        self.places(left).for_each(|(at, row, _)| {
            if let Some(of_rank) =
                tally.rank(row.doc).and_then(|rank| by_rank.get_mut(rank as usize))
                && extension_type.is_none_or(|wanted| wanted == row.extension_type)
            {
                of_rank.push(at);
            }
        });
        by_rank.concat()
    }

    fn count_texts(&self, word: &QueryWord, tally: &mut Tally) {
        let mut start = 0;
        for segment in &self.segments {
            if let Some(term) = segment.find(word.plain()) {
                term.keyword_of.iter().for_each(|doc| tally.hit(start + doc, Rank::Keyword));
                term.described_in.iter().for_each(|doc| tally.hit(start + doc, Rank::Description));
            }
            start += segment.docs();
        }
    }

    /// Near misses are in no index, so the names that are left are compared.
    fn count_near(&self, word: &QueryWord, left: Option<&[RowPosition<'_, T>]>, tally: &mut Tally) {
        let Some(near) = NearMisses::of(word.typed()) else { return };
        self.places(left).for_each(|(_, row, entry)| {
            // Cheapest test first: the letters rule out almost every name without a look at it.
            if near.may_have(row.letters) && tally.wants(row.doc) && near.has(name(entry)) {
                tally.hit(row.doc, Rank::NearMiss);
            }
        });
    }

    /// Estimates the number of documents that match a word, without near misses.
    fn frequency(&self, word: &QueryWord) -> usize {
        let named = self.begun_with(word.typed()).len();
        let terms = self.segments.iter().filter_map(|segment| segment.find(word.plain()));
        named + terms.map(|term| term.keyword_of.len() + term.described_in.len()).sum::<usize>()
    }

    /// Counts the names that begin with a word. Those that equal it come first.
    fn count_names(&self, word: &QueryWord, tally: &mut Tally) {
        let begun = self.begun_with(word.typed());
        let entries = self.entries.get(begun.clone()).unwrap_or_default();
        // Every name here begins with the word, so equal length means an equal name.
        let exact = entries.partition_point(|entry| name(entry).len() == word.typed().len());
        for (nth, row) in self.rows.get(begun).unwrap_or_default().iter().enumerate() {
            tally.hit(row.doc, if nth < exact { Rank::ExactName } else { Rank::Prefix });
        }
    }

    /// Names that begin with a word are adjacent, because the list is ordered.
    fn begun_with(&self, word: &str) -> Range<usize> {
        let from = self.entries.partition_point(|entry| is_before(name(entry), word));
        let later = self.entries.get(from..).unwrap_or_default();
        from..from + later.partition_point(|entry| begins_with(name(entry), word))
    }

    fn docs(&self) -> Doc {
        self.segments.iter().map(|segment| segment.docs()).sum()
    }

    /// Merges segments as [`SearchIndex`] requires; all if over half of the documents are gone.
    fn compact(&mut self) {
        let mut merged = 0;
        let mut after = 0;
        // From the end: the longest run of segments that has to be merged decides.
        for (nth, segment) in (1..).zip(self.segments.iter().rev()) {
            if segment.docs() <= 2 * after {
                merged = nth;
            }
            after += segment.docs();
        }
        // Removed documents take memory until a merge drops them.
        if after as usize > 2 * self.rows.len() {
            merged = self.segments.len();
        }
        if merged == 0 {
            return;
        }
        let last = self.segments.split_off(self.segments.len() - merged);
        let start = self.docs();
        let renumbered = self.renumber(start, last.iter().map(|segment| segment.docs()).sum());
        let merged = Segment::merge(&last, &renumbered);
        if merged.docs() > 0 {
            self.segments.push(Arc::new(merged));
        }
    }

    /// Numbers the `count` documents from `start` without gaps; `None` for those without a row.
    /// Their order stays, which keeps postings ordered.
    fn renumber(&mut self, start: Doc, count: Doc) -> Vec<Option<Doc>> {
        let mut renumbered = vec![None; count as usize];
        for row in &self.rows {
            let old = row.doc.checked_sub(start);
            if let Some(new) = old.and_then(|old| renumbered.get_mut(old as usize)) {
                *new = Some(row.doc);
            }
        }
        for (new, number) in renumbered.iter_mut().flatten().zip(0..) {
            *new = number;
        }
        for row in &mut self.rows {
            let old = row.doc.checked_sub(start);
            if let Some(new) = old.and_then(|old| *renumbered.get(old as usize)?) {
                row.doc = start + new;
            }
        }
        renumbered
    }
}

impl IndexedRow {
    fn new(extension: &Extension, doc: Doc) -> Self {
        let extension_type = extension.id().extension_type;
        Self { letters: Letters::of(extension.id().name.as_str()), doc, extension_type }
    }
}

fn extension<T: AsRef<Arc<Extension>>>(entry: &Arc<T>) -> &Extension {
    T::as_ref(entry)
}

fn name<T: AsRef<Arc<Extension>>>(entry: &Arc<T>) -> &str {
    extension(entry).id().name.as_str()
}

fn is_before(name: &str, word: &str) -> bool {
    name.bytes().map(|byte| byte.to_ascii_lowercase()).lt(word.bytes())
}

/// Returns true if a name begins with a word; ASCII case is ignored.
fn begins_with(name: &str, word: &str) -> bool {
    let begin = name.as_bytes().get(..word.len());
    begin.is_some_and(|begin| begin.eq_ignore_ascii_case(word.as_bytes()))
}

#[cfg(test)]
mod tests {
    use registry_core::models::artifact::ArtifactChoice;
    use registry_core::models::backend_id::BackendId;
    use registry_core::models::extension::Release;

    use super::*;

    struct Listed(Arc<Extension>);

    impl AsRef<Arc<Extension>> for Listed {
        fn as_ref(&self) -> &Arc<Extension> {
            &self.0
        }
    }

    fn listed(number: usize) -> Arc<Listed> {
        let id = format!("e{number:04}-provider");
        let release = Release {
            artifact: ArtifactChoice::Unread,
            ..Release::of_tag(BackendId::OCI, "1.0.0".parse().unwrap())
        };
        let id = registry_core::models::naming::ExtensionId::from_oci_repository(&id).unwrap();
        Arc::new(Listed(Arc::new(Extension::new(id, vec![release]))))
    }

    fn sizes(index: &SearchIndex<Listed>) -> Vec<Doc> {
        index.segments.iter().map(|segment| segment.docs()).collect()
    }

    #[test]
    fn a_change_costs_a_small_segment_and_segments_stay_few() {
        let mut entries: Vec<_> = (0..1_000).map(listed).collect();
        let mut index = SearchIndex::default().next(entries.clone().into());
        assert_eq!(sizes(&index), [1_000]);
        let first = Arc::clone(&index.segments[0]);
        for n in 0..400 {
            entries[n * 2] = listed(n * 2);
            index = index.next(entries.clone().into());
            let sizes = sizes(&index);
            for (at, size) in sizes.iter().enumerate() {
                let after: Doc = sizes[at + 1..].iter().sum();
                assert!(*size > 2 * after, "{sizes:?}");
            }
        }
        assert!(Arc::ptr_eq(&first, &index.segments[0]), "what did not change is not read again");
        assert_eq!(index.docs(), 1_400);
    }

    #[test]
    fn one_extension_published_again_and_again_leaves_nothing_behind() {
        let mut entries: Vec<_> = (0..100).map(listed).collect();
        let mut index = SearchIndex::default().next(entries.clone().into());
        for _ in 0..50 {
            entries[7] = listed(7);
            index = index.next(entries.clone().into());
        }
        assert_eq!(sizes(&index), [100, 1]);
        assert_eq!(index.search("e", None).len(), 100);
    }

    #[test]
    fn what_is_gone_is_forgotten_when_it_is_more_than_what_is_there() {
        let entries: Vec<_> = (0..100).map(listed).collect();
        let index = SearchIndex::default().next(entries.clone().into());
        let index = index.next(entries[50..].into());
        assert_eq!(sizes(&index), [100]);
        let index = index.next(entries[51..].into());
        assert_eq!(sizes(&index), [49]);
        assert_eq!(index.search("e", None).len(), 49);
        assert_eq!(sizes(&index.next(Arc::default())), [0; 0]);
    }
}
