//! Files at fixed addresses: `OpenSearch` description and `robots.txt`.

use askama::Template;

use crate::error::Result;
use crate::layout::rendered;
use crate::site::Site;

/// Media type of the `OpenSearch` description.
pub const OPEN_SEARCH_TYPE: &str = "application/opensearchdescription+xml";

#[derive(Template)]
#[template(path = "opensearch.xml", escape = "html")]
struct OpenSearchTemplate {
    icon: String,
    search: String,
    form: String,
}

/// Returns the description by which browsers offer the search.
///
/// # Errors
///
/// [`crate::error::Error::Render`] if the template fails.
pub fn open_search(site: &Site) -> Result<String> {
    let template = OpenSearchTemplate {
        icon: site.absolute(&site.links.favicon()),
        search: site.absolute(&site.links.search()),
        form: site.absolute(&site.links.home()),
    };
    rendered("opensearch.xml", &template)
}

/// Returns `robots.txt`. Robots stay out of pages that read archives, and of searches.
#[must_use]
pub fn robots(site: &Site) -> String {
    let prefix = site.links.prefix();
    let refused = ["/api/", "/search", "/v2/", "/*/files", "/*/digest/", "/*/changes", "/status"];
    let lines = refused.map(|path| format!("Disallow: {prefix}{path}\n"));
    format!("User-agent: *\n{}", lines.concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_search_of_browsers_leads_here() {
        let xml = open_search(&Site::for_tests()).unwrap();
        let document = roxmltree::Document::parse(&xml).unwrap();
        let url = document
            .descendants()
            .find(|node| node.has_tag_name(("http://a9.com/-/spec/opensearch/1.1/", "Url")))
            .unwrap();
        let expected = "https://registry.example.com/search?q={searchTerms}";
        assert_eq!(url.attribute("template"), Some(expected));
    }

    #[test]
    fn robots_stay_out_of_archives() {
        assert!(robots(&Site::for_tests()).contains("Disallow: /*/files\n"));
    }
}
