//! Lists in pages, as Gitea cuts them: before it takes out what we may not see.
//!
//! A page may therefore be short or empty in the middle, and the total counts rows that never
//! come. Only the absence of a next page ends a list.

use futures_util::{StreamExt as _, stream};
use url::Url;

use crate::error::Result;
use crate::gitea::client::{GiteaClient, Reply};
use crate::gitea::models::Row;
use crate::gitea::page::{Bound, Kept, Page};
use crate::gitea::rows::{Collector, Rows};
use crate::http::room::Room;

/// No list is followed further.
const PAGES_MAX: usize = 2_000;
/// What the rows of one page may take in memory, in bytes, where several are read ahead of their
/// turn.
const KEPT_AHEAD: usize = 512 * 1024;

/// One list to be read.
pub(super) struct Pages<'a> {
    client: &'a GiteaClient,
    operation: &'static str,
    url: Url,
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
