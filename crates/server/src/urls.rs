//! Paths of the service: the base of the API, and one type for each route that responses link to.

use registry_catalog::listing::filter::ListOrder;
use registry_catalog::listing::keyword::Keyword;
use registry_core::models::artifact::ArtifactKey;
use registry_core::models::naming::{ExtensionId, ExtensionType};
use registry_core::models::public_url::PublicUrl;
use registry_core::models::scope::Scope;
pub use registry_public::paths::BASE;
use registry_public::paths::Target;

/// A route with its parameters.
pub trait Route {
    /// Returns path and query below [`BASE`].
    fn target(&self) -> String;

    /// Returns path and query from the root of this service, valid behind any proxy.
    fn relative(&self) -> String {
        format!("{BASE}{}", self.target())
    }

    /// Returns the URL for clients elsewhere.
    fn absolute(&self, public_url: &PublicUrl) -> String {
        public_url.at(&self.relative())
    }
}

/// The list of extensions.
#[derive(Clone, Copy, Debug)]
pub struct ListRoute<'a> {
    /// Restricts the list to this type.
    pub extension_type: Option<ExtensionType>,
    /// Backends of the list.
    pub scope: Scope,
    /// Restricts the list to extensions with all of these keywords.
    pub keywords: &'a [Keyword],
    /// Order of the list.
    pub order: ListOrder,
    /// Maximum number of rows, and the number of rows to skip; `None` for the default page.
    pub page: Option<(usize, usize)>,
}

/// A search.
#[derive(Clone, Copy, Debug)]
pub struct SearchRoute<'a> {
    /// Words to find.
    pub words: &'a str,
    /// List that is searched, and the page of results.
    pub list: ListRoute<'a>,
}

/// The archive, or one file, of a release.
#[derive(Clone, Copy, Debug)]
pub struct ReleaseRoute<'a> {
    /// Extension.
    pub id: &'a ExtensionId,
    /// Version or tag.
    pub version: &'a str,
    /// Backends that are asked.
    pub scope: Scope,
    /// File to use instead of the archive.
    pub asset: Option<&'a ArtifactKey>,
}

/// An endpoint for orchestrators and monitoring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SystemRoute {
    /// Health of the service and its backends.
    Health,
    /// Liveness.
    Live,
    /// Readiness.
    Ready,
    /// Metrics.
    Metrics,
}

impl ListRoute<'_> {
    fn pairs(&self) -> Vec<(&'static str, String)> {
        let extension_type = self.extension_type.map(|wanted| ("type", wanted.as_str().to_owned()));
        let scope = self.scope.parameter().map(|(name, value)| (name, value.to_owned()));
        let page = self.page.into_iter().flat_map(|(limit, offset)| {
            [("limit", limit.to_string()), ("offset", offset.to_string())]
        });
        let order = self.order.as_str().to_owned();
        let order = (self.order != ListOrder::Name).then_some(("sort", order));
        let keywords = self.keywords.iter().map(|one| ("keyword", one.as_str().to_owned()));
        let filter = extension_type.into_iter().chain(scope).chain(order).chain(keywords);
        filter.chain(page).collect()
    }
}

impl Route for ListRoute<'_> {
    fn target(&self) -> String {
        Target::new("/extensions").with_all(self.pairs()).text()
    }
}

impl Route for SearchRoute<'_> {
    fn target(&self) -> String {
        let search = Target::new("/extensions/search").with("q", self.words);
        search.with_all(self.list.pairs()).text()
    }
}

impl Route for ReleaseRoute<'_> {
    fn target(&self) -> String {
        let Self { id, version, scope, asset } = *self;
        let scope = scope.parameter().map(|(name, value)| (name, value.to_owned()));
        let asset = asset.map(|key| ("asset", key.as_str().to_owned()));
        let release = Target::release(&id.to_string(), version);
        release.with_all(scope.into_iter().chain(asset)).text()
    }
}

impl SystemRoute {
    /// Returns the path below [`BASE`].
    #[must_use]
    pub const fn path(self) -> &'static str {
        match self {
            Self::Health => "/health",
            Self::Live => "/health/live",
            Self::Ready => "/health/ready",
            Self::Metrics => "/metrics",
        }
    }

    /// Returns the endpoint at this path; `None` for other routes.
    #[must_use]
    pub fn at(path: &str) -> Option<Self> {
        let path = path.strip_prefix(BASE)?;
        [Self::Health, Self::Live, Self::Ready, Self::Metrics]
            .into_iter()
            .find(|route| route.path() == path)
    }
}

