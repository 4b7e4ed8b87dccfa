//! Overview of one version of an extension.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use jiff::Timestamp;
use registry_core::models::backend_id::BackendId;
use registry_core::models::backend_kind::BackendKind;
use registry_core::models::extension::Release;
use registry_core::models::tag::Tag;
use registry_web::install::{FileName, InstallTarget, OciPlace, lines};
use registry_web::pages::overview::{Facts, KeptAt, KeptStanding, OverviewPage, PinState};
use registry_web::site::Site;

use crate::edge::problem::Problem;
use crate::pages::archive_tree::{cached_index, requested};
use crate::pages::extension_head::ShownVersion;
use crate::pages::extension_path::{ExtensionPath, VersionPath};
use crate::pages::find_version::find_version;
use crate::pages::fragment::References;
use crate::pages::known_pages::IsSame;
use crate::pages::models::{archive_digest, archive_size, page_digest, text, version_name};
use crate::pages::page_request::PageRequest;
use crate::pages::page_state::{KeptPage, Pages, Reuse};
use crate::pages::readme::FoundReadme;
use crate::pages::readme_files::ReadmeFiles;
use crate::pages::seen_backends::SeenBackends;
use crate::pages::settings::PageSettings;

/// Bytes of a README that take as long as a row of a list.
const BYTES_OF_A_ROW: usize = 1024;

/// Responds with the latest version of an extension.
pub async fn latest(
    State(pages): State<Pages>,
    request: PageRequest,
    of: ExtensionPath,
) -> Result<Response, Problem> {
    respond(&pages, &request, of, None).await
}

/// Responds with one version of an extension.
pub async fn version(
    State(pages): State<Pages>,
    request: PageRequest,
    VersionPath { of, tag }: VersionPath,
) -> Result<Response, Problem> {
    respond(&pages, &request, of, Some(tag)).await
}

async fn respond(
    pages: &Pages,
    request: &PageRequest,
    of: ExtensionPath,
    tag: Option<Tag>,
) -> Result<Response, Problem> {
    let (data, shown) = find_version(pages, of, tag).await?;
    let (id, scope) = (shown.entry.id(), shown.scope);
    let wanted = FoundReadme::query(id, shown.release.tag.clone(), scope);
    let readme = FoundReadme::read(pages, &wanted).await;
    let pin = pages.catalog().pins.of_archive(id, &shown.release);
    let since = pin.map(|pin| pin.since);
    let archive = cached_index(pages, &shown.release);
    let found = match &archive {
        Some(_) => requested(pages, &shown, &shown.release.tag, scope).await.ok(),
        None => None,
    };
    let shows_pictures = found.as_ref().is_some_and(|found| pages.api.archives.is_at_hand(found));
    let key = shown.key();
    let name = format!("overview {key}\n{since:?}\n{shows_pictures} {}", readme.key());
    let is_same: IsSame = Arc::new({
        let (id, release, readme) = (id.clone(), Arc::clone(&shown.release), readme.clone());
        let is_read = archive.is_some();
        let api = Arc::clone(&pages.api);
        move || {
            let pin = api.answers.catalog().pins.of_archive(&id, &release);
            let archive = release.artifact.chosen().and_then(|archive| archive.digest.as_ref());
            let index = archive.and_then(|digest| api.archives.indexed_as(digest));
            let is_at_hand = |found| api.archives.is_at_hand(found) == shows_pictures;
            pin.map(|pin| pin.since) == since
                && readme.is_same(&api.answers, &wanted)
                && index.is_some() == is_read
                && found.as_ref().is_none_or(is_at_hand)
        }
    });
    // A version that is not listed was read for this request alone.
    let listed = shown.entry.extension.find(&shown.release.tag);
    let is_listed = listed.is_some_and(|listed| Arc::ptr_eq(listed, &shown.release));
    let page = KeptPage {
        reuse: is_listed.then(|| Reuse(Some(is_same))),
        ..KeptPage::html(name, readme.bytes() / BYTES_OF_A_ROW)
    };
    let settings = Arc::clone(&pages.settings);
    let backends: Vec<BackendId> = pages.catalog().backends.iter().collect();
    let render = move |site: &Site, seen: &SeenBackends| {
        let (id, tag) = (shown.id(), &shown.release.tag);
        let links = site.links.extension(&id).at_tag(tag.as_str());
        let files = archive.as_ref();
        let files = files.map(|archive| ReadmeFiles::new(&archive.index, links, shows_pictures));
        let references =
            References { above: 1, remote_images: settings.remote_images, files: files.as_ref() };
        let overview = OverviewPage {
            head: shown.head(site, seen),
            readme: readme.model(&references),
            install: install_target(site, &shown, &settings)
                .map(|of| lines(&of))
                .unwrap_or_default(),
            facts: facts(&shown.release, since),
            kept: backends.iter().map(|backend| kept_at(&shown, *backend)).collect(),
        };
        overview.render(site)
    };
    pages.respond(request, &data, page, render).await
}

