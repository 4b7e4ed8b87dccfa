//! One page of a list: the rows that can be read, and of these what is kept.

use hyper::StatusCode;
use hyper::header::{HeaderMap, LINK};

use crate::error::{Error, Result};
use crate::gitea::models::Row;
use crate::http::answer::Answer;
use crate::http::json;
use crate::http::room::Room;

/// No list is kept beyond this many rows, however many a page holds.
pub(super) const ROWS_MAX: usize = 100_000;
/// What the rows of a list may take in memory, in bytes, while many lists are read at once.
const KEPT_LITTLE: usize = 256 * 1024;
/// The same while one is read: some five thousand releases with a file each.
const KEPT_MUCH: usize = 4 * 1024 * 1024;
/// The same of the list of repositories: a hundred thousand with a few words each.
const KEPT_LISTING: usize = 64 * 1024 * 1024;
/// Longest list, in bytes of its pages, and longest listing: rows hold texts as long as the server
/// likes, of which nothing is kept.
const READ_LIST: usize = 64 * 1024 * 1024;
const READ_LISTING: usize = 1024 * 1024 * 1024;
/// Longest row, in bytes: a release of a thousand files has half of that.
const ROW_MAX: usize = 1024 * 1024;
/// What a row takes beside what is kept of it, in bytes.
const ROW: usize = 48;

/// What of a row is kept.
pub(super) trait Kept: Send {
    /// About what it takes in memory, in bytes.
    fn weight(&self) -> usize;
}

/// What rows may take, and what it means if they take more.
#[derive(Clone, Copy)]
pub(super) struct Bound {
    pub(super) room: Room,
    /// Of those that are kept, in bytes.
    pub(super) kept: usize,
    /// Of all that is read for them, in bytes.
    pub(super) read: usize,
    /// Whether the beginning of a list that breaks off is kept.
    pub(super) keeps_beginning: bool,
}

impl Bound {
    /// Of a list of which there are many.
    pub(super) fn of_one_list(room: Room) -> Self {
        let kept = room.of(KEPT_LITTLE, KEPT_MUCH);
        Self { room, kept, read: READ_LIST, keeps_beginning: true }
    }

    /// Of the one list that says what there is at all. It is kept, however much room there is.
    pub(super) const fn of_the_listing() -> Self {
        let (room, kept, read) = (Room::Much, KEPT_LISTING, READ_LISTING);
        Self { room, kept, read, keeps_beginning: false }
    }
}

/// One page.
pub(super) struct Page<K> {
    /// Each row's number, and what is kept of it.
    pub(super) rows: Vec<(i64, Option<Box<K>>)>,
    pub(super) total: Option<usize>,
    /// Whether its links name a next page.
    pub(super) next: bool,
    /// Whether it has links at all.
    pub(super) linked: bool,
    pub(super) unreadable: usize,
    pub(super) moved: Option<StatusCode>,
    pub(super) bytes: usize,
    weight: usize,
}

impl<K: Kept> Page<K> {
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

    /// The rows that can be read: one odd row must not hide the others.
    pub(super) fn read<R: Row>(
        answer: &Answer,
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
        let read = |row: &[u8]| -> Result<(i64, Option<K>)> {
            if row.len() > ROW_MAX {
                return Err(Error::faulty("a row of gitea is too long"));
            }
            let row: R = json::document(row, within.room)?;
            Ok((row.id(), keep(row)?))
        };
        answer.each_row(|row| match read(row) {
            Ok((id, kept)) => page.take(id, kept, within),
            Err(error) if error.is_oversized() => Err(error),
            Err(_) => {
                page.unreadable += 1;
                Ok(())
            }
        })?;
        Ok(page)
    }

    /// The page of a row that cannot be read, since it alone is longer than an answer may be.
    pub(super) fn of_unreadable() -> Self {
        Self { unreadable: 1, ..Self::empty() }
    }

    /// How many rows it has, those that cannot be read among them.
    pub(super) fn length(&self) -> usize {
        self.rows.len() + self.unreadable
    }

    /// Puts a page of the same list behind this one.
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
            return Err(within.room.lacks(Error::faulty("a page of gitea holds too much")));
        }
        Ok(())
    }
}

/// Whether there is a next page. Its address is never used: it may name another server.
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
