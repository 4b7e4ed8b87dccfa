//! Routes of the pages.

use axum::Router;
use axum::routing::{MethodRouter, get};
use registry_core::models::naming::ExtensionType;

use crate::pages::page_state::Pages;
use crate::pages::{
    archive_by_digest, badges, changes, feeds, file, files, home, list, overview, provenance,
    reference, static_files, status, versions,
};
use crate::urls::STATUS;

const TYPE: &str = "/{type}";

fn fixed() -> Vec<(&'static str, MethodRouter<Pages>)> {
    vec![
        ("/", get(home::home)),
        ("/extensions", get(list::list)),
        ("/search", get(list::search)),
        (STATUS, get(status::status)),
        ("/api", get(reference::reference)),
        ("/docs", get(static_files::docs)),
        ("/feeds/{file}", get(feeds::newest_versions)),
        ("/badges/{type}/{file}", get(badges::badge)),
        ("/opensearch.xml", get(static_files::search_description)),
        ("/favicon.svg", get(static_files::favicon)),
        ("/favicon.ico", get(static_files::favicon)),
        ("/robots.txt", get(static_files::robots_txt)),
        ("/static/{hash}/{file}", get(static_files::file)),
    ]
}

/// Routes below a type. A version stands behind `/v/`, so that no tag can shadow a page.
fn of_extension() -> Vec<(&'static str, MethodRouter<Pages>)> {
    vec![
        ("/{name}", get(overview::latest)),
        ("/{name}/versions", get(versions::versions)),
        ("/{name}/changes", get(changes::changes)),
        ("/{name}/feed.atom", get(feeds::versions)),
        ("/{name}/digest/{digest}", get(archive_by_digest::archive)),
        ("/{name}/v/{tag}", get(overview::version)),
        ("/{name}/v/{tag}/provenance", get(provenance::provenance)),
        ("/{name}/v/{tag}/files", get(files::files)),
        ("/{name}/v/{tag}/files/{*path}", get(file::file)),
    ]
}

/// Returns the routes. Types are three fixed words, so that the pages of extensions take no other
/// address.
pub fn router(pages: Pages) -> Router {
    let mut router = Router::new();
    for (path, page) in fixed() {
        router = router.route(path, page);
    }
    for extension_type in ExtensionType::ALL {
        for (path, page) in of_extension() {
            router = router.route(&format!("/{extension_type}{path}"), page);
        }
    }
    router.with_state(pages)
}

/// Returns the path of each route with the label of its metrics.
#[must_use]
pub fn templates() -> Vec<(String, String)> {
    let fixed = fixed().into_iter().map(|(path, _)| (path.to_owned(), path.to_owned()));
    let of_types = ExtensionType::ALL.into_iter().flat_map(|extension_type| {
        of_extension()
            .into_iter()
            .map(move |(path, _)| (format!("/{extension_type}{path}"), format!("{TYPE}{path}")))
    });
    fixed.chain(of_types).collect()
}
