//! State shared by all pages: answers, settings, and the way from a model to a response.

use std::sync::Arc;

use axum::http::HeaderValue;
use axum::http::header::VARY;
use axum::response::{IntoResponse as _, Response};
use registry_catalog::Catalog;
use registry_catalog::index::view::View;
use registry_core::error::{Error, ErrorKind};
use registry_core::models::scope::Scope;
use registry_web::error::Result as PageResult;
use registry_web::freshness::DataAge;
use registry_web::links::Links;
use registry_web::site::{Site, SiteOrigin};

use crate::answers::page_data::PageData;
use crate::api::state::ApiState;
use crate::edge::own_address::OwnAddress;
use crate::edge::problem::Problem;
use crate::edge::rendered::Rendered;
use crate::edge::representation::Representation;
use crate::pages::response::{HTML, restrict};
use crate::pages::seen_backends::SeenBackends;
use crate::pages::settings::PageSettings;

/// Extensions whose rows are compared in the time in which one is rendered.
const VISITS_OF_A_ROW: usize = 20;

/// State shared by all pages.
#[derive(Clone)]
pub struct Pages {
    /// State of the API, whose reads pages use.
    pub api: Arc<ApiState>,
    /// Settings.
    pub settings: Arc<PageSettings>,
}

/// A page that is kept in the response cache.
#[derive(Clone, Debug)]
pub struct KeptPage {
    /// Identifies the page and its parameters.
    pub name: String,
    /// Media type.
    pub media_type: &'static str,
    /// True if the form of the page depends on `Accept`.
    pub is_negotiated: bool,
    /// Approximate number of rows.
    pub rows: usize,
}

impl KeptPage {
    /// Returns the number of rows that take as long as a pass over all extensions.
    #[must_use]
    pub fn rows_of_a_pass(view: &View) -> usize {
        view.entries(Scope::All).len() / VISITS_OF_A_ROW
    }

    /// Returns an HTML page with this number of rows.
    #[must_use]
    pub const fn html(name: String, rows: usize) -> Self {
        Self { name, media_type: HTML, is_negotiated: false, rows }
    }
}

impl Pages {
    /// Returns the catalog.
    #[must_use]
    pub fn catalog(&self) -> &Arc<Catalog> {
        self.api.answers.catalog()
    }

    /// Returns the data that all pages share.
    ///
    /// # Errors
    ///
    /// `Internal` if the address of the service is not usable, which its rules exclude.
    pub fn site(&self, own: &OwnAddress, view: &View, freshness: DataAge) -> Result<Site, Error> {
        let PageSettings { version, commit, demo, .. } = &*self.settings;
        Ok(Site {
            links: Links::below(&own.prefix).map_err(unrendered)?,
            origin: SiteOrigin::parse(&own.origin).map_err(unrendered)?,
            version: version.clone(),
            commit: commit.clone(),
            extensions: view.entries(Scope::All).len(),
            demo: *demo,
            freshness,
        })
    }

    /// Responds with a kept page, or renders it. Its key contains everything that it shows besides
    /// the view: the address of the service, and the states of backends.
    ///
    /// # Errors
    ///
    /// 500 if the page cannot be rendered.
    pub async fn respond(
        &self,
        own: &OwnAddress,
        data: &PageData,
        page: KeptPage,
        render: impl FnOnce(&Site, &SeenBackends) -> PageResult<String> + Send + 'static,
    ) -> Result<Response, Problem> {
        let seen = SeenBackends::within(self.catalog(), data.scope);
        let key = key(own, &seen, &page);
        let site = self.site(own, &data.view, seen.freshness())?;
        let media_type = page.media_type;
        let make = move || {
            let text = render(&site, &seen).map_err(unrendered)?;
            Ok(Rendered::text(text, media_type))
        };
        let answer = self.api.answers.page_of(key, data, page.rows, make).await?;
        Ok(self.finished(answer.represent(&self.api.heads), media_type, page.is_negotiated))
    }

    /// Responds with a kept page; `None` if it has to be made, for which an archive is read.
    #[must_use]
    pub fn kept(&self, own: &OwnAddress, data: &PageData, page: &KeptPage) -> Option<Response> {
        let seen = SeenBackends::within(self.catalog(), data.scope);
        let answer = self.api.answers.kept_page(&key(own, &seen, page), data)?;
        let page_of = answer.represent(&self.api.heads);
        Some(self.finished(page_of, page.media_type, page.is_negotiated))
    }

    /// Responds with a page that is made for one request, and kept by nothing.
    #[must_use]
    pub fn respond_live(&self, text: String, media_type: &'static str) -> Response {
        let page = Representation::from(Rendered::live_text(text, media_type));
        self.finished(page, media_type, true)
    }

    fn finished(
        &self,
        mut page: Representation,
        media_type: &'static str,
        is_negotiated: bool,
    ) -> Response {
        if media_type == HTML {
            restrict(&mut page.headers, self.settings.remote_images);
        }
        if is_negotiated {
            page.headers.insert(VARY, HeaderValue::from_static("accept-encoding, accept"));
        }
        page.into_response()
    }
}

/// A page about one extension shows the states of all backends that could have it.
fn key(own: &OwnAddress, seen: &SeenBackends, page: &KeptPage) -> String {
    let OwnAddress { origin, prefix, .. } = own;
    format!("{origin}{prefix}\n{}\n{}", seen.key(), page.name)
}

/// Returns the error of a page that cannot be rendered: a bug.
#[must_use]
pub fn unrendered(error: registry_web::error::Error) -> Error {
    Error::new(ErrorKind::Internal, "A page cannot be rendered").because(error)
}
