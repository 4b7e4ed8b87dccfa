//! Listings in pages: the catalog of repositories and the tags of one.

use std::collections::HashSet;

use hyper::StatusCode;
use hyper::header::LINK;
use url::Url;

use crate::error::{Error, ErrorKind, Result};
use crate::http::answer::Answer;
use crate::http::json;
use crate::http::room::Room;
use crate::models::coverage::Coverage;
use crate::models::digest::{Algorithm, Digest, DigestHasher};
use crate::oci::client::gathered::Gathered;
use crate::oci::client::names::each_name;
use crate::oci::client::{Client, Question, REGISTRY};
use crate::oci::link::Listing;
use crate::oci::operations;
use crate::oci::repository::Repository;
use crate::oci::unlisted::Unfit;

/// Names asked for at once: no known registry caps below it.
const PAGE_NAMES: &str = "100";
/// A page of so many names, or a multiple of it, may be one that was cut.
const FULL: usize = 100;
/// No registry cuts its pages above this.
const FULL_MAX: usize = 1_000;
/// Longest page, in bytes.
const PAGE_MAX: usize = 4 * 1024 * 1024;
/// Pages followed for one listing.
const PAGES_MAX: usize = 1_000;
/// Longest listing, in bytes of its pages: others' names are read, too, and not kept.
const READ_MAX: usize = 64 * 1024 * 1024;

/// What a listing named.
#[derive(Debug, Default)]
pub struct Names {
    /// Those that were asked for, each once, in the order of their letters.
    pub names: Vec<String>,
    /// How many there were in all.
    pub named: usize,
    /// How many of them are left out, for being older than the others.
    pub older: usize,
    /// Those that are no names here.
    pub unfit: Unfit,
    /// Why names may be missing; `None` if the listing is complete.
    pub gap: Option<Error>,
}

impl Names {
    /// How much of the list is proven.
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
    /// Every repository that the registry shows us and `is_wanted`.
    ///
    /// An empty page behind another that has changed meanwhile leaves a gap: zot answers so when the
    /// repository behind which it should go on is gone. Behind an unchanged one it is the end: zot
    /// promises a next page whenever a page is full. A full page without such a promise is no end:
    /// the registry is asked for what lies behind its last name.
    ///
    /// # Errors
    /// `NotFound` where the registry has no catalog, `BackendRefused` where it is not for us, and
    /// what sending can bring. A failure behind the first page is a gap.
    pub async fn catalog(&self, is_wanted: impl Fn(&str) -> bool + Sync) -> Result<Names> {
        let url = self.registry.endpoint("_catalog");
        let walk = Walk {
            empty_end: Some("The catalog ended with an empty page"),
            gathered: Gathered::wanted(&is_wanted),
            ..Walk::new(self, REGISTRY, operations::CATALOG, url, Room::Much)
        };
        self.http.alone(walk.run()).await
    }

    /// Every tag of a repository that can be a tag here, the newest of more than are listed.
    ///
    /// # Errors
    /// `NotFound` for an unknown repository, `BackendRefused` where it is not for us, and what
    /// sending can bring. A failure behind the first page is a gap.
    pub async fn tags(&self, repository: &Repository) -> Result<Names> {
        self.roomy(|room| self.tags_in(repository, room)).await
    }

    /// The same in this room.
    pub(in crate::oci) async fn tags_in(
        &self,
        repository: &Repository,
        room: Room,
    ) -> Result<Names> {
        let url = self.in_repository(repository, "tags/list");
        let walk = || Walk::new(self, repository.as_str(), operations::TAGS, url.clone(), room);
        let found = walk().run().await?;
        if !found.gap.as_ref().is_some_and(Error::is_not_found) {
            return Ok(found);
        }
        // The tag behind which zot should go on was deleted meanwhile: once more from the start.
        walk().run().await
    }
}

/// One walk through the pages of a listing.
struct Walk<'a> {
    client: &'a Client,
    subject: &'a str,
    operation: &'static str,
    start: Url,
    room: Room,
    /// What it says of the listing if it ends with an empty page behind another.
    empty_end: Option<&'static str>,
    gathered: Gathered<'a>,
    named: usize,
    /// Elements of lists that were no names.
    unnamed: usize,
    /// Bytes that were read.
    read: usize,
}

/// What is left of a page once its names were taken.
struct Page {
    url: Url,
    /// How many names it had.
    named: usize,
    unnamed: usize,
    /// Its last name.
    last: String,
    /// Tells its names from others.
    print: Digest,
    /// The next page, as the registry names it.
    link: Result<Option<Url>>,
}

