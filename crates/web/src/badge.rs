//! Badges with the latest version of an extension.

use askama::Template;

use crate::error::Result;
use crate::format::visible::{Breaks, visible};
use crate::layout::rendered;

/// Media type of badges.
pub const MEDIA_TYPE: &str = "image/svg+xml";

const CHARACTER: usize = 7;
const PADDING: usize = 7;
const CHARACTERS_MAX: usize = 60;

/// Badge: a label and a value.
#[derive(Clone, Debug)]
pub struct Badge {
    /// Left half: the name, or the name with its backend.
    pub label: String,
    /// Right half: the version or the first digits of the digest; `None` if there is no such
    /// extension.
    pub value: Option<String>,
}

#[derive(Template)]
#[template(path = "badge.svg", escape = "html")]
struct BadgeTemplate {
    label: String,
    value: String,
    left: usize,
    right: usize,
    color: &'static str,
}

impl Badge {
    /// Renders the badge as SVG.
    ///
    /// # Errors
    ///
    /// [`crate::error::Error::Render`] if the template fails.
    pub fn render(&self) -> Result<String> {
        let (label, value) =
            (short(&self.label), short(self.value.as_deref().unwrap_or("not found")));
        let template = BadgeTemplate {
            left: width(&label),
            right: width(&value),
            color: if self.value.is_some() { "#0a58a8" } else { "#565f6a" },
            label,
            value,
        };
        rendered("badge.svg", &template)
    }
}

fn short(text: &str) -> String {
    let shown = visible(text, Breaks::Shown);
    match shown.char_indices().nth(CHARACTERS_MAX) {
        Some((end, _)) => format!("{}…", shown.get(..end).unwrap_or_default()),
        None => shown,
    }
}

fn width(text: &str) -> usize {
    text.chars().count() * CHARACTER + 2 * PADDING
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_badge_is_xml_whatever_its_texts_are() {
        for (label, value) in [
            ("aws", Some("1.2.0")),
            ("<script>&\"'\u{0}\u{202e}", None),
            (&"x".repeat(1000), Some("1")),
        ] {
            let badge = Badge { label: label.to_owned(), value: value.map(str::to_owned) };
            let svg = badge.render().unwrap();
            let document = roxmltree::Document::parse(&svg).unwrap();
            let width: usize = document.root_element().attribute("width").unwrap().parse().unwrap();
            assert!(width < 600, "{width}");
            assert!(!svg.contains("<script"));
        }
    }
}
