//! Paged lists. Gitea cuts pages first and then removes the rows that the account may not see.
//!
//! So a page may be short or empty, and the total counts hidden rows. A list ends if there is
//! no next link and no larger total and, if a proxy drops those headers, at an empty page.

use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::{StreamExt as _, stream};
use url::Url;

use crate::error::Result;
use crate::gitea::client::{GiteaClient, Reply};
use crate::gitea::models::Row;
use crate::gitea::page::{Bound, KeptRows, ReleasePage};
use crate::gitea::rows::{Collector, Rows};
use crate::http::memory_budget::MemoryBudget;

const PAGES_MAX: usize = 2_000;
/// Maximum memory for the rows of one page, in bytes, while several pages are read ahead.
const KEPT_AHEAD: usize = 512 * 1024;

/// Maximum number of oversized responses per list; enough for two oversized rows in a page.
const TOO_LONG_MAX: usize = 8;

pub(super) struct ReleasePages<'a> {
    client: &'a GiteaClient,
    operation: &'static str,
    url: Url,
    too_long: AtomicUsize,
}

impl<'a> ReleasePages<'a> {
    pub(super) const fn new(client: &'a GiteaClient, operation: &'static str, url: Url) -> Self {
        Self { client, operation, url, too_long: AtomicUsize::new(0) }
    }

    /// Reads several pages at once if the total is known. A bad page is a gap, a refusal the end.
    pub(super) async fn ahead<R: Row, K: KeptRows>(
        &self,
        keep: impl Fn(R) -> Result<Option<K>> + Sync,
    ) -> Result<Reply<Rows<K>>> {
        let (size, confirmed) = self.client.page_size().await?;
        let within =
            Bound { room: MemoryBudget::Little, kept: KEPT_AHEAD, ..Bound::of_the_listing() };
        let first = match self.page(1, size, &keep, within).await? {
            Reply::Found(first) => first,
            Reply::Absent => return Ok(Reply::Absent),
            Reply::Forbidden(refusal) => return Ok(Reply::Forbidden(refusal)),
        };
        let walk = PageWalk::behind(&first, size, confirmed);
        let mut all = Collector::begin(first, Bound::of_the_listing(), size)?;
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
        Ok(Reply::Found(all.end()))
    }

    /// Reads all pages one after the other, so that only one page is in memory.
    pub(super) async fn one_by_one<R: Row, K: KeptRows>(
        &self,
        keep: impl Fn(R) -> Result<Option<K>> + Sync,
        within: Bound,
    ) -> Result<Reply<Rows<K>>> {
        let (size, confirmed) = self.client.page_size().await?;
        let first = match self.page(1, size, &keep, within).await? {
            Reply::Found(first) => first,
            Reply::Absent => return Ok(Reply::Absent),
            Reply::Forbidden(refusal) => return Ok(Reply::Forbidden(refusal)),
        };
        let walk = PageWalk::behind(&first, size, confirmed);
        let mut all = Collector::begin(first, within, size)?;
        for number in 2..=walk.bound {
            if !all.more {
                break;
            }
            all.take(self.page(number, size, &keep, within).await)?;
        }
        Ok(Reply::Found(all.end()))
    }

    /// Reads one page, counted from 1. A page that exceeds the size limit is split.
    pub(super) async fn page<R: Row, K: KeptRows>(
        &self,
        number: usize,
        size: usize,
        keep: &(impl Fn(R) -> Result<Option<K>> + Sync),
        within: Bound,
    ) -> Result<Reply<ReleasePage<K>>> {
        match self.whole_page(number, size, keep, within).await {
            Err(error)
                if error.is_too_long()
                    && !error.is_oversized()
                    && self.too_long.fetch_add(1, Ordering::Relaxed) < TOO_LONG_MAX =>
            {
                match size {
                    // A single row that exceeds the limit cannot be split further.
                    1 => Ok(Reply::Found(ReleasePage::of_unreadable())),
                    _ => Box::pin(self.in_parts(number, size, keep, within)).await,
                }
            }
            outcome => outcome,
        }
    }

    async fn in_parts<R: Row, K: KeptRows>(
        &self,
        number: usize,
        size: usize,
        keep: &(impl Fn(R) -> Result<Option<K>> + Sync),
        within: Bound,
    ) -> Result<Reply<ReleasePage<K>>> {
        let parts = smallest_factor(size);
        let (size, first) = (size / parts, (number - 1) * parts + 1);
        let mut all = match self.page(first, size, keep, within).await? {
            Reply::Found(page) => page,
            other => return Ok(other),
        };
        for number in first + 1..first + parts {
            // Each part costs a request, so that those beyond the total are skipped.
            if !all.next && all.total.is_some_and(|total| (number - 1) * size >= total) {
                break;
            }
            match self.page(number, size, keep, within).await? {
                Reply::Found(page) => all.append(page),
                other => return Ok(other),
            }
        }
        Ok(Reply::Found(all))
    }

    async fn whole_page<R: Row, K: KeptRows>(
        &self,
        number: usize,
        size: usize,
        keep: &(impl Fn(R) -> Result<Option<K>> + Sync),
        within: Bound,
    ) -> Result<Reply<ReleasePage<K>>> {
        let mut url = self.url.clone();
        url.query_pairs_mut()
            .append_pair("page", &number.to_string())
            .append_pair("limit", &size.to_string());
        match self.client.ask(self.operation, url, within.room).await? {
            Reply::Found(answer) => ReleasePage::read(&answer, keep, within).map(Reply::Found),
            Reply::Absent => Ok(Reply::Absent),
            Reply::Forbidden(refusal) => Ok(Reply::Forbidden(refusal)),
        }
    }
}

/// Returns the number of parts for a page. A divisor keeps the parts aligned with the page.
fn smallest_factor(size: usize) -> usize {
    (2..size).find(|factor| size.is_multiple_of(*factor)).unwrap_or(size)
}

struct PageWalk {
    expected: usize,
    /// Number of pages after which the list counts as endless.
    bound: usize,
}

impl PageWalk {
    fn behind<K>(first: &ReleasePage<K>, size: usize, confirmed: bool) -> Self {
        let expected = first.total.unwrap_or(0).div_ceil(size).clamp(2, PAGES_MAX);
        let bound = match first.total {
            Some(_) if confirmed => expected + 1,
            // A server with unknown page size may return smaller pages than requested.
            Some(total) => (total + 1).clamp(expected, PAGES_MAX),
            None => PAGES_MAX,
        };
        Self { expected, bound }
    }
}
