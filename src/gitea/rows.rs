//! The rows of a list while its pages come: each once, and no more than there is room for.

use std::collections::HashSet;

use hyper::StatusCode;

use crate::error::{Error, ErrorKind, Result};
use crate::gitea::client::Reply;
use crate::gitea::page::{Bound, Kept, Page, ROWS_MAX};
use crate::http::room::Room;

/// The rows of a list, each once.
pub(super) struct Rows<K> {
    /// Those that are kept.
    pub(super) rows: Vec<K>,
    /// How many there are, those that are not kept among them.
    pub(super) seen: usize,
    /// How many the server counts, those hidden from us among them.
    pub(super) total: Option<usize>,
    /// Why not all of it was read; empty if it was, or as far as there is room.
    pub(super) gaps: Vec<String>,
    /// Whether it is longer than what was read of it from its beginning.
    pub(super) cut: bool,
    /// Rows that are there and cannot be read.
    pub(super) unreadable: usize,
    /// The status of a redirect on the way, which says that something was renamed.
    pub(super) moved: Option<StatusCode>,
}

/// Rows as they come; a row that moved between two pages is taken once.
pub(super) struct Collector<K> {
    rows: Rows<K>,
    ids: HashSet<i64>,
    weight: usize,
    read: usize,
    within: Bound,
    /// Rows that a page was asked for.
    size: usize,
    /// Pages taken so far.
    pages: usize,
    /// Whether there is another page.
    pub(super) more: bool,
}

impl<K> Rows<K> {
    /// The same list, of whose rows these are kept.
    pub(super) fn keeping<L>(self, keep: impl FnMut(K) -> Option<L>) -> Rows<L> {
        let Self { rows, seen, total, gaps, cut, unreadable, moved } = self;
        let rows = rows.into_iter().filter_map(keep).collect();
        Rows { rows, seen, total, gaps, cut, unreadable, moved }
    }

    /// How many rows the server counts and did not show.
    pub(super) fn missing(&self) -> usize {
        self.total.map_or(0, |total| total.saturating_sub(self.seen + self.unreadable))
    }
}

impl<K: Kept> Collector<K> {
    /// Begins with the first page, which `size` rows were asked for.
    pub(super) fn begin(first: Page<K>, within: Bound, size: usize) -> Result<Self> {
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

    /// Takes what came of one page.
    pub(super) fn take(&mut self, page: Result<Reply<Page<K>>>) -> Result<()> {
        match page {
            Ok(Reply::Found(page)) => self.add(page),
            Ok(Reply::Forbidden(refusal)) => Err(refusal),
            Ok(Reply::Absent) => {
                self.rows.gaps.push("a list of gitea vanished while it was read".to_owned());
                self.more = false;
                Ok(())
            }
            // What came before shows that the list is there: a part of it is missing.
            Err(error) if error.kind() == ErrorKind::BackendFaulty && !error.is_oversized() => {
                self.pages += 1;
                self.rows.gaps.push(error.report());
                Ok(())
            }
            Err(error) if self.within.keeps_beginning && is_away(&error) => {
                self.rows.gaps.push(error.report());
                self.more = false;
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    fn add(&mut self, page: Page<K>) -> Result<()> {
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
        let repeats = has_rows && self.ids.len() == before;
        if !repeats {
            self.rows.unreadable += page.unreadable;
            self.more = next || self.lacks(has_rows, linked);
        } else {
            if next || length >= self.size || self.counted() < self.rows.total.unwrap_or(0) {
                self.rows.gaps.push("a list of gitea repeats itself".to_owned());
            }
            self.more = false;
        }
        self.check_room()
    }

    fn counted(&self) -> usize {
        self.ids.len() + self.rows.unreadable
    }

    /// Whether a list may go on behind a page that names no next one: proxies drop
    /// links, and servers cut pages smaller than asked.
    fn lacks(&self, has_rows: bool, linked: bool) -> bool {
        match self.rows.total {
            Some(total) if self.counted() >= total => false,
            Some(total) if self.pages * self.size < total => true,
            // Rows that the server counts and hides, or pages cut smaller: an empty page tells.
            _ => !linked && has_rows,
        }
    }

    /// Ends a list of which there is too much: what there is of it counts.
    fn check_room(&mut self) -> Result<()> {
        let is_short = self.ids.len() <= ROWS_MAX && self.read <= self.within.read;
        let fits = self.weight <= self.within.kept;
        if is_short && fits {
            return Ok(());
        }
        if is_short && self.within.room == Room::Little {
            return Err(Error::faulty("a list of gitea is too long").oversized());
        }
        self.rows.cut = true;
        self.more = false;
        Ok(())
    }

    pub(super) fn end(mut self) -> Rows<K> {
        if self.more {
            self.rows.gaps.push("a list of gitea has no end".to_owned());
        }
        Rows { seen: self.ids.len(), ..self.rows }
    }
}

/// Whether a backend failed to answer, though it was asked.
fn is_away(error: &Error) -> bool {
    let away = ErrorKind::BackendTimeout == error.kind()
        || matches!(error.kind(), ErrorKind::BackendUnavailable { .. });
    away && error.was_asked()
}
