//! Lists in pages, as Gitea cuts them: before it takes out what we may not see.
//!
//! A page may therefore be short or empty in the middle, and the total counts rows that never
//! come. Only the absence of a next page ends a list.

use futures_util::{StreamExt as _, stream};
use hyper::StatusCode;
use hyper::header::{HeaderMap, LINK};
use url::Url;

use crate::error::{Error, Result};
use crate::gitea::client::{GiteaClient, Reply};
use crate::gitea::models::Row;
use crate::gitea::rows::{Bound, Collector, Kept, ROWS_MAX, Rows};
use crate::http::answer::Answer;
use crate::http::json;
use crate::http::room::Room;

/// No list is followed further.
const PAGES_MAX: usize = 2_000;
/// Longest row, in bytes: a release of a thousand files has half of that.
const ROW_MAX: usize = 1024 * 1024;
/// What a row takes beside what is kept of it, in bytes.
const ROW: usize = 48;
/// What the rows of one page may take in memory, in bytes, where several are read ahead of their
/// turn.
const KEPT_AHEAD: usize = 512 * 1024;

/// One list to be read.
pub(super) struct Pages<'a> {
    client: &'a GiteaClient,
    operation: &'static str,
    url: Url,
}

/// One page.
pub(super) struct Page<K> {
    /// Each row's number, and what is kept of it.
    pub(super) rows: Vec<(i64, Option<Box<K>>)>,
    pub(super) total: Option<usize>,
    pub(super) next: bool,
    pub(super) unreadable: usize,
    pub(super) moved: Option<StatusCode>,
    pub(super) bytes: usize,
    weight: usize,
}

impl<'a> Pages<'a> {
    pub(super) const fn new(client: &'a GiteaClient, operation: &'static str, url: Url) -> Self {
        Self { client, operation, url }
    }

    /// Every page, several at once as far as the total promises them. A page that cannot be read
    /// leaves a gap; a refusal ends it all.
    pub(super) async fn ahead<R: Row, K: Kept>(
        &self,
        keep: impl Fn(R) -> Result<Option<K>> + Sync,
    ) -> Result<Option<Rows<K>>> {
        let (size, confirmed) = self.client.page_size().await?;
        let within = Bound { room: Room::Little, kept: KEPT_AHEAD, ..Bound::of_the_listing() };
        let Some(first) = self.page(1, size, &keep, within).await? else { return Ok(None) };
        let walk = Walk::behind(&first, size, confirmed);
        let mut all = Collector::begin(first, Bound::of_the_listing())?;
        let mut number = 1;
        while all.more && number < walk.bound {
            let last = walk.expected.max(number + 1);
            let pages =
                stream::iter(number + 1..=last).map(|at| self.page(at, size, &keep, within));
            let mut pages = pages.buffered(self.client.concurrency);
            while let Some(page) = pages.next().await {
                number += 1;
                all.take(page)?;
                if !all.more {
                    break;
                }
            }
        }
        Ok(Some(all.end()))
    }

    /// The same one page after the other, so that no more than one of them is held.
    pub(super) async fn one_by_one<R: Row, K: Kept>(
        &self,
        keep: impl Fn(R) -> Result<Option<K>> + Sync,
        within: Bound,
    ) -> Result<Option<Rows<K>>> {
        let (size, confirmed) = self.client.page_size().await?;
        let Some(first) = self.page(1, size, &keep, within).await? else { return Ok(None) };
        let walk = Walk::behind(&first, size, confirmed);
        let mut all = Collector::begin(first, within)?;
        for number in 2..=walk.bound {
            if !all.more {
                break;
            }
            all.take(self.page(number, size, &keep, within).await)?;
        }
        Ok(Some(all.end()))
    }

    /// One page, from 1; `None` if what is listed does not exist.
    pub(super) async fn page<R: Row, K: Kept>(
        &self,
        number: usize,
        size: usize,
        keep: &(impl Fn(R) -> Result<Option<K>> + Sync),
        within: Bound,
    ) -> Result<Option<Page<K>>> {
        let mut url = self.url.clone();
        url.query_pairs_mut()
            .append_pair("page", &number.to_string())
            .append_pair("limit", &size.to_string());
        match self.client.ask(self.operation, url, within.room).await? {
            Reply::Found(answer) => Page::read(&answer, keep, within).map(Some),
            Reply::Absent => Ok(None),
            Reply::SwitchedOff => Ok(Some(Page::empty())),
        }
    }
}

/// How far a list is followed.
struct Walk {
    /// Pages that the total promises.
    expected: usize,
    /// Pages after which it has no end.
    bound: usize,
}

impl Walk {
    fn behind<K>(first: &Page<K>, size: usize, confirmed: bool) -> Self {
        let expected = first.total.unwrap_or(0).div_ceil(size).clamp(2, PAGES_MAX);
        let bound = match first.total {
            Some(_) if confirmed => expected + 1,
            // A server that does not tell its page size may cut pages smaller than asked.
            Some(total) => (total + 1).clamp(expected, PAGES_MAX),
            None => PAGES_MAX,
        };
        Self { expected, bound }
    }
}

impl<K: Kept> Page<K> {
    const fn empty() -> Self {
        Self {
            rows: Vec::new(),
            total: None,
            next: false,
            unreadable: 0,
            moved: None,
            bytes: 0,
            weight: 0,
        }
    }

    /// The rows that can be read: one odd row must not hide the others.
    fn read<R: Row>(
        answer: &Answer,
        keep: impl Fn(R) -> Result<Option<K>>,
        within: Bound,
    ) -> Result<Self> {
        let total = answer.headers.get("x-total-count").and_then(|value| value.to_str().ok());
        let mut page = Self {
            total: total.and_then(|text| text.parse().ok()),
            next: has_next(&answer.headers),
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
