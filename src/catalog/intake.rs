//! How reads change the catalog: the one place that decides what is kept, marked and removed.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream;
use tokio::time::Instant;

use crate::backend::Fault;
use crate::catalog::Catalog;
use crate::catalog::index::{Absence, Gone, Index, Put};
use crate::catalog::member::Member;
use crate::error::{Error, ErrorKind, Result};
use crate::models::extension::Extension;
use crate::models::fault::FaultSubject;
use crate::models::naming::ExtensionId;

/// Extensions of one backend that are read at once.
pub(super) const READS_AT_ONCE: usize = 8;
/// Extensions that are read before a backend's "no" is believed.
const WITNESSES_MAX: usize = 3;
/// Pause before a removal that was not believed is tried again.
const DOUBT_AGAIN: Duration = Duration::from_secs(60);

/// An extension that was read, and the result.
pub(super) type Read = (ExtensionId, Result<Extension>);

/// Why an extension was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// The backend named it: in a list, a change or a notice.
    Backend,
    /// A caller named it, who may have made it up.
    Caller,
}

/// The outcome of reads that were taken in.
#[derive(Debug, Default)]
pub(super) struct Taken {
    /// Extensions of which some release lacks its archive.
    pub(super) lacking: Vec<ExtensionId>,
    /// Extensions that were said to be gone, each with the moment from which an answer confirms it.
    pub(super) doubted: Vec<(ExtensionId, Instant)>,
    /// Reads that failed otherwise than by "no such repository".
    pub(super) failures: Vec<(ExtensionId, Error)>,
    /// Number of extensions without room.
    pub(super) no_room: usize,
    gone: Vec<Gone>,
    news: Vec<Fault>,
}

impl Catalog {
    /// Takes in what was read, and removes what is certainly gone.
    pub(super) async fn take_in(
        self: &Arc<Self>,
        member: &Member,
        read: Vec<Read>,
        origin: Origin,
    ) -> Taken {
        let mut taken = self.take_over(member, read, origin);
        member.tell(&std::mem::take(&mut taken.news));
        let gone = std::mem::take(&mut taken.gone);
        if !gone.is_empty() {
            let disbelieved = self.settle(member, gone).await;
            let later = Instant::now() + DOUBT_AGAIN;
            taken.doubted.extend(disbelieved.into_iter().map(|id| (id, later)));
        }
        taken
    }

    fn take_over(self: &Arc<Self>, member: &Member, read: Vec<Read>, origin: Origin) -> Taken {
        let mut taken = Taken::default();
        // Of a backend that answers nothing, a failure says nothing about one repository.
        let answers = read.iter().any(|(_, found)| !found.as_ref().is_err_and(is_the_backends));
        self.change(|index| {
            for (id, found) in read {
                let known = origin == Origin::Backend || index.has(member.id(), &id);
                match found {
                    Ok(extension) => taken.take(index, member, id, extension),
                    Err(error) if error.is_not_found() => taken.miss(index, member, id),
                    Err(error) if known => taken.fail(member, id, error, answers),
                    Err(error) => taken.failures.push((id, error)),
                }
            }
        });
        taken
    }

    /// Removes what two answers say is gone, if the backend is to be believed. Returns what stays.
    async fn settle(self: &Arc<Self>, member: &Member, gone: Vec<Gone>) -> Vec<ExtensionId> {
        if !self.is_believed(member).await {
            member.tell(member.evidence.found(removal_not_believed()).as_slice());
            let disbelieved: Vec<_> = gone.iter().map(|gone| gone.id().clone()).collect();
            for id in &disbelieved {
                member.evidence.unread(id, None);
            }
            return disbelieved;
        }
        member.evidence.mended(EVERYTHING, &FaultSubject::Removal);
        self.change(|index| {
            for gone in gone {
                match &gone {
                    Gone::Repository(id) => member.evidence.absent(id),
                    Gone::Releases(extension) => drop(member.evidence.read(extension)),
                }
                index.remove(member.id(), gone, Instant::now());
            }
        });
        Vec::new()
    }

