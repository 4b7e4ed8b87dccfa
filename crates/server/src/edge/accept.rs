//! Content negotiation for READMEs (RFC 9110, §12.5.1).

use axum::http::HeaderMap;
use axum::http::header::ACCEPT;

/// A representation of a README.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AcceptedForm {
    /// Markdown as the publisher wrote it.
    Markdown,
    /// A rendered page.
    Html,
}

impl AcceptedForm {
    /// Returns the media type for `Content-Type`.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Markdown => "text/markdown; charset=utf-8",
            Self::Html => "text/html; charset=utf-8",
        }
    }

    /// Returns the preferred form, Markdown by default; `None` if neither form is acceptable.
    #[must_use]
    pub fn preferred(headers: &HeaderMap) -> Option<Self> {
        let values = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
        let ranges: Vec<&str> = values.flat_map(|value| value.split(',')).map(str::trim).collect();
        // An absent or empty header accepts every form.
        if ranges.iter().all(|range| range.is_empty()) {
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

/// Returns the weight of `text/{subtype}`, 0 to 1. The most specific range decides.
fn quality(ranges: &[&str], subtype: &str) -> f32 {
    let weighed = ranges.iter().filter_map(|range| {
        let mut parts = range.split(';').map(|part| part.trim().to_ascii_lowercase());
        let range = parts.next()?;
        let specific = match range.strip_prefix("text/") {
            Some(given) if given == subtype => 3,
            Some("*") => 2,
            _ if range == "*/*" => 1,
            _ => return None,
        };
        let weight = parts.find_map(|part| part.strip_prefix("q=")?.parse::<f32>().ok());
        Some((specific, weight.unwrap_or(1.0)))
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
}
