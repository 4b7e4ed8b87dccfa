//! One page of a list: the readable rows, and the parts that are kept.

use hyper::StatusCode;
use hyper::header::{HeaderMap, LINK};

use crate::error::{Error, Result};
use crate::gitea::models::Row;
use crate::http::answer::UpstreamResponse;
use crate::http::json;
use crate::http::memory_budget::MemoryBudget;

/// Maximum number of rows in a list, across all pages.
pub(super) const ROWS_MAX: usize = 100_000;
/// Maximum memory for the rows of a list, in bytes, while many lists are read at once.
const KEPT_LITTLE: usize = 256 * 1024;
/// Maximum memory while one list is read; about five thousand releases with one file each.
const KEPT_MUCH: usize = 4 * 1024 * 1024;
/// Maximum memory for the list of repositories; a hundred thousand with a short description.
const KEPT_LISTING: usize = 64 * 1024 * 1024;
/// Maximum bytes read per list or listing. Rows may hold long texts that are dropped.
const READ_LIST: usize = 64 * 1024 * 1024;
const READ_LISTING: usize = 1024 * 1024 * 1024;
/// Maximum length of a row, in bytes; a release with a thousand files has half of that.
const ROW_MAX: usize = 1024 * 1024;
/// Fixed memory per row, in bytes, beside the kept part.
const ROW: usize = 48;

pub(super) trait KeptRows: Send {
    /// Returns the approximate size in memory, in bytes.
    fn weight(&self) -> usize;
}

#[derive(Clone, Copy)]
pub(super) struct Bound {
    pub(super) room: MemoryBudget,
    /// Maximum size of the kept rows, in bytes.
    pub(super) kept: usize,
    /// Maximum number of bytes read.
    pub(super) read: usize,
    /// True if the beginning of a list is kept when the rest fails.
    pub(super) keeps_beginning: bool,
}

impl Bound {
    pub(super) fn of_one_list(room: MemoryBudget) -> Self {
        let kept = room.of(KEPT_LITTLE, KEPT_MUCH);
        Self { room, kept, read: READ_LIST, keeps_beginning: true }
    }

    /// Returns the bounds of the list of repositories. It always has much room.
    pub(super) const fn of_the_listing() -> Self {
        let (room, kept, read) = (MemoryBudget::Much, KEPT_LISTING, READ_LISTING);
        Self { room, kept, read, keeps_beginning: false }
    }
}

pub(super) struct ReleasePage<K> {
    pub(super) rows: Vec<(i64, Option<Box<K>>)>,
    pub(super) total: Option<usize>,
    pub(super) next: bool,
    pub(super) linked: bool,
    pub(super) unreadable: usize,
    pub(super) moved: Option<StatusCode>,
    pub(super) bytes: usize,
    weight: usize,
}

impl<K: KeptRows> ReleasePage<K> {
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

    /// Reads a page. Unreadable rows are counted and skipped, so that they hide no other rows.
    pub(super) fn read<R: Row>(
        answer: &UpstreamResponse,
        keep: impl Fn(R) -> Result<Option<K>>,
        within: Bound,
    ) -> Result<Self> {
        let total = answer.headers.get("x-total-count").and_then(|value| value.to_str().ok());
        let mut page = Self {
            total: total.and_then(|text| text.parse().ok()),
            next: has_next(&answer.headers),
            linked: answer.headers.contains_key(LINK),
            moved: answer.moved,
            bytes: answer.body.len(),
            ..Self::empty()
        };
        answer.each_row(|row| {
            let row: Result<R> = if row.len() > ROW_MAX {
                Err(Error::faulty("a row of a Gitea list is too long"))
            } else {
                json::document(row, within.room)
            };
            match row.and_then(|row| Ok((row.id(), keep(row)?))) {
                Ok((id, kept)) => page.take(id, kept, within),
                // Too little room is no fault of the row: the page is read again with more.
                Err(error) if error.is_oversized() => Err(error),
                Err(_) => {
                    page.unreadable += 1;
                    Ok(())
                }
            }
        })?;
        Ok(page)
    }

    pub(super) fn of_unreadable() -> Self {
        Self { unreadable: 1, ..Self::empty() }
    }

    pub(super) fn length(&self) -> usize {
        self.rows.len() + self.unreadable
    }

    pub(super) fn append(&mut self, other: Self) {
        self.rows.extend(other.rows);
        self.total = other.total.or(self.total);
        self.next = other.next;
        self.linked |= other.linked;
        self.unreadable += other.unreadable;
        self.moved = self.moved.or(other.moved);
        self.bytes += other.bytes;
        self.weight += other.weight;
    }

    fn take(&mut self, id: i64, kept: Option<K>, within: Bound) -> Result<()> {
        self.weight += ROW + kept.as_ref().map_or(0, K::weight);
        self.rows.push((id, kept.map(Box::new)));
        if self.weight > within.kept || self.rows.len() > ROWS_MAX {
            return Err(within.room.lacks(Error::faulty("a page of a Gitea list is too large")));
        }
        Ok(())
    }
}

/// Ignores the address of the next page, which may name another server.
fn has_next(headers: &HeaderMap) -> bool {
    let links = headers.get_all(LINK).iter().filter_map(|value| value.to_str().ok());
    links.flat_map(|line| line.split(',')).any(|link| {
        link.split(';').skip(1).any(|parameter| {
            let (name, value) = parameter.split_once('=').unwrap_or_default();
            name.trim().eq_ignore_ascii_case("rel") && value.trim().trim_matches('"') == "next"
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_next_page_is_known_by_its_relation() {
        for (link, next) in [
            (r#"<http://h/?page=2>; rel="next",<http://h/?page=3>; rel="last""#, true),
            (r#"<http://h/?page=1>; rel="first",<http://h/?page=1>; rel="prev""#, false),
            ("<http://h/?a=1,2>; rel=next", true),
            (r#"<http://h/?rel="next">; rel="prev""#, false),
            ("", false),
        ] {
            let headers = HeaderMap::from_iter([(LINK, link.parse().unwrap())]);
            assert_eq!(has_next(&headers), next, "{link}");
        }
        assert!(!has_next(&HeaderMap::new()));
    }
}
