//! Pictures of READMEs as links: a page loads nothing from other hosts.

use registry_web::clean_html::CleanHtml;

use crate::answers::markdown::fragment_of;

/// Returns the content of a sanitized document for a page, below a heading of the level `above`. Pictures
/// of other hosts become links unless they are allowed.
#[must_use]
pub fn within_page(document: &str, above: u8, remote_images: bool) -> CleanHtml {
    let fragment = fragment_of(document);
    if remote_images {
        CleanHtml::trusted(fragment, above)
    } else {
        CleanHtml::trusted(&as_links(fragment), above)
    }
}

/// Replaces the pictures of a sanitized fragment by links with their alternative text. Within a link
/// only the text remains.
fn as_links(fragment: &str) -> String {
    let mut html = String::with_capacity(fragment.len());
    let (mut rest, mut is_in_link) = (fragment, false);
    while let Some((before, tag)) = rest.find('<').and_then(|at| rest.split_at_checked(at)) {
        html.push_str(before);
        let (tag, after) = tag.split_at(end_of_tag(tag));
        if is_named(tag, "<img") {
            push_link(&mut html, tag, is_in_link);
        } else {
            is_in_link = if is_in_link { !is_named(tag, "</a") } else { is_named(tag, "<a") };
            html.push_str(tag);
        }
        rest = after;
    }
    html.push_str(rest);
    html
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

/// The values are escaped as they stand in the tag.
fn push_link(html: &mut String, tag: &str, is_in_link: bool) {
    let words = attribute(tag, "alt").map(str::trim).filter(|alt| !alt.is_empty());
    let words = words.unwrap_or("Picture");
    match attribute(tag, "src").filter(|_| !is_in_link) {
        Some(address) => {
            html.push_str("<a href=\"");
            html.push_str(address);
            html.push_str("\" rel=\"nofollow noopener noreferrer\">");
            html.push_str(words);
            html.push_str("</a>");
        }
        None => html.push_str(words),
    }
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
            assert_eq!(as_links(fragment), expected);
        }
    }
}
