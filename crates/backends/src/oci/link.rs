//! `Link` header of a paged listing: the next page, restricted to the registry's own address.

use url::Url;

use crate::http::link;

/// The address of the next page is malformed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the address of the listing's next page cannot be read")]
pub struct UnreadableLink;

/// A listing of a registry: the base URL of the registry, and the URL of the listing's first page.
#[derive(Clone, Copy, Debug)]
pub struct LinkedList<'a> {
    /// Base URL with a trailing slash.
    pub root: &'a Url,
    /// URL without a query.
    pub start: &'a Url,
}

impl LinkedList<'_> {
    /// Returns the URL of the page after `page`, from its `Link` headers.
    ///
    /// The URL always points to the configured registry. Behind a proxy, a registry may name
    /// another scheme, host or path. Only the query continues the listing; it is opaque and stays
    /// unchanged.
    ///
    /// # Errors
    /// [`UnreadableLink`] if the target is malformed. The listing is then partial.
    pub fn next_page<'h>(
        &self,
        page: &Url,
        headers: impl IntoIterator<Item = &'h str>,
    ) -> Result<Option<Url>, UnreadableLink> {
        let Some(target) = headers.into_iter().find_map(link::next) else {
            return Ok(None);
        };
        let named = page.join(target).map_err(|_| UnreadableLink)?;
        if !matches!(named.scheme(), "http" | "https") {
            return Err(UnreadableLink);
        }
        Ok(Some(self.at_home(&named)))
    }

    /// Returns the URL of the page after the name `last`, for registries that do not link to it.
    #[must_use]
    pub fn page_behind(&self, last: &str, names: &str) -> Url {
        let mut url = self.start.clone();
        url.query_pairs_mut().append_pair("n", names).append_pair("last", last);
        url
    }

    fn at_home(&self, named: &Url) -> Url {
        let root = self.root.path();
        let listing = self.start.path().strip_prefix(root).unwrap_or_default();
        let is_listing = named.path().strip_suffix(listing).is_some_and(|rest| rest.ends_with('/'));
        let mut url = self.root.clone();
        // A proxy may serve the API under another prefix than the registry knows.
        if is_listing {
            url.set_path(self.start.path());
        } else if named.path().starts_with(root) {
            url.set_path(named.path());
        } else {
            url.set_path(&format!("{root}{}", named.path().trim_start_matches('/')));
        }
        url.set_query(named.query());
        url
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next_at(root: &str, header: &str) -> Result<Option<String>, UnreadableLink> {
        let root = Url::parse(root).unwrap();
        let start = root.join("v2/_catalog").unwrap();
        let page = root.join("v2/_catalog?n=2").unwrap();
        let listing = LinkedList { root: &root, start: &start };
        listing.next_page(&page, [header]).map(|url| url.map(String::from))
    }

    #[test]
    fn next_pages_of_every_registry_are_found() {
        let start = "https://registry.test/prefix/v2/_catalog";
        for (header, expected) in [
            ("</prefix/v2/_catalog?last=a%2Fb&n=2>; rel=\"next\"", Some("?last=a%2Fb&n=2")),
            ("</v2/_catalog?n=4&last=ns/bare>; rel=next", Some("?n=4&last=ns/bare")),
            ("<?next_page=gAAA%3D%3D&n=2>;rel=\"next\"", Some("?next_page=gAAA%3D%3D&n=2")),
            ("</a>; rel=prev, </v2/_catalog?b,c>; title=x; REL=\"last Next\"", Some("?b,c")),
            ("<https://REGISTRY.test:443/prefix/v2/_catalog?x>; rel=next", Some("?x")),
            ("</a>; rel=\"prev\"", None),
            ("</a>", None),
            ("", None),
            ("</a; rel=next", None),
        ] {
            let expected = expected.map(|query| format!("{start}{query}"));
            assert_eq!(next_at("https://registry.test/prefix/", header), Ok(expected), "{header}");
        }
    }

    #[test]
    fn no_other_server_is_ever_asked() {
        for (target, expected) in [
            ("https://evil.example/v2/_catalog?last=x", "v2/_catalog?last=x"),
            ("//evil.example/v2/_catalog?last=x", "v2/_catalog?last=x"),
            ("http://registry.test/v2/_catalog?last=x", "v2/_catalog?last=x"),
            ("http://registry:5000/v2/_catalog?last=x", "v2/_catalog?last=x"),
            ("https://registry.test:8443/other/v2/_catalog?last=x", "v2/_catalog?last=x"),
            ("https://user:secret@registry.test/v2/_catalog?last=x", "v2/_catalog?last=x"),
            ("https://evil.example/page/2", "page/2"),
            ("/xv2/_catalog?last=x", "xv2/_catalog?last=x"),
        ] {
            for root in ["https://registry.test/", "https://registry.test/sub/path/"] {
                let found = next_at(root, &format!("<{target}>; rel=\"next\""));
                assert_eq!(found, Ok(Some(format!("{root}{expected}"))), "{target}");
            }
        }
        for target in ["file:///etc/passwd", "https://[::bad/", "data:text/plain,x"] {
            let found = next_at("https://registry.test/", &format!("<{target}>; rel=\"next\""));
            assert_eq!(found, Err(UnreadableLink), "{target}");
        }
    }
}
