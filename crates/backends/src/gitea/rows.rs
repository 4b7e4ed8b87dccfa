//! The rows of a list: one page with its kept parts, and the accumulation of pages within bounds.

use std::collections::HashSet;

use hyper::StatusCode;
use hyper::header::LINK;
use registry_core::error::{Error, ErrorKind, Result};

use crate::gitea::client::GiteaReply;
use crate::gitea::models::ListedRow;
use crate::http::answer::UpstreamResponse;
use crate::http::json;

/// Maximum number of rows in a list, across all pages.
const ROWS_MAX: usize = 100_000;
/// Maximum length of a row, in bytes; a release with a thousand files has half of that.
const ROW_MAX: usize = 1024 * 1024;
/// Fixed memory per row, in bytes, beside the kept part.
const ROW: usize = 48;

pub(super) trait KeptRow: Send {
    /// Returns the approximate size in memory, in bytes.
    fn weight(&self) -> usize;
}

/// Bounds of one list.
#[derive(Clone, Copy)]
pub(super) struct ListBounds {
    /// Maximum size of the kept rows of the list, in bytes.
    pub(super) kept: usize,
    /// Maximum size of the kept rows of the first page and of each further one, in bytes.
    pub(super) first_page: usize,
    pub(super) page: usize,
    /// Maximum number of bytes read. Rows may hold long texts that are dropped.
    pub(super) read: usize,
    /// True if the beginning of a list is kept when the rest fails.
    pub(super) keeps_beginning: bool,
}

pub(super) struct RowPage<K> {
    pub(super) rows: Vec<(i64, Option<Box<K>>)>,
    pub(super) total: Option<usize>,
    pub(super) next: bool,
    linked: bool,
    unreadable: usize,
    moved: Option<StatusCode>,
    bytes: usize,
    pub(super) weight: usize,
}

pub(super) struct ListRows<K> {
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
    rows: ListRows<K>,
    ids: HashSet<i64>,
    weight: usize,
    read: usize,
    bounds: ListBounds,
    size: usize,
    pages: usize,
    pub(super) more: bool,
}

impl<K: KeptRow> RowPage<K> {
    const fn empty() -> Self {
        Self {
            rows: Vec::new(),
            total: None,
            next: false,
            linked: false,
            unreadable: 0,
            moved: None,
            bytes: 0,
            weight: 0,
        }
    }

    /// Reads a page of `size` rows, and keeps `most` bytes. Unreadable rows are counted and skipped,
    /// so that they hide no other rows.
    pub(super) fn read<R: ListedRow>(
        answer: &UpstreamResponse,
        keep: impl Fn(R) -> Result<Option<K>>,
        size: usize,
        most: usize,
    ) -> Result<Self> {
        let total = answer.headers.get("x-total-count").and_then(|value| value.to_str().ok());
        let mut page = Self {
            total: total.and_then(|text| text.parse().ok()),
            // The address of the next page may name another server, and is not used.
            next: answer.next_link().is_some(),
            linked: answer.headers.contains_key(LINK),
            moved: answer.moved,
            bytes: answer.body.len(),
            ..Self::empty()
        };
        answer.each_row(|row| {
            if let Ok((id, kept)) = kept::<R, K>(row, &keep) {
                page.take(id, kept, size, most)
            } else {
                page.unreadable += 1;
                Ok(())
            }
        })?;
        Ok(page)
    }

    pub(super) fn of_unreadable() -> Self {
        Self { unreadable: 1, ..Self::empty() }
    }

    /// Adds the next part of the same page. Fails beyond `most` bytes.
    pub(super) fn append(&mut self, other: Self, most: usize) -> Result<()> {
        self.rows.extend(other.rows);
        self.total = other.total.or(self.total);
        self.next = other.next;
        self.linked |= other.linked;
        self.unreadable += other.unreadable;
        self.moved = self.moved.or(other.moved);
        self.bytes += other.bytes;
        self.weight += other.weight;
        if self.weight > most { Err(too_large()) } else { Ok(()) }
    }

    pub(super) fn length(&self) -> usize {
        self.rows.len() + self.unreadable
    }

