//! The catalog: what is known of every backend, merged into one view that reads never wait for.

mod beyond;
pub mod details;
pub mod dirty;
mod downloads;
mod evidence;
mod faults;
pub mod first_seen;
pub mod index;
mod intake;
mod member;
pub mod moment;
mod newest;
pub mod ownership;
mod pace;
mod pauses;
mod probing;
pub mod questions;
pub mod reads;
pub mod resolve;
mod retagged;
mod room;
pub mod rounds;
pub mod search;
pub mod snapshot;
pub mod status;
mod sweep;
pub mod sync;
mod vacancy;

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use crate::backend::{Backend, Fault};
use crate::catalog::first_seen::{Completed, FirstSeen};
use crate::catalog::index::{Index, View};
use crate::catalog::member::Member;
use crate::catalog::moment::Moment;
use crate::catalog::pace::{Pace, Turn};
use crate::catalog::questions::Questions;
use crate::catalog::status::Status;
use crate::models::backend_id::BackendId;
use crate::models::naming::ExtensionId;
use crate::models::scope::Scope;

/// How backends share names, and how long what they said stays current.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// What happens to a name that several backends have.
    pub merge: Merge,
    /// Whether a name passes to the next backend when its owner loses it.
    pub allow_takeover: bool,
    /// How long a backend's answers are current.
    pub ttl: Duration,
    /// How much longer they go unmarked while they are made current.
    pub stale_while_revalidate: Duration,
    /// How old what is known of a backend may be and still answer for it.
    pub stale_if_error: Duration,
    /// How long change rounds may go on before everything is swept again.
    pub full_sweep: Duration,
    /// How long a "no" to a name or version that is not known is remembered.
    pub negative_ttl: Duration,
    /// Whether a version's archive may become another one than the one first downloaded.
    pub accept_changes: bool,
    /// About how many bytes the extensions of one backend may take up.
    pub max_bytes: usize,
}

impl Rules {
    /// Whether answers of this age are marked.
    #[must_use]
    pub fn is_stale(&self, age: Duration) -> bool {
        age > (self.ttl + self.stale_while_revalidate).min(self.stale_if_error)
    }

    /// Whether something of this age answers no more.
    fn is_too_old(&self, age: Duration) -> bool {
        age > self.stale_if_error
    }
}

/// What happens to a name that several backends have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Merge {
    /// The first in order answers for it alone.
    #[default]
    Owner,
    /// Their versions are pooled; equal versions fall to the first in order.
    Union,
}

/// Everything known of all backends. Reads take the current [`View`]; one writer per backend
/// (`sync`) changes the index behind it.
pub struct Catalog {
    members: Vec<Member>,
    rules: Rules,
    index: Mutex<Index>,
    /// Locked within the index.
    pace: Mutex<Pace>,
    view: watch::Sender<Arc<View>>,
    questions: Questions,
    /// Why what is known is not kept on disk, while it should be and is not.
    unkept: Mutex<Option<String>>,
    first_seen: Arc<FirstSeen>,
}

/// How old an answer is, and which backends' part of it is stale or missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Freshness {
    /// Time since the backend asked least recently last answered.
    pub age: Duration,
    /// Backends whose part is stale or missing.
    pub degraded: Vec<BackendId>,
}

impl Freshness {
    /// Parts of these backends are stale or missing too; each is named once.
    pub fn lacks(&mut self, backends: impl IntoIterator<Item = BackendId>) {
        for backend in backends {
            if !self.degraded.contains(&backend) {
                self.degraded.push(backend);
            }
        }
    }
}

impl Catalog {
    /// A catalog over these backends, in the order in which they own names. Nothing is known
    /// of them until [`sync::run`] has been started.
    #[must_use]
    pub fn new(backends: Vec<Arc<dyn Backend>>, rules: Rules) -> Arc<Self> {
        let ids: Vec<BackendId> = backends.iter().map(|backend| backend.id()).collect();
        let first_seen = Arc::new(FirstSeen::new(rules.accept_changes));
        let completed = |backend| Arc::new(Completed::new(backend, Arc::clone(&first_seen)));
        let members = backends.into_iter().map(|backend| {
            let is_last = ids.last() == Some(&backend.id());
            Member::new(completed(backend), is_last)
        });
        let members = members.collect();
        let mut index = Index::new(&ids, &rules);
        let view = watch::Sender::new(Arc::new(index.view(&View::default())));
        first_seen.follows(view.subscribe());
        Arc::new(Self {
            members,
            rules,
            index: Mutex::new(index),
            pace: Mutex::default(),
            view,
            questions: Questions::default(),
            unkept: Mutex::default(),
            first_seen,
        })
    }

    /// What is known now.
    #[must_use]
    pub fn view(&self) -> Arc<View> {
        self.view.borrow().clone()
    }

