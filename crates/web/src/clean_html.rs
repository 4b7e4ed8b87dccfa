//! HTML that was sanitized elsewhere, fitted into a page.

use std::fmt;

use askama::filters::HtmlSafe;

/// Replacements for tags at their start. Headings move down one level below the heading of the page;
/// what scrolls can be scrolled with keys.
const TAGS: [(&str, &str); 14] = [
    ("<h1", "<h2"),
    ("</h1", "</h2"),
    ("<h2", "<h3"),
    ("</h2", "</h3"),
    ("<h3", "<h4"),
    ("</h3", "</h4"),
    ("<h4", "<h5"),
    ("</h4", "</h5"),
    ("<h5", "<h6"),
    ("</h5", "</h6"),
    ("<pre", "<pre tabindex=\"0\""),
    ("<table", "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Table\"><table"),
    ("</table>", "</table></div>"),
    ("<th>", "<th scope=\"col\">"),
];

/// HTML without scripts, styles, forms and frames. Templates write it as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CleanHtml(String);

impl CleanHtml {
    /// Trusts a fragment of HTML, and fits it into a page. The caller guarantees that a sanitizer
    /// made it, so that tags are balanced and every `<` starts a tag.
    #[must_use]
    pub fn trusted(fragment: &str) -> Self {
        let mut html = String::with_capacity(fragment.len() + fragment.len() / 16);
        let mut rest = fragment;
        while let Some((before, tag)) = rest.find('<').and_then(|at| rest.split_at_checked(at)) {
            html.push_str(before);
            let replaced = TAGS.iter().find_map(|(from, to)| {
                let after = tag.strip_prefix(from)?;
                let is_whole = from.ends_with('>') || after.starts_with(['>', ' ']);
                is_whole.then_some((*to, after))
            });
            let (start, after) = replaced.unwrap_or(("<", tag.get(1..).unwrap_or_default()));
            html.push_str(start);
            rest = after;
        }
        html.push_str(rest);
        Self(html)
    }

    /// Returns the fragment.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CleanHtml {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl HtmlSafe for CleanHtml {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headings_move_down_and_wide_parts_can_be_scrolled() {
        for (fragment, fitted) in [
            ("a &lt;h1> b", "a &lt;h1> b"),
            ("<h1>A</h1><h6>B</h6>", "<h2>A</h2><h6>B</h6>"),
            ("<pre lang=\"sh\">x</pre>", "<pre tabindex=\"0\" lang=\"sh\">x</pre>"),
            ("<p>ü</p><", "<p>ü</p><"),
        ] {
            assert_eq!(CleanHtml::trusted(fragment).as_str(), fitted);
        }
        let table = CleanHtml::trusted("<table><thead><tr><th>A</th></tr></thead></table>");
        let opening = "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Table\">";
        let inside = "<table><thead><tr><th scope=\"col\">A</th></tr></thead></table>";
        assert_eq!(table.as_str(), format!("{opening}{inside}</div>"));
    }
}
