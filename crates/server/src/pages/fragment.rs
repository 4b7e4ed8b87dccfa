//! Fragments of sanitized HTML inside of a page. A page loads nothing from other hosts, so their
//! pictures become links, and relative addresses lead to the files of the archive.

use registry_web::clean_html::CleanHtml;

use crate::answers::markdown::RELATIVE;
use crate::pages::readme_files::ReadmeFiles;

/// What a fragment may refer to.
#[derive(Clone, Copy)]
pub struct References<'a> {
    /// Level of the heading above the fragment.
    pub above: u8,
    /// True if pictures of other hosts are loaded.
    pub remote_images: bool,
    /// Files for relative addresses. Without them, and for files that are missing, only the text of a
    /// link remains.
    pub files: Option<&'a ReadmeFiles<'a>>,
}

impl References<'_> {
    /// Returns a fragment of `fragment_of` for a page.
    #[must_use]
    pub fn within_page(&self, fragment: &str) -> CleanHtml {
        CleanHtml::trusted(&self.replaced(fragment), self.above)
    }

    /// Replaces the tags of pictures and links.
    fn replaced(&self, fragment: &str) -> String {
        let mut html = String::with_capacity(fragment.len());
        let (mut rest, mut is_in_link) = (fragment, false);
        while let Some((before, tag)) = rest.find('<').and_then(|at| rest.split_at_checked(at)) {
            html.push_str(before);
            let (tag, after) = tag.split_at(end_of_tag(tag));
            if is_named(tag, "<img") {
                self.push_picture(&mut html, tag, is_in_link);
            } else if is_named(tag, "<a") {
                is_in_link = true;
                self.push_link(&mut html, tag);
            } else {
                is_in_link = is_in_link && !is_named(tag, "</a");
                html.push_str(tag);
            }
            rest = after;
        }
        html.push_str(rest);
        html
    }

    /// Writes a picture, or a link with its alternative text. Within a link only the text remains.
    fn push_picture(&self, html: &mut String, tag: &str, is_in_link: bool) {
        let words = attribute(tag, "alt").map(str::trim).filter(|alt| !alt.is_empty());
        let source = attribute(tag, "src");
        if let Some(address) = source.and_then(|source| source.strip_prefix(RELATIVE)) {
            let address = unescaped(address);
            if let Some(picture) = self.files.and_then(|files| files.picture(&address)) {
                let words = words.unwrap_or_default();
                html.push_str(&format!("<img src=\"{}\" alt=\"{words}\">", escaped(&picture)));
                return;
            }
            let page = self.files.and_then(|files| files.page(&address));
            push_words(html, page.map(|page| escaped(&page)).filter(|_| !is_in_link), words, "");
            return;
        }
        match source {
            Some(_) if self.remote_images => html.push_str(tag),
            source => {
                let source = source.filter(|_| !is_in_link).map(str::to_owned);
                push_words(html, source, words, " rel=\"nofollow noopener noreferrer\"");
            }
        }
    }

    fn push_link(&self, html: &mut String, tag: &str) {
        let address = attribute(tag, "href").and_then(|href| href.strip_prefix(RELATIVE));
        let Some(address) = address.map(unescaped) else { return html.push_str(tag) };
        match self.files.and_then(|files| files.page(&address)) {
            Some(page) => html.push_str(&format!("<a href=\"{}\">", escaped(&page))),
            None => html.push_str("<a>"),
        }
    }
}

/// Writes the text of a picture, as a link if there is an address. Address and text are escaped.
fn push_words(html: &mut String, address: Option<String>, words: Option<&str>, rel: &str) {
    let words = words.unwrap_or("Picture");
    match address {
        Some(address) => html.push_str(&format!("<a href=\"{address}\"{rel}>{words}</a>")),
        None => html.push_str(words),
    }
}

/// Resolves the escapes that a sanitizer writes into attributes.
fn unescaped(value: &str) -> String {
    let value = value.replace("&quot;", "\"").replace("&lt;", "<").replace("&gt;", ">");
    value.replace("&nbsp;", "\u{a0}").replace("&amp;", "&")
}

/// Addresses of this service are percent-encoded, so that only `&` has a meaning in HTML.
fn escaped(address: &str) -> String {
    address.replace('&', "&amp;")
}

/// Returns the length of the tag at the start of a text. Values of attributes may contain `>`.
fn end_of_tag(text: &str) -> usize {
    let mut is_quoted = false;
    let end = text.bytes().position(|byte| {
        is_quoted ^= byte == b'"';
        byte == b'>' && !is_quoted
    });
    end.map_or(text.len(), |at| at + 1)
}

fn is_named(tag: &str, name: &str) -> bool {
    tag.strip_prefix(name).is_some_and(|rest| rest.starts_with([' ', '>']))
}

