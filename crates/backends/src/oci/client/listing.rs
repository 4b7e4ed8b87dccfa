//! Paged listings: the catalog of repositories, and the tags of one repository.

use std::collections::HashSet;

use hyper::StatusCode;
use registry_core::error::{Error, Result};
use registry_core::models::digest::Digest;
use url::Url;

use crate::http::answer::UpstreamResponse;
use crate::http::memory_permit::ListMemory;
use crate::oci::client::names::{NameCollector, Names};
use crate::oci::client::page::NamePage;
use crate::oci::client::{Client, REGISTRY, RegistryRequest, failure};
use crate::oci::labels;
use crate::oci::link::LinkedList;
use crate::oci::repository::OciRepository;

/// Page size in requests. No known registry has a smaller limit.
const PAGE_NAMES: &str = "100";
/// Maximum size of a page, in bytes.
const PAGE_MAX: usize = 4 * 1024 * 1024;
const PAGES_MAX: usize = 1_000;
/// Maximum size of a listing, in bytes; it includes the names of others, which are dropped.
const READ_MAX: usize = 64 * 1024 * 1024;
/// Message about a listing beyond [`READ_MAX`], or with too many names.
const TOO_LONG: &str = "The registry's listing is too long";

/// Reader of a registry's listings.
pub struct Lister<'a> {
    client: &'a Client,
}

impl<'a> Lister<'a> {
    pub(super) const fn new(client: &'a Client) -> Self {
        Self { client }
    }

    /// Lists the repositories that the registry shows and `is_wanted` accepts.
    ///
    /// An empty page after another that has changed meanwhile leaves a gap: zot responds this way
    /// if the repository to continue from is gone. After an unchanged page it is the end: zot
    /// announces a next page whenever a page is full. A full page without a link is not the end:
    /// the names after its last one are requested.
    ///
    /// # Errors
    /// `NotFound` if the registry has no catalog, `BackendRefused` if it is not accessible, and the
    /// errors of sending. A failure after the first page is a gap.
    pub async fn catalog(&self, is_wanted: impl Fn(&str) -> bool + Sync) -> Result<Names> {
        let url = self.client.registry().endpoint("_catalog");
        let walk = ListWalk {
            empty_end: Some("The catalog ended with an empty page"),
            collector: NameCollector::wanted(&is_wanted),
            ..ListWalk::new(self.client, REGISTRY, labels::CATALOG, url)
        };
        walk.run().await
    }

    /// Lists the valid tags of a repository, the newest ones if there are too many.
    ///
    /// # Errors
    /// `NotFound` for an unknown repository, `BackendRefused` if it is not accessible, and the
    /// errors of sending. A failure after the first page is a gap.
    pub async fn tags(&self, repository: &OciRepository) -> Result<Names> {
        let found = self.walk_tags(repository).await?;
        if !found.gap.as_ref().is_some_and(Error::is_not_found) {
            return Ok(found);
        }
        // The tag to continue from was deleted meanwhile, and zot responds with 404: start again
        // once.
        self.walk_tags(repository).await
    }

    async fn walk_tags(&self, repository: &OciRepository) -> Result<Names> {
        let url = self.client.in_repository(repository, "tags/list");
        ListWalk::new(self.client, repository.as_str(), labels::TAGS, url).run().await
    }
}

struct ListWalk<'a> {
    client: &'a Client,
    subject: &'a str,
    operation: &'static str,
    start: Url,
    /// Message if the listing ends with an empty page after another one.
    empty_end: Option<&'static str>,
    collector: NameCollector<'a>,
    memory: ListMemory,
    named: usize,
    unnamed: usize,
    read: usize,
}

impl<'a> ListWalk<'a> {
    fn new(client: &'a Client, subject: &'a str, operation: &'static str, start: Url) -> Self {
        let (collector, memory) = (NameCollector::tags(), client.list_memory());
        Self {
            client,
            subject,
            operation,
            start,
            empty_end: None,
            collector,
            memory,
            named: 0,
            unnamed: 0,
            read: 0,
        }
    }

