//! Changes since a cursor, from the feed, which lacks actions that members hide, and from
//! the list of repositories, which does not reflect every tag.

use std::collections::BTreeSet;

use registry_core::backend::changes::{ChangeCursor, Changes, Listed};
use registry_core::error::Result;

use crate::gitea::client::GiteaClient;
use crate::gitea::feed::{self, FeedRead, Position};
use crate::gitea::repositories::{FoundRepositories, RepositoryReader};
use crate::gitea::repository_cache::{RepositoryCache, Roster};

#[derive(Debug, PartialEq, Eq)]
struct FeedPlace {
    /// Position in the feed. `None` if the feed was not accessible.
    feed: Option<Position>,
    roster: u64,
}

/// Returns the extensions that may have changed. An inaccessible feed is not an error.
pub(super) async fn since(
    client: &GiteaClient,
    known: &RepositoryCache,
    repositories: &RepositoryReader,
    since: Option<&ChangeCursor>,
) -> Result<Changes> {
    let since = match since.map(FeedPlace::read) {
        Some(None) => return Ok(Changes::CannotTell),
        Some(place) => place,
        None => None,
    };
    let position = since.as_ref().and_then(|place| place.feed.as_ref());
    let (feed, mut dirty) = match feed::read(client, known, position).await? {
        FeedRead::TooFar => return Ok(Changes::CannotTell),
        FeedRead::NoFeed => (None, BTreeSet::new()),
        FeedRead::Until(position, touched) => (Some(position), touched),
    };
    let FoundRepositories { repositories, coverage, faults } = repositories.all().await?;
    let before = since.as_ref().and_then(|place| known.roster(place.roster));
    // A partial list must not report the missing repositories as removed.
    let lacking = if coverage.is_complete() { None } else { before.as_deref() };
    let now = Roster::of(&repositories, lacking);
    let roster = now.fingerprint();
    match (&since, &before) {
        (Some(_), Some(before)) => dirty.append(&mut now.differences(before)),
        // After a restart only the fingerprint of the earlier list is available.
        (Some(place), None) if place.roster != roster => return Ok(Changes::CannotTell),
        _ => {}
    }
    known.learn_roster(now, before);
    known.listed(repositories, coverage.is_complete());
    let cursor = FeedPlace { feed, roster }.write();
    let listed = Some(Listed { coverage, faults });
    Ok(Changes::These { dirty: dirty.into_iter().collect(), cursor, listed })
}

impl FeedPlace {
    fn write(&self) -> ChangeCursor {
        let feed = self.feed.as_ref().map_or_else(|| "-".to_owned(), Position::write);
        ChangeCursor::new(format!("{:016x}:{feed}", self.roster))
    }

    fn read(cursor: &ChangeCursor) -> Option<Self> {
        let (roster, feed) = cursor.as_str().split_once(':')?;
        // Exactly 16 digits: a cursor comes from a file and may be damaged.
        let roster = u64::from_str_radix(Some(roster).filter(|text| text.len() == 16)?, 16).ok()?;
        let feed = if feed == "-" { None } else { Some(Position::read(feed)?) };
        Some(Self { feed, roster })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_survives_being_written() {
        for feed in [
            Some(Position { newest: 1_700_000_000, seen: BTreeSet::from([3, 5]) }),
            Some(Position { newest: i64::MIN / 2, seen: BTreeSet::new() }),
            None,
        ] {
            let place = FeedPlace { feed, roster: 7 };
            assert_eq!(FeedPlace::read(&place.write()), Some(place));
        }
        let roster = "0000000000000007";
        for text in ["", "x", "7:-", "1700000000:3,5", "1:x", &format!("{roster}:1:1,x"), roster] {
            assert_eq!(FeedPlace::read(&ChangeCursor::new(text)), None, "{text}");
        }
    }
}
