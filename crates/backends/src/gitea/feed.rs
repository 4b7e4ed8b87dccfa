//! Activity feed of the organization: one request returns the repositories to read again.
//!
//! Entries are sorted newest first, but within one second oldest first. A new entry may appear
//! behind a known one, so entries within two seconds of the newest are identified by number.

use std::collections::BTreeSet;

use jiff::Timestamp;
use registry_core::error::{ErrorKind, Result};
use registry_core::models::naming::{ExtensionId, NAME_MAX};

use crate::gitea::client::{GiteaClient, GiteaReply};
use crate::gitea::models::ActivityRow;
use crate::gitea::paging::PagedList;
use crate::gitea::repository_cache::RepositoryCache;
use crate::gitea::rows::KeptRow;

/// Maximum number of pages; beyond them a full sweep is cheaper.
const PAGES_MAX: usize = 10;
/// Distance from the newest entry, in seconds, within which a new entry may have any position.
const OVERLAP_SECONDS: i64 = 2;
/// Parts of operation types that change no release.
const UNRELATED: [&str; 6] = ["issue", "pull", "comment", "star", "watch", "branch"];

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Position {
    /// Time of the newest entry, in seconds since 1970.
    pub(super) newest: i64,
    /// Numbers of the entries near that time.
    pub(super) seen: BTreeSet<i64>,
}

struct FeedEntry {
    /// Time in seconds since 1970.
    at: i64,
    id: i64,
    /// Number of the repository, and the extension of the repository's name.
    repository: i64,
    extension: Option<ExtensionId>,
    related: bool,
}

impl FeedEntry {
    /// Converts a row. `None` without a time, because the entry cannot be ordered.
    fn from_row(row: ActivityRow) -> Option<Self> {
        let at = row.created.parse::<Timestamp>().ok()?.as_second();
        let name = row.repo.map(|repository| repository.name);
        Some(Self {
            at,
            id: row.id,
            repository: row.repo_id,
            extension: name.as_deref().and_then(ExtensionId::from_gitea_repository),
            // Unknown operations count as related, so that a new server version hides no change.
            related: !UNRELATED.iter().any(|word| row.op_type.contains(word)),
        })
    }

    /// Returns the affected extensions, under the current and the former name.
    fn touched(&self, known: &RepositoryCache) -> impl Iterator<Item = ExtensionId> {
        let before = known.extension_of(self.repository);
        let related = self.related;
        self.extension.clone().into_iter().chain(before).filter(move |_| related)
    }
}

impl KeptRow for FeedEntry {
    fn weight(&self) -> usize {
        size_of::<Self>() + NAME_MAX
    }
}

pub(super) enum FeedRead {
    Until(Position, BTreeSet<ExtensionId>),
    /// The old position lies beyond the maximum number of pages.
    TooFar,
    /// The feed is not accessible: an old server, or a token without the scope.
    NoFeed,
}

/// Reads the feed since a position, or only determines the current one. Refusals are no errors.
pub(super) async fn read(
    client: &GiteaClient,
    known: &RepositoryCache,
    since: Option<&Position>,
) -> Result<FeedRead> {
    let entries = match entries_since(client, since).await {
        Ok(GiteaReply::Found(Some(entries))) => entries,
        Ok(GiteaReply::Found(None)) => return Ok(FeedRead::TooFar),
        Ok(GiteaReply::Absent | GiteaReply::Forbidden(_)) => return Ok(FeedRead::NoFeed),
        Err(error) if error.kind() == ErrorKind::BackendRefused => return Ok(FeedRead::NoFeed),
        Err(error) => return Err(error),
    };
    let touched = since.map_or_else(BTreeSet::new, |position| {
        let news = entries.iter().filter(|entry| position.precedes(entry));
        news.flat_map(|entry| entry.touched(known)).collect()
    });
    Ok(FeedRead::Until(Position::after(since, &entries), touched))
}

/// Reads back to an entry surely older than the position. `Found(None)` if that is too far.
async fn entries_since(
    client: &GiteaClient,
    since: Option<&Position>,
) -> Result<GiteaReply<Option<Vec<FeedEntry>>>> {
    let pages = PagedList::feed(client);
    let (size, _) = client.page_size().await?;
    let mut entries = Vec::new();
    for number in 1..=PAGES_MAX {
        let page = pages.page(number, size, &|row| Ok(FeedEntry::from_row(row)));
        let page = match page.await?.found() {
            Ok(page) => page,
            Err(missing) => return Ok(missing),
        };
        let end = page.rows.is_empty() || page.total.is_some_and(|total| number * size >= total);
        entries.extend(page.rows.into_iter().filter_map(|(_, entry)| entry).map(|entry| *entry));
        // Only an entry older than the overlap proves that all newer ones were read.
        let reached = since.is_none_or(|position| {
            entries.iter().any(|entry| entry.at <= position.newest - OVERLAP_SECONDS)
        });
        if end || reached {
            return Ok(GiteaReply::Found(Some(entries)));
        }
    }
    Ok(GiteaReply::Found(None))
}

impl Position {
    fn after(since: Option<&Self>, entries: &[FeedEntry]) -> Self {
        let newest = entries.iter().map(|entry| entry.at).max();
        // Half of the minimum, because the overlap is subtracted from it later.
        let newest = newest.max(since.map(|position| position.newest)).unwrap_or(i64::MIN / 2);
        let near = entries.iter().filter(|entry| entry.at > newest - OVERLAP_SECONDS);
        Self { newest, seen: near.map(|entry| entry.id).collect() }
    }

    fn precedes(&self, entry: &FeedEntry) -> bool {
        entry.at > self.newest - OVERLAP_SECONDS && !self.seen.contains(&entry.id)
    }

    pub(super) fn write(&self) -> String {
        let seen: Vec<String> = self.seen.iter().map(ToString::to_string).collect();
        format!("{}:{}", self.newest, seen.join(","))
    }

    pub(super) fn read(text: &str) -> Option<Self> {
        let (newest, seen) = text.split_once(':')?;
        let numbers = seen.split(',').filter(|text| !text.is_empty()).map(str::parse);
        Some(Self { newest: newest.parse().ok()?, seen: numbers.collect::<Result<_, _>>().ok()? })
    }
}
