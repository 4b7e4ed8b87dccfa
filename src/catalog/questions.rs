//! Questions for what is not known: one for all who ask at the same time, a "no" that is
//! remembered for a while, and a budget, so that made-up names cost a backend nothing.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use lru::LruCache;
use parking_lot::Mutex;
use tokio::time::{Instant, timeout_at};

use crate::backend::coalesce::{Coalesced, Same};
use crate::catalog::Catalog;
use crate::catalog::intake::Origin;
use crate::catalog::member::Member;
use crate::catalog::room::no_room;
use crate::error::{Error, ErrorKind, Result};
use crate::models::backend_id::BackendId;
use crate::models::extension::{Extension, Release};
use crate::models::naming::ExtensionId;
use crate::models::scope::Scope;
use crate::models::tag::Tag;

/// The longest that a read other than a download waits for a backend (contract §4).
const PATIENCE: Duration = Duration::from_millis(2500);
/// Names and versions that a backend may be asked for in a second, though nothing is known of them.
const PER_SECOND: u32 = 5;
/// A "no" that is remembered; the least recently used is forgotten first.
const NOES_MAX: NonZeroUsize = NonZeroUsize::new(10_000).unwrap();

/// What was asked for and is not there.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Wanted {
    pub(super) id: ExtensionId,
    pub(super) what: What,
    pub(super) scope: Scope,
}

/// What of an extension.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum What {
    /// Anything.
    Extension,
    /// This version.
    Version(Tag),
    /// A version in this range.
    Range(String),
    /// This tag, asked for by itself.
    Tag(Tag),
}

/// Questions under way and the answers "no" of late.
pub(super) struct Questions {
    under_way: Coalesced<(ExtensionId, Scope), ()>,
    /// Extensions of which every release is read.
    pub(super) whole: Coalesced<(ExtensionId, BackendId), ()>,
    /// Releases that are read, each by what is known of it.
    pub(super) releases: Coalesced<Same<Release>, Arc<Release>>,
    noes: Mutex<LruCache<Wanted, No>>,
}

/// When a "no" was said, and of which view of the catalog it holds.
#[derive(Clone, Copy)]
struct No {
    said: Instant,
    revision: u64,
}

impl Default for Questions {
    fn default() -> Self {
        Self {
            under_way: Coalesced::default(),
            whole: Coalesced::default(),
            releases: Coalesced::default(),
            noes: Mutex::new(LruCache::new(NOES_MAX)),
        }
    }
}

/// Lets so many questions a second through, and as many at once after a pause.
#[derive(Debug)]
pub(super) struct Budget(Mutex<(u32, Instant)>);

impl Default for Budget {
    fn default() -> Self {
        Self(Mutex::new((PER_SECOND, Instant::now())))
    }
}

impl Budget {
    pub(super) fn take(&self) -> bool {
        let (left, since) = &mut *self.0.lock();
        let second = Duration::from_secs(1);
        if since.elapsed() >= second {
            (*left, *since) = (PER_SECOND, Instant::now());
        }
        let granted = *left > 0;
        *left = left.saturating_sub(1);
        granted
    }
}

impl Catalog {
    /// Whether every backend that could have it said no a moment ago, and nothing changed since.
    pub(super) fn was_denied(&self, wanted: &Wanted) -> bool {
        let revision = self.view().revision;
        let no = self.questions.noes.lock().get(wanted).copied();
        no.is_some_and(|no| no.revision == revision && no.said.elapsed() < self.rules.negative_ttl)
    }

    /// Remembers a "no".
    pub(super) fn deny(&self, wanted: Wanted) {
        let no = No { said: Instant::now(), revision: self.view().revision };
        self.questions.noes.lock().put(wanted, no);
    }

    /// Asks backends for one extension and takes over what they say. Shared with everyone who asks the same meanwhile; goes on when its callers leave.
    ///
    /// # Errors
    /// A backend answered neither yes nor no, or none in time.
    pub(super) async fn ask(
        self: &Arc<Self>,
        id: &ExtensionId,
        scope: Scope,
        budgeted: bool,
        deadline: Deadline,
    ) -> Result<()> {
        let (this, key) = (Arc::clone(self), (id.clone(), scope));
        let wanted = id.clone();
        let question = move || async move { this.ask_members(&wanted, scope, budgeted).await };
        let answer = deadline.wait(scope, self.questions.under_way.ask(&key, question)).await;
        answer.map_err(|error| self.held_back(scope, error))
    }

    async fn ask_members(
        self: &Arc<Self>,
        id: &ExtensionId,
        scope: Scope,
        budgeted: bool,
    ) -> Result<()> {
        let questions = self
            .asked(scope)
            .map(|member| async move { (member, self.ask_member(member, id, budgeted).await) });
        let mut failure = None;
        for (member, found) in join_all(questions).await {
            match found {
                Ok(Some(read)) => {
                    let read = vec![(id.clone(), read)];
                    let mut taken = self.take_in(member, read, Origin::Caller).await;
                    failure = failure.or(taken.failures.pop().map(|(_, error)| error));
                    if taken.no_room > 0 {
                        failure = failure.or_else(|| Some(no_room(member.id())));
                    }
                    taken.confirm(member);
                }
                // Not asked: the listing says no to a new name, and nothing to one that is known.
                Ok(None) => {}
                Err(error) => failure = failure.or(Some(error)),
            }
        }
        self.shown().await;
        failure.map_or(Ok(()), Err)
    }

