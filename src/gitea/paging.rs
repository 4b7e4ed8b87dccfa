//! Lists in pages, as Gitea cuts them: before it takes out what we may not see.
//!
//! A page may therefore be short or empty in the middle, and the total counts rows that never
//! come. Only the absence of a next page ends a list.

use std::collections::HashSet;

use futures_util::{StreamExt as _, stream};
use hyper::StatusCode;
use hyper::header::{HeaderMap, LINK};
use serde::de::DeserializeOwned;
use serde_json::Value;
use url::Url;

use crate::error::{ErrorKind, Result};
use crate::gitea::client::{GiteaClient, Reply};
use crate::gitea::models::Row;
use crate::http::answer::Answer;

/// No list is followed further.
const PAGES_MAX: usize = 2_000;
/// Nor kept beyond this many rows, however many a page holds.
const ROWS_MAX: usize = 100_000;
/// Nor read beyond this many bytes: rows hold texts as long as the server likes.
const LIST_MAX: usize = 256 * 1024 * 1024;

/// One list to be read.
pub(super) struct Pages<'a> {
    client: &'a GiteaClient,
    operation: &'static str,
    url: Url,
}

/// The rows of a list, each once.
pub(super) struct Rows<T> {
    pub(super) rows: Vec<T>,
    /// How many the server counts, those hidden from us among them.
    pub(super) total: Option<usize>,
    /// Why not all of it was read; empty if it was.
    pub(super) gaps: Vec<String>,
    /// Rows that are there and cannot be read.
    pub(super) unreadable: usize,
    /// The status of a redirect on the way, which says that something was renamed.
    pub(super) moved: Option<StatusCode>,
}

/// One page.
pub(super) struct Page<T> {
    pub(super) rows: Vec<T>,
    pub(super) total: Option<usize>,
    next: bool,
    unreadable: usize,
    moved: Option<StatusCode>,
    bytes: usize,
}

impl<'a> Pages<'a> {
    pub(super) const fn new(client: &'a GiteaClient, operation: &'static str, url: Url) -> Self {
        Self { client, operation, url }
    }

    /// Every page. A page that cannot be read leaves a gap; a refusal ends it all.
    pub(super) async fn all<T: Row>(&self) -> Result<Option<Rows<T>>> {
        let (size, confirmed) = self.client.page_size().await?;
        let Some(first) = self.page(1, size).await? else { return Ok(None) };
        let (total, mut more) = (first.total, first.next);
        let expected = total.unwrap_or(0).div_ceil(size).clamp(2, PAGES_MAX);
        let bound = match total {
            Some(_) if confirmed => expected + 1,
            // A server that does not tell its page size may cut pages smaller than asked.
            Some(total) => (total + 1).clamp(expected, PAGES_MAX),
            None => PAGES_MAX,
        };
        let mut all = Collector::begin(first);
        let mut number = 1;
        while more && number < bound {
            // As far as the total promises pages, several are asked for at once.
            let ahead =
                if number < expected { number + 1..=expected } else { number + 1..=number + 1 };
            let pages = stream::iter(ahead).map(|number| self.page::<T>(number, size));
            let mut pages = pages.buffered(self.client.concurrency);
            while let Some(page) = pages.next().await {
                number += 1;
                more = all.take(page)?;
                if !more {
                    break;
                }
            }
        }
        if more {
            all.rows.gaps.push("a list of gitea has no end".to_owned());
        }
        Ok(Some(all.rows))
    }

    /// One page, from 1; `None` if what is listed does not exist.
    pub(super) async fn page<T: Row>(&self, number: usize, size: usize) -> Result<Option<Page<T>>> {
        let mut url = self.url.clone();
        url.query_pairs_mut()
            .append_pair("page", &number.to_string())
            .append_pair("limit", &size.to_string());
        match self.client.ask(self.operation, url).await? {
            Reply::Found(answer) => Page::read(&answer).map(Some),
            Reply::Absent => Ok(None),
            Reply::SwitchedOff => Ok(Some(Page {
                rows: Vec::new(),
                total: None,
                next: false,
                unreadable: 0,
                moved: None,
                bytes: 0,
            })),
        }
    }
}

impl<T: Row> Page<T> {
    fn read(answer: &Answer) -> Result<Self> {
        let (rows, unreadable) = lenient_rows(answer)?;
        let total = answer.headers.get("x-total-count").and_then(|value| value.to_str().ok());
        Ok(Self {
            rows,
            unreadable,
            total: total.and_then(|text| text.parse().ok()),
            next: has_next(&answer.headers),
            moved: answer.moved,
            bytes: answer.body.len(),
        })
    }
}

/// The rows that can be read, and how many cannot: one odd row must not hide the others.
fn lenient_rows<T: DeserializeOwned>(answer: &Answer) -> Result<(Vec<T>, usize)> {
    if let Ok(rows) = answer.json() {
        return Ok((rows, 0));
    }
    let rows: Vec<Value> = answer.json()?;
    let all = rows.len();
    let readable: Vec<T> =
        rows.into_iter().filter_map(|row| serde_json::from_value(row).ok()).collect();
    let unreadable = all - readable.len();
    Ok((readable, unreadable))
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

/// Rows as they come; a row that moved between two pages is taken once.
struct Collector<T> {
    rows: Rows<T>,
    seen: HashSet<i64>,
    bytes: usize,
}

impl<T: Row> Collector<T> {
    fn begin(first: Page<T>) -> Self {
        let (total, moved) = (first.total, first.moved);
        let rows = Rows { rows: Vec::new(), total, gaps: Vec::new(), unreadable: 0, moved };
        let mut collector = Self { rows, seen: HashSet::new(), bytes: 0 };
        collector.add(first);
        collector
    }

    /// Takes what came of one page; says whether there is another.
    fn take(&mut self, page: Result<Option<Page<T>>>) -> Result<bool> {
        match page {
            Ok(Some(page)) => Ok(self.add(page)),
            Ok(None) => {
                self.rows.gaps.push("a list of gitea vanished while it was read".to_owned());
                Ok(false)
            }
            Err(error) if error.kind() == ErrorKind::BackendFaulty => {
                self.rows.gaps.push(error.report());
                Ok(true)
            }
            Err(error) => Err(error),
        }
    }

    fn add(&mut self, page: Page<T>) -> bool {
        self.rows.unreadable += page.unreadable;
        self.bytes += page.bytes;
        let empty = page.rows.is_empty();
        let before = self.rows.rows.len();
        let seen = &mut self.seen;
        self.rows.rows.extend(page.rows.into_iter().filter(|row| seen.insert(row.id())));
        let repeats = !empty && self.rows.rows.len() == before;
        if repeats && page.next {
            self.rows.gaps.push("a list of gitea repeats itself".to_owned());
        }
        let room = self.has_room();
        page.next && !repeats && room
    }

    /// Whether the list may go on; what there is too much of is left out, and told.
    fn has_room(&mut self) -> bool {
        let fits = self.rows.rows.len() <= ROWS_MAX && self.bytes <= LIST_MAX;
        if !fits {
            self.rows.rows.truncate(ROWS_MAX);
            self.rows.gaps.push("a list of gitea is too long".to_owned());
        }
        fits
    }
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
