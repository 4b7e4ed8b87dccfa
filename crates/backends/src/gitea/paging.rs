//! Paged lists. Gitea cuts pages first and then removes the rows that the account may not see.
//!
//! So a page may be short or empty, and the total counts hidden rows. A list ends if there is
//! no next link and no larger total and, if a proxy drops those headers, at an empty page.

use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::{StreamExt as _, stream};
use registry_core::error::Result;
use url::Url;

use crate::gitea::client::{GiteaClient, GiteaReply};
use crate::gitea::labels;
use crate::gitea::models::ListedRow;
use crate::gitea::rows::{Collector, KeptRow, ListBounds, ListRows, RowPage};
use crate::http::answer::UpstreamResponse;
use crate::http::memory_permit::ListMemory;

const PAGES_MAX: usize = 2_000;
/// Maximum number of pages per list that are split; enough for two oversized rows in a page.
const SPLITS_MAX: usize = 8;

/// About five thousand releases with one file each.
const RELEASES: ListBounds = ListBounds {
    kept: 4 * 1024 * 1024,
    first_page: 2 * 1024 * 1024,
    page: 2 * 1024 * 1024,
    read: 64 * 1024 * 1024,
    keeps_beginning: true,
};
/// A hundred thousand repositories with a short description.
const REPOSITORIES: ListBounds = ListBounds {
    kept: 64 * 1024 * 1024,
    first_page: 64 * 1024 * 1024,
    // Several pages are in memory at once, from the second on.
    page: 1024 * 1024,
    read: 1024 * 1024 * 1024,
    keeps_beginning: false,
};
const FEED: ListBounds = ListBounds { first_page: 64 * 1024, page: 64 * 1024, ..RELEASES };

pub(super) struct PagedList<'a> {
    client: &'a GiteaClient,
    operation: &'static str,
    url: Url,
    bounds: ListBounds,
    /// Number of pages that are requested at once.
    ahead: usize,
    memory: ListMemory,
    splits: AtomicUsize,
}

impl<'a> PagedList<'a> {
    /// The list of the organization's repositories, of which several pages are read at once.
    pub(super) fn repositories(client: &'a GiteaClient) -> Self {
        let (url, bounds) = (client.urls.repositories(), REPOSITORIES);
        let list = Self::new(client, labels::REPOSITORIES, url, bounds);
        Self { ahead: client.concurrency, ..list }
    }

    /// The list of a repository's releases.
    pub(super) fn releases(client: &'a GiteaClient, name: &str) -> Self {
        Self::new(client, labels::RELEASES, client.urls.releases(name), RELEASES)
    }

    /// The organization's activity feed, the newest entry first.
    pub(super) fn feed(client: &'a GiteaClient) -> Self {
        Self::new(client, labels::FEED, client.urls.feed(), FEED)
    }

    fn new(client: &'a GiteaClient, operation: &'static str, url: Url, bounds: ListBounds) -> Self {
        let (memory, splits) = (client.list_memory(), AtomicUsize::new(0));
        Self { client, operation, url, bounds, ahead: 1, memory, splits }
    }

    /// Reads all pages. A bad page is a gap, a refusal the end.
    pub(super) async fn read<R: ListedRow, K: KeptRow>(
        mut self,
        keep: impl Fn(R) -> Result<Option<K>> + Sync,
    ) -> Result<GiteaReply<ListRows<K>>> {
        let (size, confirmed) = self.client.page_size().await?;
        let first = match self.page(1, size, &keep).await?.found() {
            Ok(first) => first,
            Err(missing) => return Ok(missing),
        };
        // A server that ignores the page size may send everything in few pages.
        if first.length() > size {
            (self.ahead, self.bounds.page) = (1, self.bounds.first_page);
        }
        let (expected, bound) = expected_pages(first.total, size, confirmed);
        let mut all = Collector::begin(first, self.bounds, size);
        let mut number = 1;
        while all.more && number < bound {
            let last = expected.max(number + 1).min(bound);
            let pages = stream::iter(number + 1..=last).map(|at| self.page(at, size, &keep));
            let mut pages = pages.buffered(self.ahead);
            while all.more {
                self.reserve(all.weight()).await?;
                let Some(page) = pages.next().await else { break };
                number += 1;
                all.take(page)?;
            }
        }
        Ok(GiteaReply::Found(all.end()))
    }

