//! Paged listings: the catalog of repositories, and the tags of one repository.

use std::collections::HashSet;

use hyper::StatusCode;
use hyper::header::LINK;
use url::Url;

use crate::error::{Error, ErrorKind, Result};
use crate::http::answer::UpstreamResponse;
use crate::http::json;
use crate::http::memory_budget::MemoryBudget;
use crate::models::coverage::Coverage;
use crate::models::digest::{Algorithm, Digest, DigestHasher};
use crate::oci::client::gathered::Gathered;
use crate::oci::client::names::each_name;
use crate::oci::client::{Client, REGISTRY, RegistryRequest};
use crate::oci::labels;
use crate::oci::link::LinkedList;
use crate::oci::repository::OciRepository;
use crate::oci::unlisted::Unfit;

/// Page size in requests. No known registry has a smaller limit.
const PAGE_NAMES: &str = "100";
/// A page with this number of names, or a multiple, may be truncated.
const FULL: usize = 100;
/// Largest page size at which a registry truncates.
const FULL_MAX: usize = 1_000;
/// Maximum size of a page, in bytes.
const PAGE_MAX: usize = 4 * 1024 * 1024;
const PAGES_MAX: usize = 1_000;
/// Maximum size of a listing, in bytes; it includes the names of others, which are dropped.
const READ_MAX: usize = 64 * 1024 * 1024;
/// Message about a listing beyond [`READ_MAX`], or beyond the room for its names.
const TOO_LONG: &str = "The registry's listing is too long";

/// Result of a listing.
#[derive(Debug, Default)]
pub struct Names {
    /// Wanted names, sorted and without duplicates.
    pub names: Vec<String>,
    /// Total number of names.
    pub named: usize,
    /// Number of names dropped because they are older than the others.
    pub older: usize,
    /// Names that are not valid.
    pub unfit: Unfit,
    /// Reason why names may be missing. `None` if the listing is complete.
    pub gap: Option<Error>,
}

impl Names {
    /// Returns the coverage of the list.
    #[must_use]
    pub fn coverage(&self) -> Coverage {
        match &self.gap {
            None if self.older > 0 => {
                let reason = format!("{} of its tags are older than those listed", self.older);
                Coverage::Bounded(reason.into())
            }
            None => Coverage::Complete,
            Some(gap) => {
                let reason = format!("a part of the list is missing: {}", gap.report()).into();
                match gap.kind() {
                    ErrorKind::BackendRefused => Coverage::Refused(reason),
                    _ => Coverage::Partial(reason),
                }
            }
        }
    }
}

impl Client {
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
        let url = self.registry.endpoint("_catalog");
        let walk = ListWalk {
            empty_end: Some("The catalog ended with an empty page"),
            gathered: Gathered::wanted(&is_wanted),
            ..ListWalk::new(self, REGISTRY, labels::CATALOG, url, MemoryBudget::Much)
        };
        self.http.alone(walk.run()).await
    }

    /// Lists the valid tags of a repository, the newest ones if there are too many.
    ///
    /// # Errors
    /// `NotFound` for an unknown repository, `BackendRefused` if it is not accessible, and the
    /// errors of sending. A failure after the first page is a gap.
    pub async fn tags(&self, repository: &OciRepository) -> Result<Names> {
        self.roomy(|room| self.tags_in(repository, room)).await
    }

    pub(in crate::oci) async fn tags_in(
        &self,
        repository: &OciRepository,
        room: MemoryBudget,
    ) -> Result<Names> {
        let found = self.walk_tags(repository, room).await?;
        if !found.gap.as_ref().is_some_and(Error::is_not_found) {
            return Ok(found);
        }
        // The tag to continue from was deleted meanwhile, and zot responds with 404: start again
        // once.
        self.walk_tags(repository, room).await
    }

    async fn walk_tags(&self, repository: &OciRepository, room: MemoryBudget) -> Result<Names> {
        let url = self.in_repository(repository, "tags/list");
        ListWalk::new(self, repository.as_str(), labels::TAGS, url, room).run().await
    }
}

struct ListWalk<'a> {
    client: &'a Client,
    subject: &'a str,
    operation: &'static str,
    start: Url,
    room: MemoryBudget,
    /// Message if the listing ends with an empty page after another one.
    empty_end: Option<&'static str>,
    gathered: Gathered<'a>,
    named: usize,
    unnamed: usize,
    read: usize,
}

struct TagPage {
    url: Url,
    named: usize,
    unnamed: usize,
    last: String,
    print: Digest,
    link: Result<Option<Url>>,
}

