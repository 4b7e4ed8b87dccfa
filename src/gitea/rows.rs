//! Accumulation of the pages of a list: unique rows, within the memory bounds.

use std::collections::HashSet;

use hyper::StatusCode;

use crate::error::{Error, ErrorKind, Result};
use crate::gitea::client::Reply;
use crate::gitea::page::{Bound, KeptRows, ROWS_MAX, ReleasePage};
use crate::http::memory_budget::MemoryBudget;

pub(super) struct Rows<K> {
    pub(super) rows: Vec<K>,
    /// Number of rows, including those that are not kept.
    pub(super) seen: usize,
    /// Number of rows according to the server, including hidden ones.
    pub(super) total: Option<usize>,
    /// Reasons for missing parts. Empty if the list was read completely or up to its bound.
    pub(super) gaps: Vec<String>,
    /// True if the list continues beyond the bound.
    pub(super) cut: bool,
    pub(super) unreadable: usize,
    /// Status of a redirect, which indicates a rename.
    pub(super) moved: Option<StatusCode>,
}

/// Accumulator of pages; a row that moved between two pages is counted once.
pub(super) struct Collector<K> {
    rows: Rows<K>,
    ids: HashSet<i64>,
    weight: usize,
    read: usize,
    within: Bound,
    size: usize,
    pages: usize,
    pub(super) more: bool,
}

impl<K> Rows<K> {
    pub(super) fn keeping<L>(self, keep: impl FnMut(K) -> Option<L>) -> Rows<L> {
        let Self { rows, seen, total, gaps, cut, unreadable, moved } = self;
        let rows = rows.into_iter().filter_map(keep).collect();
        Rows { rows, seen, total, gaps, cut, unreadable, moved }
    }

    /// Returns the number of rows that the server counts but did not return.
    pub(super) fn missing(&self) -> usize {
        self.total.map_or(0, |total| total.saturating_sub(self.seen + self.unreadable))
    }
}

impl<K: KeptRows> Collector<K> {
    pub(super) fn begin(first: ReleasePage<K>, within: Bound, size: usize) -> Result<Self> {
        let rows = Rows {
            rows: Vec::new(),
            seen: 0,
            total: first.total,
            gaps: Vec::new(),
            cut: false,
            unreadable: 0,
            moved: first.moved,
        };
        let mut collector = Self {
            rows,
            ids: HashSet::new(),
            weight: 0,
            read: 0,
            within,
            size,
            pages: 0,
            more: true,
        };
        collector.add(first)?;
        Ok(collector)
    }

    pub(super) fn take(&mut self, page: Result<Reply<ReleasePage<K>>>) -> Result<()> {
        match page {
            Ok(Reply::Found(page)) => self.add(page),
            Ok(Reply::Forbidden(refusal)) => Err(refusal),
            Ok(Reply::Absent) => {
                self.rows.gaps.push("a Gitea list vanished while it was read".to_owned());
                self.more = false;
                Ok(())
            }
            // The earlier pages prove that the list exists: this is a gap and not an absence.
            Err(error) if error.kind() == ErrorKind::BackendFaulty && !error.is_oversized() => {
                self.pages += 1;
                self.rows.gaps.push(error.report());
                Ok(())
            }
            // The beginning of a list of releases is useful; a partial listing hides extensions.
            Err(error) if self.within.keeps_beginning && is_away(&error) => {
                self.rows.gaps.push(error.report());
                self.more = false;
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    fn add(&mut self, page: ReleasePage<K>) -> Result<()> {
        self.pages += 1;
        self.read += page.bytes;
        self.rows.total = page.total.or(self.rows.total);
        let before = self.ids.len();
        let (length, next, linked) = (page.length(), page.next, page.linked);
        let has_rows = !page.rows.is_empty();
        for (id, kept) in page.rows {
            if self.ids.insert(id)
                && let Some(kept) = kept
            {
                self.weight += kept.weight();
                self.rows.rows.push(*kept);
            }
        }
        // Some proxies and caches return an earlier page for later numbers.
        let repeats = has_rows && self.ids.len() == before;
        if !repeats {
            self.rows.unreadable += page.unreadable;
            self.more = next || self.lacks(has_rows, linked);
        } else {
            if next || length >= self.size || self.counted() < self.rows.total.unwrap_or(0) {
                self.rows.gaps.push("a Gitea list repeats itself".to_owned());
            }
            self.more = false;
        }
        self.check_room()
    }

    fn counted(&self) -> usize {
        self.ids.len() + self.rows.unreadable
    }

    /// Proxies drop links, and servers return smaller pages than requested.
    fn lacks(&self, has_rows: bool, linked: bool) -> bool {
        match self.rows.total {
            Some(total) if self.counted() >= total => false,
            Some(total) if self.pages * self.size < total => true,
            // Either hidden rows count, or pages are smaller: only an empty page is final.
            _ => !linked && has_rows,
        }
    }

    /// Cuts a list that exceeds its bounds. The rows so far stay.
    fn check_room(&mut self) -> Result<()> {
        let is_short = self.ids.len() <= ROWS_MAX && self.read <= self.within.read;
        let fits = self.weight <= self.within.kept;
        if is_short && fits {
            return Ok(());
        }
        // With much room the list may still fit, so that it is worth another attempt.
        if is_short && self.within.room == MemoryBudget::Little {
            return Err(Error::faulty("a Gitea list is too long").oversized());
        }
        self.rows.cut = true;
        self.more = false;
        Ok(())
    }

    pub(super) fn end(mut self) -> Rows<K> {
        if self.more {
            self.rows.gaps.push("a Gitea list has no end".to_owned());
        }
        Rows { seen: self.ids.len(), ..self.rows }
    }
}

/// Returns true if a backend got a request but failed to respond.
fn is_away(error: &Error) -> bool {
    let away = ErrorKind::BackendTimeout == error.kind()
        || matches!(error.kind(), ErrorKind::BackendUnavailable { .. });
    away && error.was_asked()
}
