//! HTML that was sanitized elsewhere, fitted into a page.

use std::fmt;

use askama::filters::HtmlSafe;

const HEADING: &str = "<h";
const DEEPEST: u8 = 6;

/// Replacements for tags at their start. What scrolls can be scrolled with keys.
const TAGS: [(&str, &str); 4] = [
    ("<pre", "<pre tabindex=\"0\""),
    ("<table", "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Table\"><table"),
    ("</table>", "</table></div>"),
    ("<th>", "<th scope=\"col\">"),
];

/// HTML without scripts, styles, forms and frames. Templates write it as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CleanHtml(String);

impl CleanHtml {
    /// Trusts a fragment of HTML, and fits it into a page below a heading of the level `above`: its
    /// headings move down, and skip no level. The caller guarantees that a sanitizer made it, so that
    /// tags are balanced and every `<` starts a tag.
    #[must_use]
    pub fn trusted(fragment: &str, above: u8) -> Self {
        let mut html = String::with_capacity(fragment.len() + fragment.len() / 16);
        let (mut rest, mut level) = (fragment, above);
        while let Some((before, tag)) = rest.find('<').and_then(|at| rest.split_at_checked(at)) {
            html.push_str(before);
            rest = if let Some((start, written, after)) = heading(tag) {
                if start == HEADING {
                    level = written.saturating_add(above).min(level + 1).min(DEEPEST);
                }
                html.push_str(start);
                html.push(char::from(b'0' + level));
                after
            } else {
                let (start, after) =
                    replaced(tag).unwrap_or(("<", tag.get(1..).unwrap_or_default()));
                html.push_str(start);
                after
            };
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

/// Returns the start, the level and the rest of a tag that begins or ends a heading.
fn heading(tag: &str) -> Option<(&'static str, u8, &str)> {
    let mut starts = [HEADING, "</h"].into_iter();
    let (start, rest) = starts.find_map(|start| Some((start, tag.strip_prefix(start)?)))?;
    let (level, after) = rest.split_at_checked(1)?;
    let level = level.parse().ok().filter(|level| (1..=DEEPEST).contains(level))?;
    after.starts_with(['>', ' ']).then_some((start, level, after))
}

/// Returns the replacement for the start of a tag, and its rest.
fn replaced(tag: &str) -> Option<(&'static str, &str)> {
    TAGS.iter().find_map(|(from, to)| {
        let after = tag.strip_prefix(from)?;
        let is_whole = from.ends_with('>') || after.starts_with(['>', ' ']);
        is_whole.then_some((*to, after))
    })
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
    fn headings_move_down_and_skip_no_level() {
        for (above, fragment, fitted) in [
            (1, "a &lt;h1> b<hr>", "a &lt;h1> b<hr>"),
            (1, "<h1>A</h1><h2>B</h2><h1>C</h1>", "<h2>A</h2><h3>B</h3><h2>C</h2>"),
            (1, "<h4>A</h4><h6 id=\"b\">B</h6>", "<h2>A</h2><h3 id=\"b\">B</h3>"),
            (3, "<h1>A</h1><h1>B</h1>", "<h4>A</h4><h4>B</h4>"),
            (6, "<h2>A</h2>", "<h6>A</h6>"),
        ] {
            assert_eq!(CleanHtml::trusted(fragment, above).as_str(), fitted);
        }
    }

    #[test]
    fn wide_parts_can_be_scrolled() {
        for (fragment, fitted) in [
            ("<pre lang=\"sh\">x</pre>", "<pre tabindex=\"0\" lang=\"sh\">x</pre>"),
            ("<p>ü</p><", "<p>ü</p><"),
        ] {
            assert_eq!(CleanHtml::trusted(fragment, 1).as_str(), fitted);
        }
        let table = CleanHtml::trusted("<table><thead><tr><th>A</th></tr></thead></table>", 1);
        let opening = "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Table\">";
        let inside = "<table><thead><tr><th scope=\"col\">A</th></tr></thead></table>";
        assert_eq!(table.as_str(), format!("{opening}{inside}</div>"));
    }
}
