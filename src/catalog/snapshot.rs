//! What is known, as it outlives a restart: taken from the catalog, and put back at the start.

pub(super) mod damage;
pub(super) mod file;
pub mod keeper;
pub(super) mod stored;
mod stored_evidence;
mod stored_release;
mod text;

use std::sync::Arc;

use jiff::Timestamp;
use tokio::time::Instant;

use crate::backend::Fault;
use crate::backend::changes::ChangeCursor;
use crate::catalog::Catalog;
use crate::catalog::index::Index;
use crate::catalog::member::Member;
use crate::catalog::moment::Moment;
use crate::catalog::rounds::Place;
use crate::models::backend_id::BackendId;
use crate::models::coverage::Coverage;
use crate::models::extension::Extension;
use crate::models::naming::ExtensionId;

/// What is known of all backends, with the times of the wall clock.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Each backend that was ever listed, in order.
    pub backends: Vec<Kept>,
    /// Who owns which name, also where the owner has it no more.
    pub owners: Vec<(ExtensionId, BackendId)>,
}

/// What is known of one backend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Its name and kind.
    pub backend: BackendId,
    /// What it was configured to be; a backend that is configured otherwise is another one.
    pub fingerprint: String,
    /// When its last successful round began.
    pub current_as_of: Timestamp,
    /// When what it lacks was last certain to be lacking.
    pub complete_as_of: Option<Timestamp>,
    /// When it last answered.
    pub last_success: Option<Timestamp>,
    /// What it is asked for changes since.
    pub cursor: Option<ChangeCursor>,
    /// When everything of it was last read.
    pub swept: Option<Timestamp>,
    /// What the backend calls itself, so that another one under its name is not taken for it.
    pub identity: Option<String>,
    /// Why its last list of repositories proved less than everything.
    pub listing_gap: Option<String>,
    /// Its faults.
    pub faults: Vec<Fault>,
    /// Everything it has, each with the time it was last read.
    pub extensions: Vec<(Arc<Extension>, Timestamp)>,
    /// What of it is not settled.
    pub unsettled: Unsettled,
}

/// What of a backend is not settled. Without times: they only count within one process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unsettled {
    /// Extensions that were said to be gone, once.
    pub doubted: Vec<ExtensionId>,
    /// Extensions that are to be read again by the schedule.
    pub dirty: Vec<ExtensionId>,
    /// Extensions that there was no room for.
    pub refused: Vec<ExtensionId>,
    /// Extensions whose last read proved less than everything.
    pub incomplete: Vec<ExtensionId>,
}

/// What each backend is configured to be: the same text means the same upstream.
pub type Fingerprints = Vec<(BackendId, String)>;

impl Catalog {
    /// What is known, where the wall clock shows `now`.
    #[must_use]
    pub fn snapshot(&self, fingerprints: &[(BackendId, String)], now: Timestamp) -> Snapshot {
        // Cursors are taken before what they lead to: one that is too old only asks twice.
        let places: Vec<Place> = self.members.iter().map(|m| m.round.place()).collect();
        let index = self.index.lock();
        let shelves: Vec<_> = self.members.iter().map(|m| index.shelved(m.id())).collect();
        let unsettled = self.members.iter().map(|member| unsettled(member, &index));
        let unsettled: Vec<Unsettled> = unsettled.collect();
        let owners = index.owners();
        drop(index);
        let members = self.members.iter().zip(places).zip(shelves).zip(unsettled);
        let backends = members.filter_map(|(((member, place), shelf), unsettled)| {
            let (_, fingerprint) = fingerprints.iter().find(|(of, _)| *of == member.id())?;
            let known = kept(member, fingerprint.clone(), place, shelf?, now)?;
            Some(Kept { unsettled, ..known })
        });
        Snapshot { backends: backends.collect(), owners }
    }

    /// Takes over what was known before a restart, where the wall clock shows `now`; answers with
    /// the backends that it was taken over for. What was learned since the start counts more.
    ///
    /// A backend that is not configured, or has another fingerprint now, is left out. The owners of
    /// names hold nevertheless: where a name was taken away, nobody else shall get it by a change
    /// of an address.
    pub fn restore(
        self: &Arc<Self>,
        snapshot: Snapshot,
        fingerprints: &[(BackendId, String)],
        now: Timestamp,
    ) -> Vec<BackendId> {
        let Snapshot { backends, owners } = snapshot;
        let same = |kept: &Kept| {
            fingerprints.iter().any(|(of, print)| *of == kept.backend && *print == kept.fingerprint)
        };
        let usable = backends.into_iter().filter(same);
        let usable: Vec<(&Member, Kept)> =
            usable.filter_map(|kept| Some((self.member(kept.backend)?, kept))).collect();
        let restored = usable.iter().map(|(member, _)| member.id()).collect();
        self.change(|index| {
            index.restore_owners(owners);
            for (member, kept) in usable {
                let (mut extensions, unsettled) = give_back(member, kept, now);
                for (extension, _) in &mut extensions {
                    if let Some(amended) = self.first_seen.amended(extension) {
                        *extension = Arc::new(amended);
                    }
                }
                index.restore(member.id(), extensions, &unsettled, Instant::now());
            }
        });
        restored
    }