    /// Waits for the memory that the rows so far need, but never beside pages that wait to be read.
    async fn reserve(&self, bytes: usize) -> Result<()> {
        if self.ahead == 1 { self.memory.reserve(bytes).await } else { Ok(()) }
    }

    /// Reads one page, counted from 1. A page that exceeds a bound is split.
    pub(super) async fn page<R: ListedRow, K: KeptRow>(
        &self,
        number: usize,
        size: usize,
        keep: &(impl Fn(R) -> Result<Option<K>> + Sync),
    ) -> Result<GiteaReply<RowPage<K>>> {
        match self.whole_page(number, size, keep).await {
            Err(error)
                if error.is_too_long()
                    && self.splits.fetch_add(1, Ordering::Relaxed) < SPLITS_MAX =>
            {
                match size {
                    // A single row that exceeds the limit cannot be split further.
                    1 => Ok(GiteaReply::Found(RowPage::of_unreadable())),
                    _ => Box::pin(self.in_parts(number, size, keep)).await,
                }
            }
            outcome => outcome,
        }
    }

    async fn in_parts<R: ListedRow, K: KeptRow>(
        &self,
        number: usize,
        size: usize,
        keep: &(impl Fn(R) -> Result<Option<K>> + Sync),
    ) -> Result<GiteaReply<RowPage<K>>> {
        let parts = smallest_factor(size);
        let (size, first) = (size / parts, (number - 1) * parts + 1);
        let mut all = match self.page(first, size, keep).await?.found() {
            Ok(page) => page,
            Err(missing) => return Ok(missing),
        };
        for number in first + 1..first + parts {
            // Each part costs a request, so that those beyond the total are skipped.
            if !all.next && all.total.is_some_and(|total| (number - 1) * size >= total) {
                break;
            }
            self.reserve(all.weight).await?;
            match self.page(number, size, keep).await?.found() {
                Ok(page) => all.append(page, self.bounds.kept)?,
                Err(missing) => return Ok(missing),
            }
        }
        Ok(GiteaReply::Found(all))
    }

    async fn whole_page<R: ListedRow, K: KeptRow>(
        &self,
        number: usize,
        size: usize,
        keep: &(impl Fn(R) -> Result<Option<K>> + Sync),
    ) -> Result<GiteaReply<RowPage<K>>> {
        let mut url = self.url.clone();
        url.query_pairs_mut()
            .append_pair("page", &number.to_string())
            .append_pair("limit", &size.to_string());
        let most = if number == 1 { self.bounds.first_page } else { self.bounds.page };
        let page = |answer: &UpstreamResponse| RowPage::read(answer, keep, size, most);
        self.client.find(self.operation, &url, page).await
    }
}

/// Returns the number of parts for a page. A divisor keeps the parts aligned with the page.
fn smallest_factor(size: usize) -> usize {
    (2..size).find(|factor| size.is_multiple_of(*factor)).unwrap_or(size)
}

/// Returns the number of pages, and the number after which the list counts as endless.
fn expected_pages(total: Option<usize>, size: usize, confirmed: bool) -> (usize, usize) {
    let expected = total.unwrap_or(0).div_ceil(size).clamp(2, PAGES_MAX);
    let bound = match total {
        Some(_) if confirmed => expected + 1,
        // A server with unknown page size may return smaller pages than requested.
        Some(total) => (total + 1).clamp(expected, PAGES_MAX),
        None => PAGES_MAX,
    };
    (expected, bound)
}