/// Returns the value of an attribute, with its escapes.
fn attribute<'a>(tag: &'a str, name: &str) -> Option<&'a str> {
    let mut rest = tag;
    while let Some((before, value)) = rest.split_once("=\"") {
        let (value, after) = value.split_once('"')?;
        if before.rsplit([' ', '\n']).next() == Some(name) {
            return Some(value);
        }
        rest = after;
    }
    None
}

#[cfg(test)]
mod tests {
    use registry_archives::{ArchiveIndex, Entry, Format, Kind};
    use registry_web::extension_ref::ExtensionRef;
    use registry_web::extension_type::TypeView;
    use registry_web::links::Links;

    use super::*;

    const REL: &str = "rel=\"nofollow noopener noreferrer\"";

    #[test]
    fn pictures_become_links_with_their_text() {
        for (fragment, expected) in [
            ("<p>a</p>", "<p>a</p>".to_owned()),
            (
                "<img src=\"https://a.b/c.png\" alt=\"A &gt; B\"> x",
                format!("<a href=\"https://a.b/c.png\" {REL}>A &gt; B</a> x"),
            ),
            (
                "<img alt=\" \" src=\"https://a.b/?x=1&amp;y\">",
                format!("<a href=\"https://a.b/?x=1&amp;y\" {REL}>Picture</a>"),
            ),
            (
                "<a href=\"x\"><img src=\"y\" alt=\"build\"></a>",
                "<a href=\"x\">build</a>".to_owned(),
            ),
            ("<img alt=\"no address\">", "no address".to_owned()),
            ("<img alt=\"a > b\" src=\"c\">d", format!("<a href=\"c\" {REL}>a > b</a>d")),
            (
                "<abbr><img src=\"c\"></abbr><",
                format!("<abbr><a href=\"c\" {REL}>Picture</a></abbr><"),
            ),
        ] {
            let references = References { above: 1, remote_images: false, files: None };
            assert_eq!(references.replaced(fragment), expected);
        }
        let allowed = References { above: 1, remote_images: true, files: None };
        let picture = "<img src=\"https://a.b/c.png\">";
        assert_eq!(allowed.replaced(picture), picture);
    }

    #[test]
    fn relative_addresses_lead_to_files_of_the_archive() {
        let paths = ["top/README.md", "top/docs/a b.md", "top/logo.PNG", "top/logo.svg", "x.md"];
        let entries = paths.map(file).into();
        let index =
            ArchiveIndex { format: Format::Tar, entries, truncated: false, trailing_data: false };
        let (links, aws) = (Links::default(), ExtensionRef::new(TypeView::Provider, "aws"));
        let version = links.extension(&aws).at_tag("1.0.0");
        let below = "/provider/aws/v/1.0.0/files";
        for shows_pictures in [true, false] {
            let files = ReadmeFiles::new(&index, version, shows_pictures);
            let references = References { above: 1, remote_images: false, files: Some(&files) };
            let logo = if shows_pictures {
                format!("<img src=\"{below}/top/logo.PNG?raw=1\" alt=\"L\">")
            } else {
                format!("<a href=\"{below}/top/logo.PNG\">L</a>")
            };
            for (fragment, expected) in [
                ("<img src=\"relative:./logo.PNG\" alt=\"L\">", logo),
                (
                    "<img src=\"relative:logo.svg\">",
                    format!("<a href=\"{below}/top/logo.svg\">Picture</a>"),
                ),
                ("<img src=\"relative:none.png\" alt=\"L\">", "L".to_owned()),
                (
                    "<a href=\"relative:docs/a%20b.md#c\" rel=\"x\">d</a>",
                    format!("<a href=\"{below}/top/docs/a%20b.md\">d</a>"),
                ),
                (
                    "<a href=\"relative:/docs/a b.md?c&amp;d\">e</a>",
                    format!("<a href=\"{below}/top/docs/a%20b.md\">e</a>"),
                ),
                ("<a href=\"relative:../x.md\">f</a>", format!("<a href=\"{below}/x.md\">f</a>")),
                ("<a href=\"relative:../../x.md\">g</a>", "<a>g</a>".to_owned()),
                ("<a href=\"relative://evil.example/x.md\">h</a>", "<a>h</a>".to_owned()),
                ("<a href=\"relative:docs\">i</a>", "<a>i</a>".to_owned()),
                ("<a href=\"relative:%ff\">j</a>", "<a>j</a>".to_owned()),
            ] {
                assert_eq!(references.replaced(fragment), expected, "{fragment}");
            }
        }
    }

    fn file(path: &str) -> Entry {
        Entry {
            path: path.into(),
            kind: Kind::File,
            size: 1,
            mode: None,
            sha256: None,
            link: None,
            position: 0,
            replaced: 0,
            unsafe_path: false,
            unsafe_link: false,
        }
    }
}