#[expect(clippy::option_option, reason = "a pin may have no date")]
fn facts(release: &Release, since: Option<Option<Timestamp>>) -> Facts {
    let about = &release.about;
    let is_changed = release.change.is_some();
    Facts {
        published_at: release.published_at,
        license: text(about.license.as_deref()),
        author: text(about.author.as_deref()),
        size: archive_size(release),
        digest: archive_digest(release),
        pin: since
            .map(|since| if is_changed { PinState::Changed } else { PinState::Same { since } }),
        repository: text(about.repository.as_deref()),
        keywords: about.keywords.iter().map(ToString::to_string).collect(),
    }
}

/// Returns the archive for install lines; `None` if the version has no single archive.
fn install_target(
    site: &Site,
    shown: &ShownVersion,
    settings: &PageSettings,
) -> Option<InstallTarget> {
    let archive = shown.release.artifact.chosen()?;
    let (id, name) = (shown.id(), version_name(&shown.release));
    let url = site.absolute(&site.links.api().archive(&id, &name.tag));
    Some(InstallTarget {
        version: name.version,
        url,
        server: site.absolute(site.links.prefix()),
        file_name: FileName::near(&archive.file_name),
        digest: archive.digest.as_ref().and_then(page_digest),
        needs_token: settings.needs_token,
        oci: oci_place(&shown.release),
        id,
    })
}

fn kept_at(shown: &ShownVersion, backend: BackendId) -> KeptAt {
    let copy = shown.view.get(shown.entry.id(), backend.into());
    let releases = copy.map_or(&[][..], |copy| copy.extension.releases());
    let name = |release: &Arc<Release>| release.version.as_str().to_owned();
    let standing = match (releases.last(), releases.first()) {
        _ if !releases.is_empty() && shown.owner() == Some(backend) => KeptStanding::Owner,
        (Some(oldest), Some(newest)) => KeptStanding::Also {
            oldest: name(oldest),
            newest: name(newest),
            has_version: copy.is_some_and(|copy| copy.extension.find(&shown.release.tag).is_some()),
        },
        _ if shown.view.knows(backend) => KeptStanding::Absent,
        _ => KeptStanding::Unknown,
    };
    KeptAt { backend: backend.to_string(), standing }
}

/// Returns the place of a version in an OCI registry, from the URL of its layer.
fn oci_place(release: &Release) -> Option<OciPlace> {
    if release.backend.kind() != BackendKind::Oci {
        return None;
    }
    let url = release.artifact.chosen()?.url.as_deref()?;
    let (scheme, rest) = url.split_once("://")?;
    let (registry, path) = rest.split_once("/v2/")?;
    let (repository, _) = path.split_once("/blobs/")?;
    Some(OciPlace {
        registry: registry.to_owned(),
        repository: repository.to_owned(),
        tag: release.tag.as_str().to_owned(),
        manifest: release.manifest_digest.as_ref().and_then(page_digest),
        is_plain_http: scheme == "http",
    })
}