    /// The answer of a backend. `None`: it was not asked, for want of budget, and its current
    /// listing stands for its answer; that is never a "no" to a name that is known.
    async fn ask_member(
        &self,
        member: &Member,
        id: &ExtensionId,
        budgeted: bool,
    ) -> Result<Option<Result<Extension>>> {
        if budgeted && !member.budget.take() {
            return self.beyond_budget(member, id).map(|()| None);
        }
        let found = member.extension(id).await;
        member.learned(&found);
        Ok(Some(found))
    }

    /// Why an extension that backends have is not served; `None` if no backend asked has it.
    pub(super) fn unserved(&self, id: &ExtensionId, scope: Scope) -> Option<Error> {
        let index = self.index.lock();
        let mut known = self.asked(scope).filter_map(|m| index.without_release(m.id(), id));
        let extension = known.next()?;
        let faults = extension.faults();
        let reasons: Vec<&str> = faults.iter().map(|fault| fault.reason.as_str()).collect();
        let because = match reasons.first() {
            Some(reason) => format!(": {reason}"),
            None => String::new(),
        };
        if faults.iter().any(|fault| fault.unreadable) || !extension.coverage().is_complete() {
            let message = format!("Extension {id} has no release that can be read");
            return Some(Error::faulty(message).because(reasons.join("; ")));
        }
        Some(Error::not_found(format!("Extension {id} has no release{because}")))
    }

    /// A complete listing that is current says no as well as an answer; without one nothing can.
    fn beyond_budget(&self, member: &Member, id: &ExtensionId) -> Result<()> {
        if member.held().refused > 0 {
            return Err(no_room(member.id()));
        }
        let (source, index) = (member.id(), self.index.lock());
        let is_listed = index.has(source, id);
        let proven =
            if is_listed { index.is_whole(source, id) } else { !member.evidence.may_name(id) };
        let has_no_release = index.without_release(source, id).is_some();
        drop(index);
        let age = member.status.complete_age().filter(|_| proven);
        if has_no_release || age.is_some_and(|age| age <= self.rules.ttl) {
            return Ok(());
        }
        Err(asked_too_much(member.id()))
    }
}

/// What a caller is told whose question is one too many just now.
pub(super) fn asked_too_much(source: BackendId) -> Error {
    let message = format!("The {source} backend gets too many lookups; retry in 1 s");
    Error::unavailable(message, Duration::from_secs(1))
}

/// Until when a read waits for backends, however many questions it asks one after the other.
#[derive(Clone, Copy, Debug)]
pub struct Deadline(Instant);

impl Deadline {
    /// That of a read which begins now.
    #[must_use]
    pub fn of_a_read() -> Self {
        Self(Instant::now() + PATIENCE)
    }

    /// That of who does not wait at all: what is asked is begun.
    pub(super) fn passed() -> Self {
        Self(Instant::now())
    }

    /// An answer, if it comes in time. What is asked must go on by itself.
    ///
    /// # Errors
    /// The answer's own; `BackendTimeout` if it takes longer.
    pub async fn wait<T>(self, scope: Scope, answer: impl Future<Output = Result<T>>) -> Result<T> {
        timeout_at(self.0, answer).await.unwrap_or_else(|_| Err(late(scope)))
    }
}

/// A backend took longer than a read waits.
fn late(scope: Scope) -> Error {
    let message = format!("{} did not answer in time; retry later", scope.subject());
    Error::new(ErrorKind::BackendTimeout, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::memory::MemoryBackend;
    use crate::catalog::{Merge, Rules};

    #[tokio::test]
    async fn made_up_names_leave_a_bounded_trace() {
        let rules = Rules {
            merge: Merge::Owner,
            allow_takeover: false,
            ttl: Duration::from_secs(300),
            stale_while_revalidate: Duration::from_secs(300),
            stale_if_error: Duration::from_secs(86_400),
            full_sweep: Duration::from_secs(3600),
            negative_ttl: Duration::from_secs(10),
            accept_changes: false,
            max_bytes: usize::MAX,
        };
        let backend = Arc::new(MemoryBackend::new(BackendId::OCI));
        let catalog = Catalog::new(vec![backend], rules);
        catalog.round(Scope::All).await.unwrap();
        for number in 0..3 * NOES_MAX.get() {
            let made_up = format!("made-up-{number}-provider");
            let id = ExtensionId::from_oci_repository(&made_up).unwrap();
            assert!(catalog.find(&id, Scope::All).await.unwrap_err().is_not_found());
        }
        assert_eq!(catalog.questions.noes.lock().len(), NOES_MAX.get());
        assert!(catalog.index.lock().owners().is_empty());
        assert_eq!(catalog.view().revision, catalog.index.lock().due_revision());
    }
}
