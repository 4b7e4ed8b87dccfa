//! Home page.

use askama::Template;
use jiff::Timestamp;

use crate::backend_state::BackendStateView;
use crate::error::Result;
use crate::extension_ref::ExtensionRef;
use crate::extension_type::TypeView;
use crate::filters;
use crate::format::amount::{counted, grouped};
use crate::layout::{FeedLink, PageLayout, SitePlace, rendered};
use crate::links::Links;
use crate::notice::Notice;
use crate::site::Site;
use crate::version_name::VersionName;

/// Home page.
#[derive(Clone, Debug)]
pub struct HomePage {
    /// Notices about backends.
    pub notices: Vec<Notice>,
    /// Number of providers.
    pub providers: usize,
    /// Number of task services.
    pub taskservs: usize,
    /// Number of clusters.
    pub clusters: usize,
    /// Latest published versions, latest first.
    pub newest: Vec<NewVersion>,
    /// Backends in the order of ownership.
    pub backends: Vec<BackendLine>,
    /// Help for a catalog without extensions; `None` if there are any.
    pub empty: Option<EmptyCatalog>,
}

/// Recently published version.
#[derive(Clone, Debug)]
pub struct NewVersion {
    /// Its extension.
    pub id: ExtensionRef,
    /// Its names.
    pub version: VersionName,
    /// Time of publication.
    pub published_at: Option<Timestamp>,
    /// Name of the backend that has it.
    pub backend: String,
}

/// Backend with its state.
#[derive(Clone, Debug)]
pub struct BackendLine {
    /// Name of the backend.
    pub name: String,
    /// State of the backend.
    pub state: BackendStateView,
}

/// Help for a catalog without extensions.
#[derive(Clone, Debug)]
pub struct EmptyCatalog {
    /// Places where the backends look.
    pub places: Vec<SearchedPlace>,
    /// Shell commands that make a first extension.
    pub commands: Vec<String>,
}

/// Place where a backend looks for extensions.
#[derive(Clone, Debug)]
pub struct SearchedPlace {
    /// Name of the backend.
    pub backend: String,
    /// Organization, namespace or directory.
    pub location: String,
    /// Pattern of the names of repositories, such as `{name}_prov`.
    pub names: String,
}

/// Type with its number of extensions.
struct TypeRow {
    label: &'static str,
    meaning: &'static str,
    href: String,
    count: usize,
}

#[derive(Template)]
#[template(path = "home.html")]
struct HomeTemplate<'a> {
    site: &'a Site,
    layout: PageLayout,
    page: &'a HomePage,
}

impl HomePage {
    /// Renders the page.
    ///
    /// # Errors
    ///
    /// [`crate::error::Error::Render`] if the template fails.
    pub fn render(&self, site: &Site) -> Result<String> {
        let layout = PageLayout {
            description: Some("Find, compare and download infrastructure extensions".to_owned()),
            json: Some(site.links.api().extensions()),
            feed: Some(FeedLink { title: "New versions".to_owned(), href: site.links.feed(None) }),
            canonical: Some(site.links.home()),
            ..PageLayout::default()
        };
        rendered("home.html", &HomeTemplate { site, layout, page: self })
    }

    /// Returns the page as plain text, for command-line clients.
    #[must_use]
    pub fn plain_text(&self, site: &Site) -> String {
        let types = self.types().map(|(one, count)| {
            format!("{:<10} {:>7}  {}\n", one.as_str(), grouped(count), one.meaning())
        });
        let states = self
            .backends
            .iter()
            .map(|backend| format!("{:<10} {}\n", backend.name, backend.state.words()));
        let api = site.links.api();
        let example = self.newest.first().map_or_else(
            || ExtensionRef::new(TypeView::Provider, "NAME"),
            |newest| newest.id.clone(),
        );
        let search = format!("{}?q=kubernetes", api.search());
        let latest = format!("{}/latest", api.extension(&example));
        let lines = [api.extensions(), search, api.versions(&example), latest, site.links.status()]
            .map(|address| format!("curl -fsS '{}'\n", site.absolute(&address)));
        format!(
            "Extension Registry {}: {}\n\n{}\n{}\n{}",
            site.version,
            counted(site.extensions, "extension"),
            types.concat(),
            states.collect::<String>(),
            lines.concat()
        )
    }

    fn type_rows(&self, links: &Links) -> [TypeRow; 3] {
        self.types().map(|(one, count)| TypeRow {
            label: one.plural(),
            meaning: one.meaning(),
            href: links.of_type(one),
            count,
        })
    }

    const fn types(&self) -> [(TypeView, usize); 3] {
        [
            (TypeView::Provider, self.providers),
            (TypeView::Taskserv, self.taskservs),
            (TypeView::Cluster, self.clusters),
        ]
    }
}