    /// Whether a backend's "no" means that something is gone. One that withdrew our rights, or lost
    /// its disk, says no to everything: so it has to show another extension now, or, where there is
    /// no other, to accept our credentials.
    async fn is_believed(self: &Arc<Self>, member: &Member) -> bool {
        let (all, witnesses) = self.index.lock().undoubted(member.id(), WITNESSES_MAX);
        if all <= 1 {
            member.probe().await;
            return !member.status.is_failing();
        }
        for witness in witnesses {
            let read = read_one(member, witness).await;
            let has_release = read.1.as_ref().is_ok_and(|found| !found.releases().is_empty());
            let taken = self.take_over(member, vec![read], Origin::Backend);
            member.tell(&taken.news);
            if has_release {
                return true;
            }
        }
        false
    }
}

impl Taken {
    fn take(&mut self, index: &mut Index, member: &Member, id: ExtensionId, found: Extension) {
        let news = member.evidence.read(&found);
        if found.awaits_archive() {
            self.lacking.push(id.clone());
        }
        match index.put(member.id(), found, Instant::now()) {
            Put::Taken => self.news.extend(news),
            Put::NoRoom => {
                self.no_room += 1;
                self.news.extend(news);
            }
            Put::Emptied(Absence::Certain, found) => self.gone.push(Gone::Releases(found)),
            Put::Emptied(Absence::Doubted(from), _) => {
                let error = suddenly_empty();
                self.news.extend(member.evidence.unread(&id, Some(&error)));
                self.doubted.push((id, from));
            }
            Put::Emptied(Absence::Unknown, _) => {}
        }
    }

    fn miss(&mut self, index: &mut Index, member: &Member, id: ExtensionId) {
        match index.missed(member.id(), &id, Instant::now()) {
            Absence::Unknown => member.evidence.absent(&id),
            Absence::Doubted(from) => self.doubted.push((id, from)),
            Absence::Certain => self.gone.push(Gone::Repository(id)),
        }
    }

    /// Notes that an extension that exists could not be read.
    fn fail(&mut self, member: &Member, id: ExtensionId, error: Error, backend_answers: bool) {
        let is_of_repository =
            matches!(error.kind(), ErrorKind::BackendFaulty | ErrorKind::BackendRefused);
        let fault = (is_of_repository || backend_answers && error.was_asked()).then_some(&error);
        self.news.extend(member.evidence.unread(&id, fault));
        self.failures.push((id, error));
    }

    /// Has everything read again that was said to be gone.
    pub(super) fn confirm(self, member: &Member) {
        let now = Instant::now();
        member.mark(|dirty| {
            self.doubted.into_iter().for_each(|(id, from)| dirty.doubted(id, from, now));
        });
    }
}

/// Stands for the whole backend in the place of a repository.
pub(super) const EVERYTHING: &str = "*";

/// A fault of a backend that lost everything at once.
pub(super) fn removal_not_believed() -> Fault {
    Fault {
        repository: EVERYTHING.to_owned(),
        subject: FaultSubject::Removal,
        reason: "the backend says that everything it had is gone; nothing is removed: check that \
                 the account may still read it"
            .to_owned(),
    }
}

fn suddenly_empty() -> Error {
    Error::faulty("Its list of releases is suddenly empty, which another answer has to confirm")
}

/// Whether a failure says something about the backend rather than about one repository.
pub(super) fn is_the_backends(error: &Error) -> bool {
    !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::BackendFaulty)
}

/// Reads these extensions, some at once.
pub(super) async fn read_all(member: &Member, ids: Vec<ExtensionId>) -> Vec<Read> {
    let reads = stream::iter(ids).map(|id| read_one(member, id));
    reads.buffer_unordered(READS_AT_ONCE).collect().await
}

pub(super) async fn read_one(member: &Member, id: ExtensionId) -> Read {
    let found = member.extension(&id).await;
    (id, found)
}
