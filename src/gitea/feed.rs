//! The organization's feed: one question tells which repositories to read again.
//!
//! Its entries come newest second first, but inside one second oldest first, so an entry may
//! appear behind one that was seen before. Hence everything within two seconds of the newest
//! entry is told apart by number, not by place.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::error::{ErrorKind, Result};
use crate::gitea::client::{GiteaClient, Reply};
use crate::gitea::known::Known;
use crate::gitea::models::ActivityRow;
use crate::gitea::operations;
use crate::gitea::page::{Bound, Kept};
use crate::gitea::paging::Pages;
use crate::http::room::Room;
use crate::models::naming::{ExtensionId, NAME_MAX};

/// Further back a sweep is cheaper.
const PAGES_MAX: usize = 10;
/// What the entries of a page may take in memory, in bytes.
const KEPT: usize = 64 * 1024;
/// Entries this close to the newest one may still get company in front of them.
const OVERLAP_SECONDS: i64 = 2;
/// What is done to issues and the like changes no release.
const UNRELATED: [&str; 6] = ["issue", "pull", "comment", "star", "watch", "branch"];

/// How far the feed was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Position {
    /// Seconds since 1970 of the newest entry.
    pub(super) newest: i64,
    /// Numbers of the entries near it.
    pub(super) seen: BTreeSet<i64>,
}

/// What an entry of the feed tells us.
struct Entry {
    /// Seconds since 1970.
    at: i64,
    id: i64,
    /// The number of the repository that it is about, and the extension that this is by its name.
    repository: i64,
    extension: Option<ExtensionId>,
    /// Whether it can have changed a release.
    related: bool,
}

impl Entry {
    /// `None` without a time: nothing can be told of it.
    fn from_row(row: ActivityRow) -> Option<Self> {
        let at = row.created.parse::<Timestamp>().ok()?.as_second();
        let name = row.repo.map(|repository| repository.name);
        Some(Self {
            at,
            id: row.id,
            repository: row.repo_id,
            extension: name.as_deref().and_then(ExtensionId::from_gitea_repository),
            related: !UNRELATED.iter().any(|word| row.op_type.contains(word)),
        })
    }

    /// The extensions it is about: under the name it has, and under the name it had.
    fn touched(&self, known: &Known) -> impl Iterator<Item = ExtensionId> {
        let before = known.extension_of(self.repository);
        let related = self.related;
        self.extension.clone().into_iter().chain(before).filter(move |_| related)
    }
}

impl Kept for Entry {
    fn weight(&self) -> usize {
        size_of::<Self>() + NAME_MAX
    }
}

/// What was read of the feed.
pub(super) enum Read {
    /// How far it goes now, and the extensions that entries since the position are about.
    Until(Position, BTreeSet<ExtensionId>),
    /// The position lies further back than is read.
    TooFar,
    /// There is no feed for us: an old server, or a token that may not read it.
    NoFeed,
}

/// The feed since a position; without one, how far it goes now.
///
/// # Errors
/// Those of the questions, but for refusals: a token may read repositories and yet no feed.
pub(super) async fn read(
    client: &GiteaClient,
    known: &Known,
    since: Option<&Position>,
) -> Result<Read> {
    let entries = match client.roomy(|room| entries_since(client, since, room)).await {
        Ok(Reply::Found(Some(entries))) => entries,
        Ok(Reply::Found(None)) => return Ok(Read::TooFar),
        Ok(Reply::Absent | Reply::Forbidden(_)) => return Ok(Read::NoFeed),
        Err(error) if error.kind() == ErrorKind::BackendRefused => return Ok(Read::NoFeed),
        Err(error) => return Err(error),
    };
    let touched = since.map_or_else(BTreeSet::new, |position| {
        let news = entries.iter().filter(|entry| position.precedes(entry));
        news.flat_map(|entry| entry.touched(known)).collect()
    });
    Ok(Read::Until(Position::after(since, &entries), touched))
}

/// Entries back to one that is surely older than the position; `Found(None)` if that is too far.
async fn entries_since(
    client: &GiteaClient,
    since: Option<&Position>,
    room: Room,
) -> Result<Reply<Option<Vec<Entry>>>> {
    let pages = Pages::new(client, operations::FEED, client.urls.feed());
    let (size, _) = client.page_size().await?;
    let keep = |row| Ok(Entry::from_row(row));
    let within = Bound { kept: KEPT, ..Bound::of_one_list(room) };
    let mut entries = Vec::new();
    for number in 1..=PAGES_MAX {
        let page = match pages.page(number, size, &keep, within).await? {
            Reply::Found(page) => page,
            Reply::Absent => return Ok(Reply::Absent),
            Reply::Forbidden(refusal) => return Ok(Reply::Forbidden(refusal)),
        };
        let end = page.rows.is_empty() || page.total.is_some_and(|total| number * size >= total);
        entries.extend(page.rows.into_iter().filter_map(|(_, entry)| entry).map(|entry| *entry));
        let reached = since.is_none_or(|position| {
            entries.iter().any(|entry| entry.at <= position.newest - OVERLAP_SECONDS)
        });
        if end || reached {
            return Ok(Reply::Found(Some(entries)));
        }
    }
    Ok(Reply::Found(None))
}

impl Position {
    fn after(since: Option<&Self>, entries: &[Entry]) -> Self {
        let newest = entries.iter().map(|entry| entry.at).max();
        let newest = newest.max(since.map(|position| position.newest)).unwrap_or(i64::MIN / 2);
        let near = entries.iter().filter(|entry| entry.at > newest - OVERLAP_SECONDS);
        Self { newest, seen: near.map(|entry| entry.id).collect() }
    }

    /// Whether an entry came after this position was taken.
    fn precedes(&self, entry: &Entry) -> bool {
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
