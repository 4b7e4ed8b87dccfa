//! State shared by all pages: answers, settings, and the way from a model to a response.

use std::fmt;
use std::sync::Arc;

use axum::http::HeaderValue;
use axum::http::header::VARY;
use axum::http::request::Parts;
use axum::response::{IntoResponse as _, Response};
use registry_catalog::Catalog;
use registry_catalog::index::view::View;
use registry_core::error::{Error, ErrorKind};
use registry_core::models::scope::Scope;
use registry_web::error::Result as PageResult;
use registry_web::freshness::DataAge;
use registry_web::links::Links;
use registry_web::site::{Site, SiteOrigin};
use tokio::time::Instant;

use crate::answers::answer::Answer;
use crate::answers::page_data::PageData;
use crate::api::state::ApiState;
use crate::edge::accept::AcceptedForm;
use crate::edge::coding::Coding;
use crate::edge::headers::Heads;
use crate::edge::own_address::OwnAddress;
use crate::edge::problem::Problem;
use crate::edge::rendered::Rendered;
use crate::edge::representation::Representation;
use crate::metrics::RouteCounters;
use crate::pages::known_pages::{IsSame, KnownPage, KnownPages, identity};
use crate::pages::page_request::PageRequest;
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
    /// Requests that were answered before.
    pub known: Arc<KnownPages>,
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
    /// Says that the name follows from the request and the view; `None` for other pages.
    pub reuse: Option<Reuse>,
}

/// Permission to answer the same request again without its handler, while the view and the states of
/// the backends are the same, and what else the name depends on.
#[derive(Clone)]
pub struct Reuse(pub Option<IsSame>);

impl fmt::Debug for Reuse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Reuse").field(&self.0.is_some()).finish()
    }
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
        Self { name, media_type: HTML, is_negotiated: false, rows, reuse: None }
    }

    /// Returns the page for a handler whose name for it follows from the request and the view alone.
    #[must_use]
    pub fn of_view(self) -> Self {
        Self { reuse: Some(Reuse(None)), ..self }
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
        request: &PageRequest,
        data: &PageData,
        page: KeptPage,
        render: impl FnOnce(&Site, &SeenBackends) -> PageResult<String> + Send + 'static,
    ) -> Result<Response, Problem> {
        let seen = SeenBackends::within(self.catalog(), data.scope);
        let (states, media_type) = (seen.key(), page.media_type);
        let key = key(&request.own, &states, &page);
        let site = self.site(&request.own, &data.view, seen.freshness())?;
        let make = move || {
            let text = render(&site, &seen).map_err(unrendered)?;
            Ok(Rendered::text(text, media_type))
        };
        let answer = self.api.answers.page_of(key.clone(), data, page.rows, make).await?;
        self.learn(request, data, &page, (key, states));
        Ok(self.finished(answer.represent(&self.api.heads), media_type, page.is_negotiated))
    }

    /// Responds with a kept page; `None` if it has to be made, which takes more than to render it.
    #[must_use]
    pub fn kept(
        &self,
        request: &PageRequest,
        data: &PageData,
        page: &KeptPage,
    ) -> Option<Response> {
        let states = SeenBackends::within(self.catalog(), data.scope).key();
        let key = key(&request.own, &states, page);
        let answer = self.api.answers.kept_page_of(&key, data)?;
        self.learn(request, data, page, (key, states));
        let found = answer.represent(&self.api.heads);
        Some(self.finished(found, page.media_type, page.is_negotiated))
    }

    /// Returns the cached page for a request that was answered before, and the counters of its route.
    /// Does not wait.
    #[must_use]
    pub fn known(
        &self,
        head: &Parts,
        coding: Option<Coding>,
        heads: &Heads,
        now: Instant,
    ) -> Option<(Representation, Arc<RouteCounters>)> {
        let known = self.known.get(&identity(head)?)?;
        let (page, catalog) = (&known.page, self.catalog());
        let view = match &page.id {
            Some(id) => {
                let view = catalog.store.view();
                let entry = view.get(id, page.scope)?;
                catalog.reader.still_answers(entry, page.scope, &view, now).ok()?;
                view
            }
            None => catalog.reader.ready_at_once(page.scope, now)?,
        };
        let is_same = view.revision == page.revision
            && SeenBackends::within(catalog, page.scope).key() == page.states
            && page.is_same.as_ref().is_none_or(|is_same| is_same());
        let hit = is_same.then(|| {
            let id = page.id.as_ref();
            self.api.answers.kept_page(&page.key, &view, page.scope, id, now)
        });
        let hit = hit.flatten()?;
        // An encoding that takes milliseconds is made elsewhere.
        if coding.is_some_and(|coding| !hit.answer.content.rendered.is_at_hand(coding)) {
            return None;
        }
        // Of `heads`, those of negotiated answers vary by `Accept` too.
        let form = page.is_negotiated.then_some(AcceptedForm::Fragment);
        let answer = Answer { form, ..hit.take() };
        let page = self.described(answer.represent(heads), page.media_type);
        Some((page, Arc::clone(&known.counters)))
    }

    /// Remembers the page of a request, under this key and with these states of backends.
    fn learn(
        &self,
        request: &PageRequest,
        data: &PageData,
        page: &KeptPage,
        (key, states): (String, String),
    ) {
        let identity = request.identity.clone().filter(|_| data.is_lasting());
        if let (Some(identity), Some(Reuse(is_same))) = (identity, &page.reuse) {
            let known = KnownPage {
                key,
                revision: data.view.revision,
                states,
                scope: data.scope,
                id: data.id.clone(),
                media_type: page.media_type,
                is_negotiated: page.is_negotiated,
                is_same: is_same.clone(),
            };
            self.known.learn(identity, &request.path, known);
        }
    }

    /// Responds with a page that is made for one request, and kept by nothing.
    #[must_use]
    pub fn respond_live(&self, text: String, media_type: &'static str) -> Response {
        let page = Representation::from(Rendered::live_text(text, media_type));
        self.finished(page, media_type, true)
    }

    fn finished(
        &self,
        page: Representation,
        media_type: &'static str,
        is_negotiated: bool,
    ) -> Response {
        let mut page = self.described(page, media_type);
        if is_negotiated {
            page.headers.insert(VARY, HeaderValue::from_static("accept-encoding, accept"));
        }
        page.into_response()
    }

    /// Adds the headers of pages.
    fn described(&self, mut page: Representation, media_type: &'static str) -> Representation {
        if media_type == HTML {
            restrict(&mut page.headers, self.settings.remote_images);
        }
        page
    }
}

/// A page about one extension shows the states of all backends that could have it.
fn key(own: &OwnAddress, states: &str, page: &KeptPage) -> String {
    let OwnAddress { origin, prefix, .. } = own;
    format!("{origin}{prefix}\n{}\n{}", states, page.name)
}

/// Returns the error of a page that cannot be rendered: a bug.
#[must_use]
pub fn unrendered(error: registry_web::error::Error) -> Error {
    Error::new(ErrorKind::Internal, "A page cannot be rendered").because(error)
}