impl<'a> ListWalk<'a> {
    fn new(
        client: &'a Client,
        subject: &'a str,
        operation: &'static str,
        start: Url,
        room: MemoryBudget,
    ) -> Self {
        let gathered = Gathered::tags();
        Self {
            client,
            subject,
            operation,
            start,
            room,
            empty_end: None,
            gathered,
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
            if self.read > READ_MAX {
                return Ok(self.end(Some(Error::faulty(TOO_LONG))));
            }
            // Checked before the next request, so that a full list costs no further page.
            if self.gathered.is_full(self.room) {
                return self.without_room(Error::faulty(TOO_LONG));
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
            page = match self.page_behind(&page, next).await {
                Ok(behind) => behind,
                Err(error) if error.is_oversized() => return Err(error),
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

    fn next_of(&self, page: &mut TagPage) -> Result<Option<Url>> {
        let link = std::mem::replace(&mut page.link, Ok(None))?;
        let may_be_cut = link.is_none() && page.may_be_cut();
        Ok(link.or_else(|| may_be_cut.then(|| self.place().page_behind(&page.last, PAGE_NAMES))))
    }

    /// Reads the next page. An empty one after a page that has changed is an error.
    async fn page_behind(&mut self, page: &TagPage, next: Url) -> Result<TagPage> {
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

    fn place(&self) -> LinkedList<'_> {
        LinkedList { root: self.client.registry().base(), start: &self.start }
    }

    fn without_room(self, error: Error) -> Result<Names> {
        let error = self.room.lacks(error);
        if error.is_oversized() { Err(error) } else { Ok(self.end(Some(error))) }
    }

    fn end(self, gap: Option<Error>) -> Names {
        let (names, older, unfit) = self.gathered.names();
        let unnamed = self.unnamed;
        let gap = gap.or_else(|| {
            let message = format!("{unnamed} elements of the listing are not names");
            (unnamed > 0).then(|| Error::faulty(message))
        });
        Names { names, named: self.named, older, unfit, gap }
    }

    /// Reads the first page. The page size is omitted if the registry rejects it.
    async fn first(&mut self) -> Result<TagPage> {
        let mut sized = self.start.clone();
        sized.query_pairs_mut().append_pair("n", PAGE_NAMES);
        let page = self.ask(sized).await?;
        // The limit on `n` is the registry's choice; distribution responds with 400 above it.
        let too_large =
            matches!(page.status, StatusCode::BAD_REQUEST | StatusCode::PAYLOAD_TOO_LARGE);
        let page = if too_large { self.ask(self.start.clone()).await? } else { page };
        self.take(&page)
    }

    async fn page(&mut self, url: Url) -> Result<TagPage> {
        let page = self.ask(url).await?;
        self.take(&page)
    }

    /// Returns true if a page still has the same names, so that the empty page after it is the end.
    async fn is_unchanged(&self, url: &Url, print: &Digest) -> bool {
        let again = self.ask(url.clone()).await.and_then(|again| self.checked(&again, |_| {}));
        again.is_ok_and(|again| again.print == *print)
    }

    async fn ask(&self, url: Url) -> Result<UpstreamResponse> {
        let question = RegistryRequest::get(self.operation, self.subject, url, "application/json");
        self.client.fetch(&question, PAGE_MAX, self.room).await
    }

    fn take(&mut self, page: &UpstreamResponse) -> Result<TagPage> {
        self.read += page.body.len();
        // `checked` borrows the whole walk, so that the names are moved out meanwhile.
        let mut gathered = std::mem::replace(&mut self.gathered, Gathered::tags());
        let taken = self.checked(page, |name| gathered.take(name));
        self.gathered = gathered;
        let page = taken?;
        self.named += page.named;
        self.unnamed += page.unnamed;
        Ok(page)
    }

    fn checked(&self, page: &UpstreamResponse, mut take: impl FnMut(&str)) -> Result<TagPage> {
        if page.status != StatusCode::OK {
            return Err(self.failure(page));
        }
        page.check_json()?;
        json::check_depth(&page.body)?;
        let (mut named, mut last) = (0, String::new());
        let mut print = DigestHasher::new(Algorithm::Sha256);
        let unnamed = each_name(&page.body, self.field(), |name| {
            named += 1;
            last.clear();
            last.push_str(name);
            print.update(name.as_bytes());
            print.update(b"\n");
            take(name);
        })
        .map_err(|error| Error::faulty("The registry's listing cannot be read").because(error))?;
        let links = page.headers.get_all(LINK).iter().filter_map(|link| link.to_str().ok());
        let link = self.place().next_page(&page.url, links);
        let link = link.map_err(|error| Error::faulty(error.to_string()));
        Ok(TagPage { url: page.url.clone(), named, unnamed, last, print: print.finish(), link })
    }

    fn field(&self) -> &'static str {
        if self.operation == labels::CATALOG { "repositories" } else { "tags" }
    }

    fn failure(&self, page: &UpstreamResponse) -> Error {
        let is_catalog = self.operation == labels::CATALOG;
        let missing = format!("The registry has no such page of {}", self.operation);
        match page.status {
            // Some registries without a catalog reject the method instead of responding with 404.
            StatusCode::METHOD_NOT_ALLOWED if is_catalog => Error::not_found(missing),
            _ => Client::failure(page, missing),
        }
    }
}

impl TagPage {
    /// Returns true if names may follow without a link to the next page, which is optional.
    fn may_be_cut(&self) -> bool {
        self.named.is_multiple_of(FULL) && self.named <= FULL_MAX
    }
}
