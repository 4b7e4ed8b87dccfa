//! Home page, as HTML and as plain text.

use axum::extract::State;
use axum::response::Response;
use registry_catalog::index::view::View;
use registry_catalog::listing::newest::newest;
use registry_core::models::backend_kind::BackendKind;
use registry_core::models::naming::ExtensionType;
use registry_core::models::scope::Scope;
use registry_web::notice::{Level, Notice};
use registry_web::pages::home::{EmptyCatalog, HomePage, NewVersion, SearchedPlace};
use registry_web::site::Site;

use crate::edge::problem::Problem;
use crate::pages::models::{reference, version_name};
use crate::pages::page_request::PageRequest;
use crate::pages::page_state::{KeptPage, Pages};
use crate::pages::response::{HTML, PLAIN};
use crate::pages::seen_backends::SeenBackends;
use crate::pages::settings::{BackendPlace, PageSettings};

const NEWEST: usize = 10;

/// Responds with the home page, as plain text to command-line clients.
pub async fn home(State(pages): State<Pages>, request: PageRequest) -> Result<Response, Problem> {
    let data = pages.api.answers.list_data(Scope::All).await?;
    let media_type = if request.names_html { HTML } else { PLAIN };
    // Extensions are counted, and the newest releases are found among all.
    let rows = KeptPage::rows_of_a_pass(&data.view);
    let name = format!("home {media_type}");
    let page = KeptPage { media_type, is_negotiated: true, ..KeptPage::html(name, rows).of_view() };
    let (view, settings) = (data.view.clone(), pages.settings.clone());
    let render = move |site: &Site, seen: &SeenBackends| {
        let home = model(&view, &settings, site, seen);
        if media_type == HTML { home.render(site) } else { Ok(home.plain_text(site)) }
    };
    pages.respond(&request, &data, page, render).await
}

fn model(view: &View, settings: &PageSettings, site: &Site, seen: &SeenBackends) -> HomePage {
    let count = |of| view.list(Some(of), Scope::All).count();
    let newest = newest(view, None, Scope::All, NEWEST).into_iter().map(|new| NewVersion {
        id: reference(new.entry.id()),
        version: version_name(&new.release),
        published_at: Some(new.published_at),
        backend: new.release.backend.to_string(),
    });
    let is_empty = view.entries(Scope::All).is_empty();
    let is_read = seen.backends().iter().all(|backend| backend.as_of.is_some());
    HomePage {
        notices: seen.notices(site).into_iter().chain(unreachable(seen, site)).collect(),
        providers: count(ExtensionType::Provider),
        taskservs: count(ExtensionType::Taskserv),
        clusters: count(ExtensionType::Cluster),
        newest: newest.collect(),
        backends: seen.lines(),
        empty: (is_empty && is_read).then(|| empty_catalog(settings, seen)),
    }
}

/// Returns the notice about backends that do not answer while their data is still fresh.
fn unreachable(seen: &SeenBackends, site: &Site) -> Option<Notice> {
    let failing = seen.backends().iter();
    let failing = failing.filter(|one| !one.state.is_reachable() && one.as_of.is_some());
    let names: Vec<&str> = failing.filter(|one| !one.is_stale).map(|one| one.id.as_str()).collect();
    let headline = format!("{} does not answer.", names.first()?);
    let headline = match names.len() {
        1 => headline,
        _ => format!("{} do not answer.", names.join(", ")),
    };
    let notice = Notice::new(Level::Warning, headline, "The data shown is still fresh.");
    Some(notice.linked("Status", site.links.status()))
}

fn empty_catalog(settings: &PageSettings, seen: &SeenBackends) -> EmptyCatalog {
    let places = seen.backends().iter().map(|backend| SearchedPlace {
        backend: backend.id.to_string(),
        location: settings.location(backend.id).to_owned(),
        names: names_of(backend.id.kind()).to_owned(),
    });
    let commands = settings.places.first().map(first_extension).unwrap_or_default();
    EmptyCatalog { places: places.collect(), commands }
}

const fn names_of(kind: BackendKind) -> &'static str {
    match kind {
        BackendKind::Gitea => "{name}_prov, {name}_taskserv, {name}_cluster",
        BackendKind::Oci | BackendKind::Local => "{name}-provider, {name}-taskserv, {name}-cluster",
    }
}

/// Returns the commands that make a first extension at a backend.
fn first_extension(place: &BackendPlace) -> Vec<String> {
    let BackendPlace { backend, location } = place;
    let archive = "tar -czf hello_taskserv.tar.gz README.md".to_owned();
    let publish = match backend.kind() {
        BackendKind::Gitea => {
            let organization = location.rsplit('/').next().unwrap_or_default();
            format!(
                "tea releases create --repo {organization}/hello_taskserv --tag 1.0.0 --title 1.0.0 \
                 --asset hello_taskserv.tar.gz"
            )
        }
        BackendKind::Oci => {
            format!("oras push {location}/hello-taskserv:1.0.0 hello_taskserv.tar.gz")
        }
        BackendKind::Local => {
            format!("oras push --oci-layout {location}/hello-taskserv:1.0.0 hello_taskserv.tar.gz")
        }
    };
    vec![archive, publish]
}
