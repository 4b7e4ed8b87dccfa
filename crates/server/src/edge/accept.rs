//! Content negotiation (RFC 9110, §12.5.1): the form of READMEs, and clients that ask for pages.

use axum::http::HeaderMap;
use axum::http::header::ACCEPT;

/// A representation of a README.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AcceptedForm {
    /// Markdown as the publisher wrote it.
    Markdown,
    /// A rendered page.
    Html,
    /// HTML inside of a page of this service, which no client negotiates.
    Fragment,
}

impl AcceptedForm {
    /// Returns the media type for `Content-Type`.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Markdown => "text/markdown; charset=utf-8",
            Self::Html | Self::Fragment => "text/html; charset=utf-8",
        }
    }

    /// Returns the preferred form, Markdown by default; `None` if neither form is acceptable.
    #[must_use]
    pub fn preferred(headers: &HeaderMap) -> Option<Self> {
        let ranges: Vec<MediaRange> = values(headers).flat_map(media_ranges).collect();
        // An absent or empty header accepts every form.
        if ranges.is_empty() {
            return Some(Self::Markdown);
        }
        let (markdown, html) = (quality(&ranges, "markdown"), quality(&ranges, "html"));
        // On a tie Markdown wins: it is the original, and `*/*` of tools such as curl accepts both.
        match (markdown > 0.0, html > 0.0) {
            (false, false) => None,
            _ if html > markdown => Some(Self::Html),
            _ => Some(Self::Markdown),
        }
    }
}

/// Returns the values of `Accept`.
pub(crate) fn values(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok())
}

/// Returns true if media ranges of `Accept` name HTML. `*/*` does not: command-line clients send it.
#[must_use]
pub fn names_html(accept: &str) -> bool {
    media_ranges(accept).any(|range| range.name == "text/html" && range.weight > 0.0)
}

/// A media range of `Accept` with its weight.
struct MediaRange {
    /// In lower case.
    name: String,
    /// 0 to 1.
    weight: f32,
}

fn media_ranges(accept: &str) -> impl Iterator<Item = MediaRange> {
    let ranges = accept.split(',').map(str::trim).filter(|range| !range.is_empty());
    ranges.filter_map(|range| {
        let mut parts = range.split(';').map(|part| part.trim().to_ascii_lowercase());
        let name = parts.next()?;
        let weight = parts.find_map(|part| part.strip_prefix("q=")?.parse().ok());
        Some(MediaRange { name, weight: weight.unwrap_or(1.0) })
    })
}

/// Returns the weight of `text/{subtype}`, 0 to 1. The most specific range decides.
fn quality(ranges: &[MediaRange], subtype: &str) -> f32 {
    let weighed = ranges.iter().filter_map(|MediaRange { name, weight }| {
        let specific = match name.strip_prefix("text/") {
            Some(given) if given == subtype => 3,
            Some("*") => 2,
            _ if name == "*/*" => 1,
            _ => return None,
        };
        Some((specific, *weight))
    });
    weighed.max_by_key(|(specific, _)| *specific).map_or(0.0, |(_, weight)| weight)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_that_is_wanted_more_is_given() {
        let (markdown, html) = (Some(AcceptedForm::Markdown), Some(AcceptedForm::Html));
        for (accept, expected) in [
            ("", markdown),
            ("*/*", markdown),
            ("text/*", markdown),
            ("text/html", html),
            ("text/markdown", markdown),
            ("TEXT/HTML; charset=utf-8", html),
            ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", html),
            ("text/html;q=0.5, text/markdown", markdown),
            ("text/html;q=0.5, text/markdown;q=0.4", html),
            ("text/*;q=0.9, text/markdown;q=0", html),
            ("text/html;q=0, */*", markdown),
            ("application/json", None),
            ("application/json, */*;q=0.1", markdown),
            ("text/html;q=0, text/markdown;q=0", None),
            ("*/*;q=0", None),
            ("text/html;q=nonsense", html),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT, accept.parse().unwrap());
            assert_eq!(AcceptedForm::preferred(&headers), expected, "{accept}");
        }
        assert_eq!(AcceptedForm::preferred(&HeaderMap::new()), markdown);
    }

    #[test]
    fn only_browsers_name_html() {
        for (accept, expected) in [
            ("text/html,application/xhtml+xml,*/*;q=0.8", true),
            ("application/json, Text/HTML;q=0.1", true),
            ("*/*", false),
            ("", false),
            ("text/*", false),
            ("text/html;q=0", false),
            ("text/html; level=1; q=0.0", false),
        ] {
            assert_eq!(names_html(accept), expected, "{accept}");
        }
    }
}
