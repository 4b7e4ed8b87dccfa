//! Atom feeds of versions (RFC 4287).

use askama::Template;
use jiff::Timestamp;

use crate::digest::DigestView;
use crate::error::Result;
use crate::extension_ref::ExtensionRef;
use crate::extension_type::TypeView;
use crate::filters;
use crate::format::time::{date, rfc3339};
use crate::format::visible::{Breaks, visible};
use crate::layout::rendered;
use crate::site::Site;
use crate::version_name::VersionName;

/// Media type of feeds.
pub const MEDIA_TYPE: &str = "application/atom+xml; charset=utf-8";

/// Subject of a feed.
#[derive(Clone, Debug)]
pub enum Subject {
    /// Versions of all extensions.
    All,
    /// Versions of the extensions of one type.
    Type(TypeView),
    /// Versions of one extension.
    Extension(ExtensionRef),
}

/// Feed of versions.
#[derive(Clone, Debug)]
pub struct Feed {
    /// Subject of the feed.
    pub subject: Subject,
    /// Time of the feed if it has no entry with a date.
    pub updated: Timestamp,
    /// Versions, latest published first.
    pub entries: Vec<FeedItem>,
}

/// Version in a feed.
#[derive(Clone, Debug)]
pub struct FeedItem {
    /// Its extension.
    pub id: ExtensionRef,
    /// Its names.
    pub version: VersionName,
    /// Time of publication.
    pub published_at: Timestamp,
    /// Author, as the publisher gives it.
    pub author: Option<String>,
    /// Description by the publisher.
    pub description: Option<String>,
    /// Digest of the archive; a moved tag is a new entry.
    pub digest: Option<DigestView>,
}

#[derive(Template)]
#[template(path = "feed.xml", escape = "html")]
struct FeedTemplate<'a> {
    site: &'a Site,
    title: String,
    id: String,
    updated: String,
    self_href: String,
    page_href: String,
    entries: Vec<EntryView<'a>>,
}

struct EntryView<'a> {
    entry: &'a FeedItem,
    title: String,
    id: String,
    at: String,
    href: String,
}

impl Feed {
    /// Renders the feed.
    ///
    /// # Errors
    ///
    /// [`crate::error::Error::Render`] if the template fails.
    pub fn render(&self, site: &Site) -> Result<String> {
        let links = &site.links;
        let (title, path, page) = match &self.subject {
            Subject::All => ("New versions".to_owned(), links.feed(None), links.home()),
            Subject::Type(one) => {
                let title = format!("New versions of {}", one.plural().to_lowercase());
                (title, links.feed(Some(*one)), links.of_type(*one))
            }
            Subject::Extension(id) => {
                let pages = links.extension(id);
                (format!("Versions of {id}"), pages.feed(), pages.overview())
            }
        };
        let updated = self.entries.iter().map(|entry| entry.published_at).max();
        let template = FeedTemplate {
            site,
            title: visible(&title, Breaks::Shown),
            id: site.absolute(&path),
            updated: rfc3339(updated.unwrap_or(self.updated)),
            self_href: site.absolute(&path),
            page_href: site.absolute(&page),
            entries: self.entries.iter().map(|entry| entry.view(site)).collect(),
        };
        rendered("feed.xml", &template)
    }
}

impl FeedItem {
    fn view(&self, site: &Site) -> EntryView<'_> {
        let Self { id, version, published_at, digest, .. } = self;
        let pages = site.links.extension(id);
        let href = pages.at_tag(&version.tag).overview();
        let at = rfc3339(*published_at);
        let day = at.get(..10).unwrap_or(&at);
        // RFC 4151: the host and a day on which its owner minted the tag, then our own name.
        let host = site.origin.authority().split(':').next().unwrap_or_default();
        let host = if host.is_empty() || host.starts_with('[') { "localhost" } else { host };
        let specific = digest.as_ref().map_or_else(|| "unknown".to_owned(), ToString::to_string);
        let title = visible(&format!("{} {}", id, version.version), Breaks::Shown);
        EntryView {
            entry: self,
            title,
            id: format!("tag:{host},{day}:{href}:{specific}"),
            at,
            href: site.absolute(&href),
        }
    }

    fn summary(&self) -> String {
        let digest = self.digest.as_ref().map_or_else(String::new, |digest| format!(", {digest}"));
        let published = format!("Published {}{digest}", date(self.published_at));
        match &self.description {
            Some(description) => format!("{}. {published}", visible(description, Breaks::Shown)),
            None => published,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTILE: &str = "</summary><script>&\u{0}\u{202e}\u{fffe}]]>";

    fn feed() -> Feed {
        let entry = |digest: &str| FeedItem {
            id: ExtensionRef::new(TypeView::Provider, "aws"),
            version: VersionName::same("1.0.0"),
            published_at: "2026-09-03T16:04:00Z".parse().unwrap(),
            author: Some(HOSTILE.to_owned()),
            description: Some(HOSTILE.to_owned()),
            digest: digest.repeat(64).parse().ok(),
        };
        Feed {
            subject: Subject::Type(TypeView::Provider),
            updated: Timestamp::UNIX_EPOCH,
            entries: vec![entry("a"), entry("b")],
        }
    }

    #[test]
    fn the_feed_is_xml_with_all_that_atom_requires() {
        let xml = feed().render(&Site::for_tests()).unwrap();
        let document = roxmltree::Document::parse(&xml).unwrap();
        let root = document.root_element();
        let children = |node: roxmltree::Node<'_, '_>| {
            node.children()
                .filter(roxmltree::Node::is_element)
                .map(|one| one.tag_name().name().to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(root.tag_name().namespace(), Some("http://www.w3.org/2005/Atom"));
        for required in ["id", "title", "updated", "author"] {
            assert_eq!(
                children(root).iter().filter(|name| *name == required).count(),
                1,
                "{required}"
            );
        }
        let entries: Vec<_> = root
            .children()
            .filter(|one| one.has_tag_name(("http://www.w3.org/2005/Atom", "entry")))
            .collect();
        assert_eq!(entries.len(), 2);
        let ids = entries.iter().map(|entry| {
            let id = entry.children().find(|one| one.tag_name().name() == "id").unwrap();
            id.text().unwrap().to_owned()
        });
        let ids: Vec<String> = ids.collect();
        assert!(
            ids[0].starts_with(
                "tag:registry.example.com,2026-09-03:/provider/aws/v/1.0.0:sha256:aaaa"
            )
        );
        assert_ne!(ids[0], ids[1], "a moved tag is a new entry");
    }

    #[test]
    fn a_feed_without_entries_has_a_date() {
        let empty = Feed { entries: Vec::new(), ..feed() };
        let xml = empty.render(&Site::for_tests()).unwrap();
        assert!(xml.contains("<updated>1970-01-01T00:00:00Z</updated>"), "{xml}");
        assert!(roxmltree::Document::parse(&xml).is_ok());
    }
}
