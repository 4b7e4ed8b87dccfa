//! Listings in pages: the catalogue of repositories and the tags of one.

use std::collections::HashSet;

use hyper::StatusCode;
use hyper::header::LINK;
use serde::Deserialize;
use url::Url;

use crate::error::{Error, Result};
use crate::http::answer::Answer;
use crate::oci::client::{Client, Question, REGISTRY};
use crate::oci::link::next_page;
use crate::oci::models::from_object;
use crate::oci::operations;
use crate::oci::repository::Repository;

/// Names asked for at once: no known registry caps below it.
const PAGE_NAMES: &str = "100";
/// Longest page, in bytes.
const PAGE_MAX: usize = 4 * 1024 * 1024;
/// Pages followed for one listing.
const PAGES_MAX: usize = 1_000;
/// Bytes that the names of one listing may take here, each with [`NAME_COST`]: some 400,000 names.
const NAMES_MAX: usize = 32 * 1024 * 1024;
/// What a name takes beside its letters.
const NAME_COST: usize = 64;

/// What a listing named, each once, in the registry's order.
#[derive(Debug, Default)]
pub struct Names {
    /// The names, unchecked.
    pub names: Vec<String>,
    /// Why names may be missing; `None` if the listing is complete.
    pub gap: Option<Error>,
}

/// A page of either listing; `null` is seen where there is nothing.
#[derive(Deserialize)]
struct Page {
    #[serde(alias = "repositories", alias = "tags")]
    names: Option<Vec<String>>,
}

impl Client {
    /// Every repository that the registry shows us.
    ///
    /// An empty page behind another that has changed meanwhile leaves a gap: zot answers so when the
    /// repository behind which it should go on is gone. Behind an unchanged one it is the end: zot
    /// promises a next page whenever a page is full.
    ///
    /// # Errors
    /// `NotFound` where the registry has no catalogue, `BackendRefused` where it is not for us, and
    /// what sending can bring. A failure behind the first page is a gap.
    pub async fn catalogue(&self) -> Result<Names> {
        let mut walk =
            Walk::new(self, REGISTRY, operations::CATALOGUE, self.registry.endpoint("_catalog"));
        walk.empty_end = Some("The catalogue ended with an empty page");
        walk.run().await
    }

    /// Every tag of a repository.
    ///
    /// # Errors
    /// `NotFound` for an unknown repository, `BackendRefused` where it is not for us, and what
    /// sending can bring. A failure behind the first page is a gap.
    pub async fn tags(&self, repository: &Repository) -> Result<Names> {
        let url = self.in_repository(repository, "tags/list");
        let subject = repository.as_str();
        let found = Walk::new(self, subject, operations::TAGS, url.clone()).run().await?;
        if !found.gap.as_ref().is_some_and(Error::is_not_found) {
            return Ok(found);
        }
        // The tag behind which zot should go on was deleted meanwhile: once more from the start.
        Walk::new(self, subject, operations::TAGS, url).run().await
    }
}

/// One walk through the pages of a listing.
struct Walk<'a> {
    client: &'a Client,
    subject: &'a str,
    operation: &'static str,
    start: Url,
    /// What it says of the listing if it ends with an empty page behind another.
    empty_end: Option<&'static str>,
    found: Names,
    seen: HashSet<String>,
    /// Bytes that the names take.
    weight: usize,
}

impl<'a> Walk<'a> {
    fn new(client: &'a Client, subject: &'a str, operation: &'static str, start: Url) -> Self {
        let (found, seen) = (Names::default(), HashSet::new());
        Self { client, subject, operation, start, empty_end: None, found, seen, weight: 0 }
    }

    async fn run(mut self) -> Result<Names> {
        let mut page = self.first().await?;
        let mut visited = HashSet::from([self.start.clone(), page.url.clone()]);
        loop {
            let named = self.take(&page)?;
            if named == 0 {
                return Ok(self.found);
            }
            if self.weight > NAMES_MAX {
                return Ok(self.cut(Error::faulty("The registry's listing is too long")));
            }
            let links = page.headers.get_all(LINK).iter().filter_map(|link| link.to_str().ok());
            let next = match next_page(&page.url, links) {
                Ok(Some(next)) => next,
                Ok(None) => return Ok(self.found),
                Err(error) => return Ok(self.cut(Error::faulty(error.to_string()))),
            };
            if visited.len() > PAGES_MAX || !visited.insert(next.clone()) {
                return Ok(self.cut(Error::faulty("The registry's listing has no end")));
            }
            let behind = match self.page(next).await.and_then(|page| self.checked(page)) {
                Ok(behind) => behind,
                Err(error) => return Ok(self.cut(error)),
            };
            if let Some(reason) = self.empty_end
                && read(&behind)?.is_empty()
                && !self.is_unchanged(&page).await
            {
                return Ok(self.cut(Error::faulty(reason)));
            }
            page = behind;
        }
    }

    fn cut(mut self, gap: Error) -> Names {
        self.found.gap = Some(gap);
        self.found
    }

    /// The first page, with a page size unless the registry cannot bear that one.
    async fn first(&self) -> Result<Answer> {
        let mut sized = self.start.clone();
        sized.query_pairs_mut().append_pair("n", PAGE_NAMES);
        let page = self.page(sized).await?;
        let too_large =
            matches!(page.status, StatusCode::BAD_REQUEST | StatusCode::PAYLOAD_TOO_LARGE);
        let page = if too_large { self.page(self.start.clone()).await? } else { page };
        self.checked(page)
    }

    /// Whether a page still holds the same names, so that the empty one behind it is an honest end.
    async fn is_unchanged(&self, page: &Answer) -> bool {
        let again = self.page(page.url.clone()).await.and_then(|again| self.checked(again));
        again.is_ok_and(|again| read(&again).ok() == read(page).ok())
    }

    fn checked(&self, page: Answer) -> Result<Answer> {
        match page.status {
            StatusCode::OK => Ok(page),
            _ => Err(Client::failure(&page, format!("No such {}", self.operation))),
        }
    }

    async fn page(&self, url: Url) -> Result<Answer> {
        let question = Question::get(self.operation, self.subject, url, "application/json");
        self.client.fetch(&question, PAGE_MAX).await
    }

    /// Takes the names of a page that were not there before; how many names it had.
    fn take(&mut self, page: &Answer) -> Result<usize> {
        let names = read(page)?;
        let count = names.len();
        for name in names {
            if self.weight <= NAMES_MAX && self.seen.insert(name.clone()) {
                self.weight += name.len() + NAME_COST;
                self.found.names.push(name);
            }
        }
        Ok(count)
    }
}

fn read(page: &Answer) -> Result<Vec<String>> {
    page.check_json()?;
    let page: Page = from_object(&page.body)
        .map_err(|error| Error::faulty("The registry's listing cannot be read").because(error))?;
    Ok(page.names.unwrap_or_default())
}