impl Route for SystemRoute {
    fn target(&self) -> String {
        self.path().to_owned()
    }
}

/// Path of the status page.
pub const STATUS: &str = "/status";

/// Path of the OCI pull API, which clients ask for at the root of every host.
pub const OCI: &str = "/v2";

/// Returns true for a path of the OCI pull API.
#[must_use]
pub fn is_oci(path: &str) -> bool {
    path.strip_prefix(OCI).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Returns true for the path with which OCI clients check that the API is there.
#[must_use]
pub fn is_oci_check(path: &str) -> bool {
    path.strip_prefix(OCI).is_some_and(|rest| matches!(rest, "" | "/"))
}

/// Returns true for a path of the pages: every path outside of the API and of the OCI pull API.
#[must_use]
pub fn is_page(path: &str) -> bool {
    !path.starts_with("/api/") && !is_oci(path)
}

/// Returns true for the path of a file of the pages that shows no data, and so needs no token.
#[must_use]
pub fn is_asset(path: &str) -> bool {
    path.starts_with("/static/")
        || ["/favicon.svg", "/favicon.ico", "/robots.txt", "/opensearch.xml"].contains(&path)
}

/// Returns true for the path of a webhook, which its sender signs.
#[must_use]
pub fn is_webhook(path: &str) -> bool {
    path.strip_prefix(BASE).is_some_and(|path| path.starts_with("/webhooks/"))
}

#[cfg(test)]
mod tests {
    use registry_core::models::backend_id::BackendId;
    use registry_core::models::backend_kind::BackendKind;

    use super::*;

    #[test]
    fn hrefs_lead_to_the_release_whatever_it_is_called() {
        let id = ExtensionId::from_oci_repository("aws-provider").unwrap();
        for (version, scope, expected) in [
            ("1.0.0", Scope::All, "/api/v1/extensions/provider/aws/1.0.0"),
            ("1.0.0+b", Scope::All, "/api/v1/extensions/provider/aws/1.0.0+b"),
            ("rel/1", Scope::All, "/api/v1/extensions/provider/aws/rel%2F1"),
            (
                "1.0.0",
                Scope::Kind(BackendKind::Oci),
                "/api/v1/extensions/provider/aws/1.0.0?source=oci",
            ),
            ("1.0.0", BackendId::OCI.into(), "/api/v1/extensions/provider/aws/1.0.0?backend=oci"),
            ("readme", Scope::All, "/api/v1/extensions/provider/aws/latest?tag=readme"),
            ("explain", Scope::All, "/api/v1/extensions/provider/aws/latest?tag=explain"),
        ] {
            let route = ReleaseRoute { id: &id, version, scope, asset: None };
            assert_eq!(route.relative(), expected);
        }
    }

    #[test]
    fn pages_lie_outside_of_both_apis() {
        for path in ["/", "/api", "/apis", "/provider/aws", "/v2x", "/status"] {
            assert!(is_page(path), "{path}");
        }
        for path in ["/api/v1/health", "/api/", "/v2", "/v2/", "/v2/a/manifests/1"] {
            assert!(!is_page(path), "{path}");
        }
        assert!(is_oci_check("/v2") && is_oci_check("/v2/") && !is_oci_check("/v2/a"));
        assert!(is_asset("/static/0/er.css") && !is_asset("/status") && !is_asset("/static"));
    }

    #[test]
    fn a_route_has_one_path_below_every_base() {
        let public: PublicUrl = "https://x.example/registry".parse().unwrap();
        let list = ListRoute {
            extension_type: None,
            scope: Scope::All,
            keywords: &[],
            order: ListOrder::Name,
            page: Some((10, 20)),
        };
        let keywords = ["a&b".parse().unwrap(), "C D".parse().unwrap()];
        let sorted = ListRoute { keywords: &keywords, order: ListOrder::Published, ..list };
        assert_eq!(
            sorted.target(),
            "/extensions?sort=published&keyword=a%26b&keyword=C%20D&limit=10&offset=20"
        );
        let search = SearchRoute { words: "a b+c", list };
        assert_eq!(list.relative(), "/api/v1/extensions?limit=10&offset=20");
        assert_eq!(
            search.absolute(&public),
            "https://x.example/registry/api/v1/extensions/search?q=a%20b%2Bc&limit=10&offset=20"
        );
        assert_eq!(SystemRoute::at("/api/v1/health/live"), Some(SystemRoute::Live));
        assert_eq!(SystemRoute::at("/health/live"), None);
        assert!(is_webhook("/api/v1/webhooks/gitea") && !is_webhook("/api/v1/webhooks"));
    }
}