    /// The configured backends, in order.
    pub fn backends(&self) -> impl Iterator<Item = BackendId> {
        self.members.iter().map(Member::id)
    }

    /// The scope of one backend. The only backend of a kind has the scope of its kind.
    #[must_use]
    pub fn scope_of(&self, backend: BackendId) -> Scope {
        let kind = Scope::Kind(backend.kind());
        if self.asked(kind).nth(1).is_none() { kind } else { backend.into() }
    }

    /// What `/health` says of each backend, in order.
    #[must_use]
    pub fn statuses(&self) -> Vec<(BackendId, Status)> {
        let status = |member: &Member| {
            let (breaker, status) = (member.breaker(), member.status.get());
            let age = status.current_as_of.map(Moment::elapsed);
            let stale = age.is_none_or(|age| self.rules.is_stale(age));
            let held = member.held();
            let (mut faults, faults_beyond) = member.evidence.faults();
            let of_all = room::no_room_for(member.id(), held.refused);
            faults.splice(..0, of_all.into_iter().chain(member.vacancy()));
            (member.id(), Status { breaker, stale, held, faults, faults_beyond, ..status })
        };
        self.members.iter().map(status).collect()
    }

    /// How fresh an answer from one backend, or from all, is now: one about this extension, or one
    /// about all of them.
    #[must_use]
    pub fn freshness(&self, scope: Scope, of: Option<&ExtensionId>) -> Freshness {
        let mut freshness = Freshness { age: Duration::ZERO, degraded: Vec::new() };
        for member in self.asked(scope) {
            let age = member.status.current_as_of().map(Moment::elapsed);
            let lacks_part = member.held().refused > 0 || member.evidence.lacks_part(of);
            if lacks_part || age.is_none_or(|age| self.rules.is_stale(age)) {
                freshness.degraded.push(member.id());
            }
            freshness.age = freshness.age.max(age.unwrap_or_default());
        }
        freshness
    }

    /// The failure of the last attempt to save state; `None` while state is saved.
    #[must_use]
    pub fn unkept(&self) -> Option<String> {
        self.unkept.lock().clone()
    }

    /// Whether anything is known of any backend that can still be served.
    #[must_use]
    pub fn can_answer(&self) -> bool {
        self.members.iter().any(|member| self.answers_for(member))
    }

    /// Whether a backend was listed, and not too long ago for that to be served.
    fn is_listed(&self, member: &Member) -> bool {
        self.view().knows(member.id()) && !self.is_too_old(member)
    }

    /// Whether a backend was listed or showed an extension by a notice or a read, and not too long
    /// ago for that to be served.
    fn answers_for(&self, member: &Member) -> bool {
        let (view, source) = (self.view(), member.id());
        let shows = view.knows(source) || !view.entries(source.into()).is_empty();
        shows && !self.is_too_old(member)
    }

    fn is_too_old(&self, member: &Member) -> bool {
        let age = member.status.current_as_of().map(Moment::elapsed);
        age.is_some_and(|age| self.rules.is_too_old(age))
    }

    /// Names something at a backend that cannot be served, found while serving it.
    pub fn report(&self, backend: BackendId, fault: Fault) {
        if let Some(member) = self.member(backend) {
            member.evidence.found(fault);
        }
    }

    /// The backends a question goes to: the one named, or all.
    fn asked(&self, scope: Scope) -> impl Iterator<Item = &Member> {
        self.members.iter().filter(move |member| scope.includes(member.id()))
    }

    fn member(&self, backend: BackendId) -> Option<&Member> {
        self.members.iter().find(|member| member.id() == backend)
    }

    /// Changes the index. What is known now is shown at once, or as soon as the pace allows.
    fn change<T>(self: &Arc<Self>, change: impl FnOnce(&mut Index) -> T) -> T {
        let mut index = self.index.lock();
        let outcome = change(&mut index);
        self.members.iter().for_each(|member| member.holds(index.held(member.id())));
        if index.has_changed() {
            self.show(&mut index);
        }
        outcome
    }

    fn show(self: &Arc<Self>, index: &mut Index) {
        // Decided before the match: it must not be locked while the view is made.
        let turn = self.pace.lock().turn(Instant::now());
        match turn {
            Turn::Now => {
                // Made before it is sent: readers wait for a send.
                let view = index.view(&self.view());
                drop(self.view.send_replace(Arc::new(view)));
            }
            Turn::At(at) => {
                let this = Arc::clone(self);
                tokio::spawn(async move {
                    sleep_until(at).await;
                    this.change(|_| ());
                });
            }
            Turn::Awaited => {}
        }
    }

    /// Waits until everything that is known now is shown, a fraction of a second at most.
    pub async fn shown(&self) {
        let due = self.index.lock().due_revision();
        let mut views = self.view.subscribe();
        // The sender lives as long as we do.
        let _ = views.wait_for(|view| view.revision >= due).await;
    }
}
