//! A second index that applies the serialized deltas of the first shows what the first shows.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::select;
use registry_catalog::index::Index;
use registry_catalog::index::backend_extensions::{Absence, Assessment, BackendExtensions};
use registry_catalog::index::delta::{BackendDelta, Delta, OwnerChange};
use registry_catalog::index::view::View;
use registry_catalog::{Merge, Rules};
use registry_core::models::artifact::{Artifact, ArtifactChoice, ArtifactKey};
use registry_core::models::backend_id::BackendId;
use registry_core::models::digest::Digest;
use registry_core::models::extension::{Change, Extension, Release};
use registry_core::models::naming::ExtensionId;
use registry_core::models::scope::Scope;
use registry_testing::ids::id;
use tokio::time::Instant;

use crate::support::served::rules;

const BACKENDS: [BackendId; 3] = [BackendId::GITEA, BackendId::OCI, BackendId::LOCAL];
const NAMES: [&str; 4] = ["provider/a", "provider/b", "taskserv/a", "cluster/c"];
const VERSIONS: [&str; 4] = ["1.0.0", "v1.0.0", "1.1.0-rc.1", "nightly"];
/// Enough for a few extensions, so that some do not fit.
const MAX_BYTES: usize = 12_000;

/// Events at the backends, as the syncer meets them.
#[derive(Clone, Debug)]
enum Event {
    Read(usize, &'static str, BTreeMap<&'static str, u8>),
    Missing(usize, &'static str),
    Confirmed(usize, &'static str),
    Amended(usize, &'static str, u8),
    Swept(usize, bool),
    /// The views of both are published, after which owners are recorded.
    Published,
    SecondRestarted,
    BothRestarted,
}

fn event() -> impl Strategy<Value = Event> {
    let (of, name) = (0..BACKENDS.len(), select(NAMES.to_vec()));
    let releases = btree_map(select(VERSIONS.to_vec()), any::<u8>(), 0..4);
    let (of2, name2) = (of.clone(), name.clone());
    prop_oneof![
        5 => (of.clone(), name.clone(), releases).prop_map(|(of, name, all)| Event::Read(of, name, all)),
        2 => (of.clone(), name.clone()).prop_map(|(of, name)| Event::Missing(of, name)),
        2 => (of2, name2).prop_map(|(of, name)| Event::Confirmed(of, name)),
        1 => (of.clone(), name, any::<u8>()).prop_map(|(of, name, seed)| Event::Amended(of, name, seed)),
        2 => (of, any::<bool>()).prop_map(|(of, complete)| Event::Swept(of, complete)),
        3 => Just(Event::Published),
        1 => Just(Event::SecondRestarted),
        1 => Just(Event::BothRestarted),
    ]
}

fn extension(of: BackendId, name: &str, releases: &BTreeMap<&str, u8>) -> Extension {
    let releases = releases.iter().map(|(tag, seed)| {
        let file = Arc::new(Artifact {
            key: ArtifactKey::new(format!("{name}:{tag}:{seed}")),
            file_name: format!("archive-{seed}.tar.gz").into(),
            size: u64::from(*seed) + 1,
            digest: (seed % 2 == 0).then(|| Digest::sha256(&[*seed])),
            url: None,
        });
        Release {
            assets: [Arc::clone(&file)].into(),
            artifact: ArtifactChoice::Chosen(file),
            ..Release::of_tag(of, tag.parse().unwrap())
        }
    });
    Extension::new(id(name), releases.collect())
}

/// What a reader can see of a view: every entry of every scope, with its owner.
type Seen = Vec<(Scope, bool, Vec<(ExtensionId, String, Extension, Vec<BackendId>)>)>;

fn seen(view: &View) -> Seen {
    let scopes = BACKENDS.map(Scope::Backend).into_iter().chain([Scope::All]);
    let of = |scope: Scope| {
        let known = BACKENDS.iter().any(|backend| scope.includes(*backend) && view.knows(*backend));
        let entries = NAMES.iter().filter_map(|name| view.get(&id(name), scope)).map(|entry| {
            let (ownership, backends) = (format!("{:?}", entry.ownership), entry.backends());
            let backends = backends.copied().collect();
            (entry.id().clone(), ownership, Extension::clone(&entry.extension), backends)
        });
        (scope, known, entries.collect())
    };
    scopes.map(of).collect()
}

/// An index with its view, as a process has them.
struct Process {
    index: Index,
    view: View,
    touched: BTreeSet<ExtensionId>,
}

impl Process {
    fn new(rules: &Rules) -> Self {
        let index = Index::new(&BACKENDS, rules);
        Self { index, view: View::default(), touched: BTreeSet::new() }
    }

    fn apply(&mut self, delta: Delta) {
        self.touched.extend(self.index.apply(delta).unwrap_or_default());
    }

    fn publish(&mut self) -> Vec<OwnerChange> {
        let (view, owners) = self.index.view(&self.view, &std::mem::take(&mut self.touched));
        self.view = view;
        owners
    }
}

/// The process that reads backends, and one that follows its deltas.
struct Pair {
    rules: Rules,
    first: Process,
    second: Process,
}

impl Pair {
    fn apply(&mut self, delta: Delta) {
        self.second.apply(passed_on(&delta));
        self.first.apply(delta);
    }

    fn to(&mut self, of: BackendId, change: BackendDelta) {
        self.apply(Delta::Backend(of, change));
    }

    fn meet(&mut self, event: Event, now: Instant) {
        match event {
            Event::Read(of, name, releases) => self.read(BACKENDS[of], name, &releases, now),
            Event::Missing(of, name) => {
                let of = BACKENDS[of];
                if let Absence::Doubted(_) = self.known(of).absence(&id(name), now) {
                    self.to(of, BackendDelta::Missing(id(name), now));
                }
            }
            Event::Confirmed(of, name) => {
                let (of, later) = (BACKENDS[of], now + Duration::from_secs(10));
                if self.known(of).absence(&id(name), later) == Absence::Certain {
                    self.to(of, BackendDelta::Removed(id(name)));
                }
            }
            Event::Amended(of, name, seed) => self.amend(BACKENDS[of], name, seed),
            Event::Swept(of, complete) => {
                let of = BACKENDS[of];
                let refusals = self.known(of).refusals().before_sweep();
                self.to(of, BackendDelta::Refused(refusals));
                self.to(of, BackendDelta::Refused(refusals.after_sweep(complete, 0)));
                self.to(of, BackendDelta::Listed);
            }
            Event::Published => {
                let owners = self.first.publish();
                self.second.publish();
                self.apply(Delta::Owners(owners));
            }
            Event::SecondRestarted => self.restart_second(now),
            Event::BothRestarted => self.restart_both(now),
        }
    }

    fn known(&self, of: BackendId) -> &BackendExtensions {
        self.first.index.backend(of).unwrap()
    }

    fn read(&mut self, of: BackendId, name: &str, releases: &BTreeMap<&str, u8>, now: Instant) {
        let refusals = self.known(of).refusals();
        match self.known(of).assess(extension(of, name, releases), now) {
            Assessment::Same => self.to(of, BackendDelta::Read(id(name), now.into())),
            Assessment::Changed(extension) => {
                self.to(of, BackendDelta::Put(vec![(Arc::new(extension), now.into())]));
            }
            Assessment::OverCapacity => {
                self.to(of, BackendDelta::Read(id(name), now.into()));
                self.to(of, BackendDelta::Refused(refusals.with_another()));
            }
            Assessment::Emptied(..) => self.to(of, BackendDelta::Missing(id(name), now)),
        }
    }

    /// A pinned archive was replaced.
    fn amend(&mut self, of: BackendId, name: &str, seed: u8) {
        let change = Change {
            first: Digest::sha256(&[seed]),
            first_size: u64::from(seed),
            now: seed.is_multiple_of(3).then(|| Digest::sha256(b"other")),
            now_size: 7,
            in_place: seed.is_multiple_of(2),
        };
        let amended = self.known(of).get(&id(name)).and_then(|copy| {
            copy.extension.amended(|release| {
                Some(Release { change: Some(Box::new(change.clone())), ..release.clone() })
            })
        });
        if let Some(amended) = amended {
            self.to(of, BackendDelta::Amended(Arc::new(amended)));
        }
    }

    /// The second process starts again from the present state of the first one.
    fn restart_second(&mut self, now: Instant) {
        self.meet(Event::Published, now);
        self.second = Process::new(&self.rules);
        for delta in state(&self.first.index, now, false) {
            self.second.apply(passed_on(&delta));
        }
        self.meet(Event::Published, now);
    }

    /// The first process starts again from its saved state, and the second one with it.
    fn restart_both(&mut self, now: Instant) {
        let saved = state(&self.first.index, now, true);
        self.first = Process::new(&self.rules);
        self.second = Process::new(&self.rules);
        for delta in saved {
            self.apply(delta);
        }
        self.meet(Event::Published, now);
    }
}

/// The deltas that fill a new index. Of a backend that was not listed nothing is saved.
fn state(index: &Index, now: Instant, saved: bool) -> Vec<Delta> {
    let owners = index.owners().into_iter().map(|(id, owner)| OwnerChange::Owned(id, owner));
    let mut deltas = vec![Delta::Owners(owners.collect())];
    for of in BACKENDS {
        let known = index.backend(of).unwrap();
        if saved && !known.is_listed() {
            continue;
        }
        let copies = known.all().map(|copy| (Arc::clone(&copy.extension), copy.read_at()));
        let mut changes = vec![BackendDelta::Put(copies.collect())];
        changes.extend(known.doubted().into_iter().map(|id| BackendDelta::Missing(id, now)));
        changes.push(BackendDelta::Refused(known.refusals()));
        changes.extend(known.is_listed().then_some(BackendDelta::Listed));
        deltas.extend(changes.into_iter().map(|change| Delta::Backend(of, change)));
    }
    deltas
}

fn passed_on(delta: &Delta) -> Delta {
    serde_json::from_str(&serde_json::to_string(delta).unwrap()).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_second_index_shows_what_the_first_shows_after_every_step(
        events in vec(event(), 1..60),
        merge in select(vec![Merge::Owner, Merge::Union]),
        allow_takeover in any::<bool>(),
    ) {
        let rules = Rules {
            allow_takeover,
            max_bytes: MAX_BYTES,
            ..rules(merge, Duration::from_mins(5))
        };
        let mut pair =
            Pair { first: Process::new(&rules), second: Process::new(&rules), rules };
        let now = Instant::now();
        for event in events {
            pair.meet(event.clone(), now);
            let whole = |process: &Process| {
                let names = NAMES.iter().map(|name| id(name)).collect();
                seen(&process.index.view(&View::default(), &names).0)
            };
            prop_assert_eq!(whole(&pair.first), whole(&pair.second), "after {:?}", event);
            prop_assert_eq!(pair.first.index.owners(), pair.second.index.owners());
            prop_assert_eq!(seen(&pair.first.view), seen(&pair.second.view));
            for of in BACKENDS {
                let [first, second] = [&pair.first, &pair.second]
                    .map(|process| process.index.backend(of).unwrap());
                prop_assert_eq!(first.doubted(), second.doubted());
                prop_assert_eq!(first.refusals(), second.refusals());
            }
        }
    }
}
