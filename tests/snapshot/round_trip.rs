//! What is written is what is read.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;
use registry_catalog::state::catalog_state::CatalogState;
use registry_catalog::state::{BackendState, Snapshot, Unsettled};
use registry_core::backend::Fault;
use registry_core::backend::changes::ChangeCursor;
use registry_core::models::artifact::{Artifact, ArtifactChoice, ArtifactKey};
use registry_core::models::backend_id::BackendId;
use registry_core::models::coverage::Coverage;
use registry_core::models::digest::Digest;
use registry_core::models::extension::{About, Extension, Release};
use registry_core::models::fault::{ExtensionFault, FaultSubject};
use registry_testing::ids::id;
use registry_testing::scripted::Scripted;

use super::{catalog, noon, persister, prints};

fn time() -> impl Strategy<Value = Timestamp> {
    (0_i64..1_700_000_000).prop_map(|second| Timestamp::from_second(second).unwrap())
}

fn digest() -> impl Strategy<Value = Digest> {
    (0_u8..4).prop_map(|seed| Digest::sha256(&[seed]))
}

fn artifact() -> impl Strategy<Value = Artifact> {
    ("\\PC{0,8}", "\\PC{0,8}", any::<u64>(), of(digest()), of("\\PC{0,8}")).prop_map(
        |(key, file_name, size, digest, url)| Artifact {
            key: ArtifactKey::new(key),
            file_name: file_name.into(),
            size,
            digest,
            url: url.map(Into::into),
        },
    )
}

fn choice() -> impl Strategy<Value = ArtifactChoice> {
    prop_oneof![
        artifact().prop_map(|file| ArtifactChoice::Chosen(Arc::new(file))),
        vec("\\PC{0,8}", 0..3).prop_map(ArtifactChoice::Ambiguous),
        Just(ArtifactChoice::Unread),
        Just(ArtifactChoice::Nothing),
    ]
}

fn any_about() -> impl Strategy<Value = About> {
    (of("\\PC{0,20}"), of("\\PC{0,8}"), of("https://[a-z]{1,8}"), vec("\\PC{0,8}", 0..3), of("MIT"))
        .prop_map(|(description, author, repository, keywords, license)| About {
            description: description.map(Into::into),
            author: author.map(Into::into),
            repository: repository.map(Into::into),
            keywords: keywords.into_iter().map(Into::into).collect(),
            license: license.map(Into::into),
        })
}

fn release() -> impl Strategy<Value = Release> {
    let tag = "v?[0-3](\\.[0-3]){0,2}(-rc\\.[0-9])?|latest|nightly|[a-z]{1,4}";
    (
        tag,
        of(time()),
        choice(),
        vec(artifact().prop_map(Arc::new), 0..3),
        any::<bool>(),
        of(digest()),
        any_about(),
        any::<bool>(),
    )
        .prop_map(
            |(
                tag,
                published_at,
                artifact,
                mut assets,
                among,
                manifest_digest,
                about,
                marked_prerelease,
            )| {
                assets.extend(artifact.chosen().filter(|_| among).cloned());
                let (assets, about) = (assets.into(), Arc::new(about));
                let bare = Release::of_tag(BackendId::GITEA, tag.parse().unwrap());
                Release {
                    marked_prerelease,
                    published_at,
                    artifact,
                    assets,
                    manifest_digest,
                    about,
                    ..bare
                }
            },
        )
}

fn extension() -> impl Strategy<Value = Extension> {
    ("(provider|taskserv)/[a-zA-Z0-9]{1,4}", vec(release(), 0..6), vec("\\PC{0,8}", 0..2)).prop_map(
        |(name, releases, faults)| {
            Extension::new(id(&name), releases)
                .with_faults(faults.into_iter().map(ExtensionFault::of_repository).collect())
        },
    )
}

/// A complete list is left out: it shows that each extension was read by its sweep.
fn listing() -> impl Strategy<Value = Coverage> {
    select(vec![
        Coverage::Bounded("the newest".into()),
        Coverage::Partial("page 2 is missing".into()),
        Coverage::Refused("403".into()),
        Coverage::Nonsense("no list".into()),
    ])
}

fn snapshot() -> impl Strategy<Value = Snapshot> {
    let subject =
        select(vec![FaultSubject::Repository, FaultSubject::Listing, FaultSubject::Naming]);
    let fault = ("\\PC{1,8}", subject, "\\PC{0,8}");
    (
        vec((extension(), time()), 0..6),
        of("\\PC{0,8}"),
        of(time()),
        of(time()),
        proptest::option::of(fault),
        listing(),
    )
        .prop_map(|(mut extensions, cursor, last_success, swept, fault, listing)| {
            extensions.sort_by(|(a, _), (b, _)| a.id().cmp(b.id()));
            extensions.dedup_by(|(a, _), (b, _)| a.id() == b.id());
            let faults =
                fault.map(|(repository, subject, reason)| Fault { repository, subject, reason });
            let listed = |all: &&(Extension, Timestamp)| !all.0.releases().is_empty();
            let owned = extensions.iter().filter(listed).map(|(all, _)| all.id().clone());
            let owners = owned.map(|id| (id, BackendId::GITEA)).collect();
            let ids = |at: usize| extensions.iter().skip(at).step_by(2).map(|(all, _)| all.id());
            let bare = extensions.iter().filter(|(all, _)| all.awaits_archive());
            let scheduled: BTreeSet<_> =
                bare.map(|(all, _)| all.id()).chain(ids(1)).cloned().collect();
            let unsettled = Unsettled {
                incomplete: ids(2).cloned().collect(),
                doubted: ids(0).cloned().collect(),
                scheduled: scheduled.into_iter().collect(),
                refused: 3,
            };
            let state = BackendState {
                log_position: None,
                fingerprint: prints()[0].1.clone(),
                current_as_of: noon(),
                complete_as_of: swept,
                last_success,
                cursor: cursor.map(ChangeCursor::new),
                swept,
                identity: Some("organization 7".to_owned()),
                listing,
                faults: faults.into_iter().collect(),
                unsettled,
            };
            let mut snapshot = Snapshot::default();
            snapshot.backends.insert(BackendId::GITEA, state);
            let read = |(all, at): (Extension, Timestamp)| (all.id().clone(), (Arc::new(all), at));
            let extensions = extensions.into_iter().map(read).collect();
            snapshot.extensions.insert(BackendId::GITEA, extensions);
            snapshot.owners = owners;
            snapshot
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_snapshot_comes_back_from_disk_as_it_was(snapshot in snapshot()) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all().start_paused(true).build().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let back = runtime.block_on(async {
            let first = catalog(vec![Scripted::down(BackendId::GITEA)]);
            let _ = CatalogState::new(Arc::clone(&first), prints()).restore(snapshot.clone(), noon());
            persister(&first, dir.path()).save(noon()).await.unwrap();
            let second = catalog(vec![Scripted::down(BackendId::GITEA)]);
            assert_eq!(persister(&second, dir.path()).read(noon()).await.unwrap(), [BackendId::GITEA]);
            CatalogState::new(Arc::clone(&second), prints()).snapshot(noon())
        });
        prop_assert_eq!(back, snapshot);
    }
}