    /// Notes whether it can be kept, and why not; answers with what was noted before.
    pub(super) fn set_unkept(&self, reason: Option<String>) -> Option<String> {
        std::mem::replace(&mut *self.unkept.lock(), reason)
    }

    /// What changes whenever a snapshot would be another one.
    pub(super) fn state_of_knowledge(&self) -> Knowledge {
        let index = self.index.lock();
        Knowledge {
            revision: index.due_revision(),
            rounds: self.members.iter().map(|member| member.status.current_as_of()).collect(),
            unsettled: self.members.iter().map(|member| unsettled(member, &index)).collect(),
        }
    }
}

/// How far the catalog was when a snapshot was taken.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Knowledge {
    /// The number of the view that shows it, perhaps in a moment.
    revision: u64,
    /// The moments of the last rounds.
    rounds: Vec<Option<Moment>>,
    unsettled: Vec<Unsettled>,
}

impl Knowledge {
    /// Whether more than the age of what is known differs.
    pub(super) fn is_news_to(&self, written: &Self) -> bool {
        self.revision != written.revision || self.unsettled != written.unsettled
    }
}

fn unsettled(member: &Member, index: &Index) -> Unsettled {
    let backend = member.id();
    let (doubted, refused) = (index.doubted(backend), index.refused(backend));
    let incomplete = member.evidence.incomplete();
    Unsettled { doubted, dirty: member.scheduled(), refused, incomplete }
}

fn kept(
    member: &Member,
    fingerprint: String,
    place: Place,
    shelf: Vec<(Arc<Extension>, Moment)>,
    now: Timestamp,
) -> Option<Kept> {
    let status = member.status.get();
    let current_as_of = status.current_as_of?.to_wall_clock(now);
    // The same moment is written as the same time; faults that are not kept may be of any name.
    let (faults, faults_beyond) = member.evidence.faults();
    let complete_as_of =
        status.complete_as_of.filter(|_| faults_beyond == 0).map(|at| match status.current_as_of {
            Some(current) if current == at => current_as_of,
            _ => at.to_wall_clock(now),
        });
    Some(Kept {
        backend: member.id(),
        fingerprint,
        current_as_of,
        complete_as_of,
        last_success: status.last_success,
        cursor: place.cursor,
        swept: place.swept.map(|at| at.to_wall_clock(now)),
        identity: member.backend.identity(),
        listing_gap: member.evidence.listing_gap(),
        faults,
        extensions: shelf.into_iter().map(|(all, read)| (all, read.to_wall_clock(now))).collect(),
        unsettled: Unsettled::default(),
    })
}

/// What a backend's shelf is given back: extensions, and what is not settled.
type GivenBack = (Vec<(Arc<Extension>, Moment)>, Unsettled);

/// Gives a backend's status and place back; answers with what is for its shelf.
fn give_back(member: &Member, kept: Kept, now: Timestamp) -> GivenBack {
    let moment = |written| Moment::of_wall_clock(written, now);
    let current_as_of = moment(kept.current_as_of);
    let complete_as_of = kept
        .complete_as_of
        .map(|at| if at == kept.current_as_of { current_as_of } else { moment(at) });
    if let Some(identity) = &kept.identity {
        member.backend.resume(identity);
    }
    if member.status.restore(current_as_of, complete_as_of, kept.last_success) {
        let listing =
            kept.listing_gap.map_or(Coverage::Complete, |gap| Coverage::Partial(gap.into()));
        let incomplete = kept.unsettled.incomplete.iter().cloned();
        member.evidence.restore(listing, incomplete, kept.faults);
    }
    if member.round.place() == Place::default() {
        member.round.go_on_from(Place { cursor: kept.cursor, swept: kept.swept.map(moment) });
    }
    let mut unsettled = kept.unsettled;
    let dirty = std::mem::take(&mut unsettled.dirty);
    // Uploads follow without a word: what waited for one is looked at again.
    let bare = kept.extensions.iter().filter(|(extension, _)| extension.awaits_archive());
    let now = Instant::now();
    member.mark(|waiting| {
        dirty.into_iter().for_each(|id| waiting.noticed(id, now));
        bare.for_each(|(all, _)| waiting.lacking(all.id().clone(), now));
    });
    let extensions = kept.extensions.into_iter().map(|(extension, read)| (extension, moment(read)));
    (extensions.collect(), unsettled)
}