    fn take(&mut self, id: i64, kept: Option<K>, size: usize, most: usize) -> Result<()> {
        self.weight += ROW + kept.as_ref().map_or(0, K::weight);
        self.rows.push((id, kept.map(Box::new)));
        if self.weight <= most && self.rows.len() <= ROWS_MAX {
            return Ok(());
        }
        // A server that sends more rows than requested would do so for a part as well.
        let is_divisible = self.rows.len() <= size;
        Err(if is_divisible { too_large().too_long() } else { too_large() })
    }
}

fn kept<R: ListedRow, K>(
    row: &[u8],
    keep: impl Fn(R) -> Result<Option<K>>,
) -> Result<(i64, Option<K>)> {
    if row.len() > ROW_MAX {
        return Err(Error::faulty("a row of a Gitea list is too long"));
    }
    let row: R = json::document(row)?;
    Ok((row.id(), keep(row)?))
}

fn too_large() -> Error {
    Error::faulty("a page of a Gitea list is too large")
}

impl<K> ListRows<K> {
    pub(super) fn keeping<L>(self, keep: impl FnMut(K) -> Option<L>) -> ListRows<L> {
        let Self { rows, seen, total, gaps, cut, unreadable, moved } = self;
        let rows = rows.into_iter().filter_map(keep).collect();
        ListRows { rows, seen, total, gaps, cut, unreadable, moved }
    }

    /// Returns the number of rows that the server counts but did not return.
    pub(super) fn missing(&self) -> usize {
        self.total.map_or(0, |total| total.saturating_sub(self.seen + self.unreadable))
    }
}

impl<K: KeptRow> Collector<K> {
    pub(super) fn begin(first: RowPage<K>, bounds: ListBounds, size: usize) -> Self {
        let rows = ListRows {
            rows: Vec::new(),
            seen: 0,
            total: first.total,
            gaps: Vec::new(),
            cut: false,
            unreadable: 0,
            moved: first.moved,
        };
        let (ids, weight, read, pages, more) = (HashSet::new(), 0, 0, 0, true);
        let mut collector = Self { rows, ids, weight, read, bounds, size, pages, more };
        collector.add(first);
        collector
    }

    /// Returns the approximate size of the rows so far, in bytes.
    pub(super) const fn weight(&self) -> usize {
        self.weight
    }

    pub(super) fn take(&mut self, page: Result<GiteaReply<RowPage<K>>>) -> Result<()> {
        match page {
            Ok(GiteaReply::Found(page)) => self.add(page),
            Ok(GiteaReply::Forbidden(refusal)) => return Err(refusal),
            Ok(GiteaReply::Absent) => {
                self.rows.gaps.push("a Gitea list vanished while it was read".to_owned());
                self.more = false;
            }
            // The earlier pages prove that the list exists: this is a gap and not an absence.
            Err(error) if error.kind() == ErrorKind::BackendFaulty => {
                self.pages += 1;
                self.rows.gaps.push(error.report());
            }
            // The beginning of a list of releases is useful; a partial listing hides extensions.
            Err(error) if self.bounds.keeps_beginning && is_away(&error) => {
                self.rows.gaps.push(error.report());
                self.more = false;
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn add(&mut self, page: RowPage<K>) {
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
        if repeats {
            if next || length >= self.size || self.counted() < self.rows.total.unwrap_or(0) {
                self.rows.gaps.push("a Gitea list repeats itself".to_owned());
            }
            self.more = false;
        } else {
            self.rows.unreadable += page.unreadable;
            self.more = next || self.lacks(has_rows, linked);
        }
        if self.exceeds_bounds() {
            self.rows.cut = true;
            self.more = false;
        }
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

    fn exceeds_bounds(&self) -> bool {
        self.ids.len() > ROWS_MAX || self.read > self.bounds.read || self.weight > self.bounds.kept
    }

    pub(super) fn end(mut self) -> ListRows<K> {
        if self.more {
            self.rows.gaps.push("a Gitea list has no end".to_owned());
        }
        ListRows { seen: self.ids.len(), ..self.rows }
    }
}

/// Returns true if a backend got a request but failed to respond.
fn is_away(error: &Error) -> bool {
    let away = ErrorKind::BackendTimeout == error.kind()
        || matches!(error.kind(), ErrorKind::BackendUnavailable { .. });
    away && error.was_asked()
}
