//! What is known, as it outlives a restart: taken from the catalogue, and put back at the start.

mod file;
pub mod keeper;
mod stored;
mod stored_release;

use std::sync::Arc;

use jiff::Timestamp;

use crate::backend::Fault;
use crate::backend::changes::ChangeCursor;
use crate::catalog::Catalogue;
use crate::catalog::member::Member;
use crate::catalog::moment::Moment;
use crate::catalog::rounds::Place;
use crate::models::extension::Extension;
use crate::models::naming::ExtensionId;
use crate::models::source::Source;

/// What is known of all backends, with the times of the wall clock.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Each backend that was ever listed, in order.
    pub backends: Vec<Kept>,
    /// Who owns which name, also where the owner has it no more.
    pub owners: Vec<(ExtensionId, Source)>,
}

/// What is known of one backend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Its kind.
    pub source: Source,
    /// What it was configured to be; a backend that is configured otherwise is another one.
    pub fingerprint: String,
    /// When its last successful round began.
    pub current_as_of: Timestamp,
    /// When it last answered.
    pub last_success: Option<Timestamp>,
    /// What it is asked for changes since.
    pub cursor: Option<ChangeCursor>,
    /// When everything of it was last read.
    pub swept: Option<Timestamp>,
    /// What of it cannot be served.
    pub faults: Vec<Fault>,
    /// Everything it has, each with the time it was last read.
    pub extensions: Vec<(Arc<Extension>, Timestamp)>,
}

/// What each backend is configured to be: the same text means the same upstream.
pub type Fingerprints = Vec<(Source, String)>;

impl Catalogue {
    /// What is known, where the wall clock shows `now`.
    #[must_use]
    pub fn snapshot(&self, fingerprints: &[(Source, String)], now: Timestamp) -> Snapshot {
        // Cursors are taken before what they lead to: one that is too old only asks twice.
        let places: Vec<Place> = self.members.iter().map(|m| m.round.place()).collect();
        let index = self.index.lock();
        let shelves: Vec<_> = self.members.iter().map(|m| index.shelved(m.source())).collect();
        let owners = index.owners();
        drop(index);
        let members = self.members.iter().zip(places).zip(shelves);
        let backends = members.filter_map(|((member, place), shelf)| {
            let (_, fingerprint) = fingerprints.iter().find(|(of, _)| *of == member.source())?;
            kept(member, fingerprint.clone(), place, shelf?, now)
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
        &self,
        snapshot: Snapshot,
        fingerprints: &[(Source, String)],
        now: Timestamp,
    ) -> Vec<Source> {
        let Snapshot { backends, owners } = snapshot;
        let same = |kept: &Kept| {
            fingerprints.iter().any(|(of, print)| *of == kept.source && *print == kept.fingerprint)
        };
        let usable = backends.into_iter().filter(same);
        let usable: Vec<(&Member, Kept)> =
            usable.filter_map(|kept| Some((self.member(kept.source)?, kept))).collect();
        let restored = usable.iter().map(|(member, _)| member.source()).collect();
        self.change(|index| {
            index.restore_owners(owners);
            for (member, kept) in usable {
                let extensions = give_back(member, kept, now);
                index.restore(member.source(), extensions);
            }
        });
        restored
    }

    /// What changes whenever a snapshot would be another one: the number of the view, and the
    /// moments of the last rounds.
    pub(super) fn state_of_knowledge(&self) -> (u64, Vec<Option<Moment>>) {
        let rounds = self.members.iter().map(|member| member.status.current_as_of());
        (self.view().revision, rounds.collect())
    }
}

fn kept(
    member: &Member,
    fingerprint: String,
    place: Place,
    shelf: Vec<(Arc<Extension>, Moment)>,
    now: Timestamp,
) -> Option<Kept> {
    let status = member.status.get();
    Some(Kept {
        source: member.source(),
        fingerprint,
        current_as_of: status.current_as_of?.to_wall_clock(now),
        last_success: status.last_success,
        cursor: place.cursor,
        swept: place.swept.map(|at| at.to_wall_clock(now)),
        faults: status.faults,
        extensions: shelf.into_iter().map(|(all, read)| (all, read.to_wall_clock(now))).collect(),
    })
}

/// Gives a backend's status and place back; answers with its extensions.
fn give_back(member: &Member, kept: Kept, now: Timestamp) -> Vec<(Arc<Extension>, Moment)> {
    let moment = |written| Moment::of_wall_clock(written, now);
    member.status.restore(moment(kept.current_as_of), kept.last_success, kept.faults);
    if member.round.place() == Place::default() {
        member.round.go_on_from(Place { cursor: kept.cursor, swept: kept.swept.map(moment) });
    }
    // Uploads follow without a word: what waited for one is looked at again.
    let bare = kept.extensions.iter().filter(|(extension, _)| extension.awaits_archive());
    let now = tokio::time::Instant::now();
    member.mark(|dirty| bare.for_each(|(all, _)| dirty.lacking(all.id().clone(), now)));
    kept.extensions.into_iter().map(|(extension, read)| (extension, moment(read))).collect()
}
