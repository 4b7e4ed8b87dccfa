//! Provenance of a version: owner of the name, pin, other backends, files to look at.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use registry_catalog::explanation::version_table::{VersionRow, VersionTable};
use registry_catalog::explanation::{BackendReport, Explanation, Standing};
use registry_catalog::pins::digest_origin::DigestOrigin;
use registry_catalog::pins::pinned_file::PinnedFile;
use registry_core::models::backend_id::BackendId;
use registry_core::models::extension::Release;
use registry_web::pages::provenance::{
    BackendTable, Cell, ComparedVersion, OtherBackend, OwnershipView, PinOrigin, PinView,
    ProvenancePage,
};
use registry_web::site::Site;

use crate::archives::IndexedArchive;
use crate::edge::problem::Problem;
use crate::pages::archive_tree::{cached_index, entry_of};
use crate::pages::extension_head::ShownVersion;
use crate::pages::extension_path::VersionPath;
use crate::pages::find_version::find_version;
use crate::pages::models::{archive_digest, archive_size, page_digest};
use crate::pages::page_request::PageRequest;
use crate::pages::page_state::{KeptPage, Pages};
use crate::pages::seen_backends::SeenBackends;

/// Responds with the provenance of a version.
pub async fn provenance(
    State(pages): State<Pages>,
    request: PageRequest,
    VersionPath { of, tag }: VersionPath,
) -> Result<Response, Problem> {
    let (data, shown) = find_version(&pages, of, Some(tag)).await?;
    let explained = pages.catalog().explainer.explain(shown.entry.id())?;
    let pin = pages.catalog().pins.of_archive(shown.entry.id(), &shown.release);
    let archive = cached_index(&pages, &shown.release);
    // Pins and read archives are no part of the view.
    let name = format!("provenance {}\n{pin:?}\n{:?}", shown.key(), explained.standing);
    let page = KeptPage::html(name, shown.entry.extension.releases().len());
    let render = move |site: &Site, seen: &SeenBackends| {
        model(&shown, &explained, pin.as_ref(), archive.as_ref(), site, seen).render(site)
    };
    pages.respond(&request, &data, page, render).await
}

fn model(
    shown: &ShownVersion,
    explained: &Explanation,
    pin: Option<&PinnedFile>,
    archive: Option<&IndexedArchive>,
    site: &Site,
    seen: &SeenBackends,
) -> ProvenancePage {
    let notable = archive.map(|archive| {
        let entries = archive.index.entries.iter();
        entries.filter(|entry| entry.marks().next().is_some()).filter_map(entry_of).collect()
    });
    ProvenancePage {
        head: shown.head(site, seen),
        ownership: ownership(explained),
        pin: pin_of(&shown.release, pin),
        permanent: permanent(shown, site),
        table: table(&explained.version_table()),
        notable_files: notable,
    }
}

/// Returns the address of the archive by its digest, if that is known.
fn permanent(shown: &ShownVersion, site: &Site) -> Option<String> {
    let digest = archive_digest(&shown.release)?;
    Some(site.links.extension(&shown.id()).archive(&digest))
}

fn ownership(explained: &Explanation) -> OwnershipView {
    let holders = || explained.backends.iter().filter(|report| report.has == Some(true));
    let name = |report: &BackendReport| report.backend.to_string();
    match explained.standing {
        Standing::Owned(owner) => {
            let earlier = explained.backends.iter().take_while(|report| report.backend != owner);
            let others = holders().filter(|report| report.backend != owner);
            OwnershipView::Owned {
                owner: owner.to_string(),
                earlier: earlier.map(name).collect(),
                others: others.filter_map(other_backend).collect(),
            }
        }
        Standing::Undetermined => OwnershipView::Undetermined {
            holder: holders().next().map(name).unwrap_or_default(),
            awaited: awaited(explained).map(|one| one.to_string()).unwrap_or_default(),
        },
        Standing::Orphaned(former) => OwnershipView::Orphaned {
            former: former.to_string(),
            holders: holders().map(name).collect(),
        },
    }
}

/// Returns the first backend that may own the name.
fn awaited(explained: &Explanation) -> Option<BackendId> {
    explained.backends.iter().find(|report| report.has.is_none()).map(|report| report.backend)
}

fn other_backend(report: &BackendReport) -> Option<OtherBackend> {
    let releases = report.extension.as_ref()?.releases();
    let version = |release: &Arc<Release>| release.version.as_str().to_owned();
    Some(OtherBackend {
        name: report.backend.to_string(),
        oldest: version(releases.last()?),
        newest: version(releases.first()?),
    })
}

fn pin_of(release: &Release, pin: Option<&PinnedFile>) -> PinView {
    let Some(pinned) = pin else {
        return match archive_digest(release) {
            Some(digest) => {
                let origin = DigestOrigin::reported_by(release.backend.kind());
                PinView::Published { digest, origin: page_origin(origin) }
            }
            None => PinView::Unknown,
        };
    };
    let change = release.change.as_ref();
    let Some(digest) = page_digest(&pinned.digest) else { return PinView::Unknown };
    PinView::Pinned {
        digest,
        origin: page_origin(pinned.origin.unwrap_or(DigestOrigin::FirstDownload)),
        file: pinned.file.clone().unwrap_or_default(),
        since: pinned.since,
        current: change.and_then(|change| page_digest(change.now.as_ref()?)),
        is_changed: change.is_some(),
    }
}

const fn page_origin(origin: DigestOrigin) -> PinOrigin {
    match origin {
        DigestOrigin::Registry => PinOrigin::Registry,
        DigestOrigin::Checksum => PinOrigin::ChecksumFile,
        DigestOrigin::Manifest => PinOrigin::Manifest,
        DigestOrigin::FirstDownload => PinOrigin::FirstDownload,
    }
}

fn table(table: &VersionTable) -> BackendTable {
    BackendTable {
        backends: table.backends.iter().map(ToString::to_string).collect(),
        versions: table.rows.iter().map(compared).collect(),
    }
}

fn compared(row: &VersionRow) -> ComparedVersion {
    let cell = |release: &Arc<Release>| Cell {
        tag: release.tag.as_str().to_owned(),
        published_at: release.published_at,
        size: archive_size(release),
        digest: archive_digest(release),
    };
    let cells = row.releases.iter().map(|release| release.as_ref().map(cell));
    ComparedVersion { version: row.version().to_owned(), cells: cells.collect() }
}