impl<'a> Walk<'a> {
    fn new(
        client: &'a Client,
        subject: &'a str,
        operation: &'static str,
        start: Url,
        room: Room,
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
        let mut visited = HashSet::from([self.start.clone(), page.url.clone()]);
        let mut prints = HashSet::from([page.print.clone()]);
        let too_long = || Error::faulty("The registry's listing is too long");
        while page.named > 0 {
            if self.read > READ_MAX {
                return Ok(self.end(Some(too_long())));
            }
            if self.gathered.is_full(self.room) {
                return self.without_room(too_long());
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
                // A registry that does not know `last` answers the same again. That is all it has.
                let is_ignored = !is_named && matches!(page.link, Ok(None));
                let repeats = || Error::faulty("The registry's listing repeats itself");
                return Ok(self.end((!is_ignored).then(repeats)));
            }
        }
        Ok(self.end(None))
    }

    /// Where the listing goes on behind a page; `None`: nowhere.
    fn next_of(&self, page: &mut Page) -> Result<Option<Url>> {
        let link = std::mem::replace(&mut page.link, Ok(None))?;
        let may_be_cut = link.is_none() && page.may_be_cut();
        Ok(link.or_else(|| may_be_cut.then(|| self.place().page_behind(&page.last, PAGE_NAMES))))
    }

    /// The page behind another.
    ///
    /// # Errors
    /// The page's own; and an empty page behind one that has changed, where that says nothing.
    async fn page_behind(&mut self, page: &Page, next: Url) -> Result<Page> {
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

    fn place(&self) -> Listing<'_> {
        Listing { root: self.client.registry().base(), start: &self.start }
    }

    fn without_room(self, error: Error) -> Result<Names> {
        let error = self.room.lacks(error);
        if error.is_oversized() { Err(error) } else { Ok(self.end(Some(error))) }
    }

    fn end(self, gap: Option<Error>) -> Names {
        let (names, older, unfit) = self.gathered.names();
        let unnamed = self.unnamed;
        let odd = || Error::faulty(format!("{unnamed} elements of the listing are no names"));
        let gap = gap.or_else(|| (unnamed > 0).then(odd));
        Names { names, named: self.named, older, unfit, gap }
    }

    /// The first page, with a page size unless the registry cannot bear that one.
    async fn first(&mut self) -> Result<Page> {
        let mut sized = self.start.clone();
        sized.query_pairs_mut().append_pair("n", PAGE_NAMES);
        let page = self.ask(sized).await?;
        let too_large =
            matches!(page.status, StatusCode::BAD_REQUEST | StatusCode::PAYLOAD_TOO_LARGE);
        let page = if too_large { self.ask(self.start.clone()).await? } else { page };
        self.take(&page)
    }

    async fn page(&mut self, url: Url) -> Result<Page> {
        let page = self.ask(url).await?;
        self.take(&page)
    }

    /// Whether a page still holds the same names, so that the empty one behind it is an honest end.
    async fn is_unchanged(&self, url: &Url, print: &Digest) -> bool {
        let again = self.ask(url.clone()).await.and_then(|again| self.checked(&again, |_| {}));
        again.is_ok_and(|again| again.print == *print)
    }

    async fn ask(&self, url: Url) -> Result<Answer> {
        let question = Question::get(self.operation, self.subject, url, "application/json");
        self.client.fetch(&question, PAGE_MAX, self.room).await
    }

    /// Takes the names of a page, as far as they are kept.
    fn take(&mut self, page: &Answer) -> Result<Page> {
        self.read += page.body.len();
        let mut gathered = std::mem::replace(&mut self.gathered, Gathered::tags());
        let taken = self.checked(page, |name| gathered.take(name));
        self.gathered = gathered;
        let page = taken?;
        self.named += page.named;
        self.unnamed += page.unnamed;
        Ok(page)
    }

    /// What a page says beside its names, each of which is shown to `take`.
    fn checked(&self, page: &Answer, mut take: impl FnMut(&str)) -> Result<Page> {
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
        Ok(Page { url: page.url.clone(), named, unnamed, last, print: print.finish(), link })
    }

    /// The field that holds the names.
    fn field(&self) -> &'static str {
        if self.operation == operations::CATALOG { "repositories" } else { "tags" }
    }

    fn failure(&self, page: &Answer) -> Error {
        let is_catalog = self.operation == operations::CATALOG;
        let missing = format!("The registry has no such page of {}", self.operation);
        match page.status {
            StatusCode::METHOD_NOT_ALLOWED if is_catalog => Error::not_found(missing),
            _ => Client::failure(page, missing),
        }
    }
}

impl Page {
    /// Whether there may be names behind it although no next page is named: that is not required.
    fn may_be_cut(&self) -> bool {
        self.named.is_multiple_of(FULL) && self.named <= FULL_MAX
    }
}