    async fn run(mut self) -> Result<Names> {
        let mut page = self.first().await?;
        // A registry whose links form a circle would be followed forever.
        let mut visited = HashSet::from([self.start.clone(), page.url.clone()]);
        let mut prints = HashSet::from([page.print.clone()]);
        while page.named > 0 {
            // Checked before the next request, so that a full list costs no further page.
            if self.read > READ_MAX || self.collector.is_full() {
                return Ok(self.end(Some(Error::faulty(TOO_LONG))));
            }
            let is_named = matches!(page.link, Ok(Some(_)));
            let next = match self.next_of(&mut page) {
                Ok(Some(next)) => next,
                Ok(None) => break,
                Err(error) => return Ok(self.end(Some(error))),
            };
            if visited.len() > PAGES_MAX || !visited.insert(next.clone()) {
                return Ok(self.end(Some(Error::faulty("The registry's listing has no end"))));
            }
            self.memory.reserve(self.collector.weight()).await?;
            page = match self.page_behind(&page, next).await {
                Ok(behind) => behind,
                Err(error) => return Ok(self.end(Some(error))),
            };
            if page.named > 0 && !prints.insert(page.print.clone()) {
                // A registry that ignores `last` repeats the same page, which is then the complete
                // list.
                let is_ignored = !is_named && matches!(page.link, Ok(None));
                let gap =
                    (!is_ignored).then(|| Error::faulty("The registry's listing repeats itself"));
                return Ok(self.end(gap));
            }
        }
        Ok(self.end(None))
    }

    fn next_of(&self, page: &mut NamePage) -> Result<Option<Url>> {
        let link = std::mem::replace(&mut page.link, Ok(None))?;
        let may_be_cut = link.is_none() && page.may_be_cut();
        Ok(link.or_else(|| may_be_cut.then(|| self.list().page_behind(&page.last, PAGE_NAMES))))
    }

    /// Reads the next page. An empty one after a page that has changed is an error.
    async fn page_behind(&mut self, page: &NamePage, next: Url) -> Result<NamePage> {
        let behind = self.page(next).await?;
        match self.empty_end {
            Some(reason)
                if behind.named == 0 && !self.is_unchanged(&page.url, &page.print).await =>
            {
                Err(Error::faulty(reason))
            }
            _ => Ok(behind),
        }
    }

    fn list(&self) -> LinkedList<'_> {
        LinkedList { root: self.client.registry().base(), start: &self.start }
    }

    fn end(self, gap: Option<Error>) -> Names {
        let (names, older, unfit) = self.collector.names();
        let unnamed = self.unnamed;
        let gap = gap.or_else(|| {
            let message = format!("{unnamed} elements of the listing are not names");
            (unnamed > 0).then(|| Error::faulty(message))
        });
        Names { names, named: self.named, older, unfit, gap }
    }

    /// Reads the first page. The page size is omitted if the registry rejects it.
    async fn first(&mut self) -> Result<NamePage> {
        let mut sized = self.start.clone();
        sized.query_pairs_mut().append_pair("n", PAGE_NAMES);
        let page = self.ask(sized).await?;
        // The limit on `n` is the registry's choice; distribution responds with 400 above it.
        let too_large =
            matches!(page.status, StatusCode::BAD_REQUEST | StatusCode::PAYLOAD_TOO_LARGE);
        if too_large {
            drop(page);
            return self.page(self.start.clone()).await;
        }
        self.take(&page)
    }

    async fn page(&mut self, url: Url) -> Result<NamePage> {
        let page = self.ask(url).await?;
        self.take(&page)
    }

    /// Returns true if a page still has the same names, so that the empty page after it is the end.
    async fn is_unchanged(&self, url: &Url, print: &Digest) -> bool {
        let again = self.ask(url.clone()).await.and_then(|again| {
            self.check(&again)?;
            NamePage::read(&again, field_of(self.operation), self.list(), |_| {})
        });
        again.is_ok_and(|again| again.print == *print)
    }

    async fn ask(&self, url: Url) -> Result<UpstreamResponse> {
        let question = RegistryRequest::get(self.operation, self.subject, url, "application/json");
        self.client.fetch(&question, PAGE_MAX).await
    }

    fn take(&mut self, answer: &UpstreamResponse) -> Result<NamePage> {
        self.read += answer.body.len();
        self.check(answer)?;
        let list = LinkedList { root: self.client.registry().base(), start: &self.start };
        let collector = &mut self.collector;
        let field = field_of(self.operation);
        let page = NamePage::read(answer, field, list, |name| collector.take(name))?;
        self.named += page.named;
        self.unnamed += page.unnamed;
        Ok(page)
    }

    fn check(&self, answer: &UpstreamResponse) -> Result<()> {
        let is_catalog = self.operation == labels::CATALOG;
        let missing = format!("The registry has no such page of {}", self.operation);
        match answer.status {
            StatusCode::OK => Ok(()),
            // Some registries without a catalog reject the method instead of responding with 404.
            StatusCode::METHOD_NOT_ALLOWED if is_catalog => Err(Error::not_found(missing)),
            _ => Err(failure(answer, missing)),
        }
    }
}

fn field_of(operation: &str) -> &'static str {
    if operation == labels::CATALOG { "repositories" } else { "tags" }
}
