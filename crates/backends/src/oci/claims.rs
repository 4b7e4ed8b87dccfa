//! The publisher's metadata in a manifest, the indexes above it and its config blob. Shared by
//! registries and image layouts; no I/O.

use jiff::{Span, Timestamp};
use registry_core::models::extension::About;

use crate::oci::models::{Annotations, ConfigBlob};

const TEXT_MAX: usize = 1_000;
/// Maximum length of a keyword, in characters.
const KEYWORD_MAX: usize = 100;
const KEYWORDS_MAX: usize = 32;
const PREFIX: &str = "org.opencontainers.image.";
/// Annotation with keywords. OCI defines none, so that Artifact Hub's is used.
const KEYWORDS: &str = "io.artifacthub.package.keywords";

/// Metadata of one manifest from its publisher, the nearest source first.
pub struct Claims<'a> {
    /// Annotations of the manifest, the index entry, and the index.
    pub annotations: Vec<&'a Annotations>,
    /// Config blob, if it is usable.
    pub config: Option<&'a ConfigBlob>,
}

impl Claims<'_> {
    /// Returns the description and similar fields, each from the nearest source that has it.
    #[must_use]
    pub fn about(&self) -> About {
        let config = self.config;
        About {
            description: self
                .text("description")
                .or_else(|| clean(config?.description.as_deref()?)),
            author: self.text("authors").or_else(|| clean(config?.author.as_deref()?)),
            repository: self.texts("source").find(|url| is_web_address(url)),
            keywords: self.keywords(),
            license: self.text("licenses").or_else(|| clean(config?.license.as_deref()?)),
        }
    }

    /// Returns the nearest readable creation date that is plausible at the time `now`.
    #[must_use]
    pub fn published_at(&self, now: Timestamp) -> Option<Timestamp> {
        let of_config = self.config.and_then(|config| config.created.as_deref().map(Into::into));
        let mut dates = self.texts("created").chain(of_config);
        dates.find_map(|text| text.parse().ok().filter(|at| is_believable(*at, now)))
    }

    fn text(&self, name: &str) -> Option<Box<str>> {
        self.texts(name).next()
    }

    fn texts(&self, name: &str) -> impl Iterator<Item = Box<str>> {
        let labels = self.config.and_then(|config| config.config.as_ref()).map(|c| &c.labels);
        let places = self.annotations.iter().copied().chain(labels);
        let key = format!("{PREFIX}{name}");
        places.filter_map(move |annotations| clean(annotations.get(&key)?))
    }

    fn keywords(&self) -> Box<[Box<str>]> {
        let annotated = self.annotations.iter().filter_map(|annotations| annotations.get(KEYWORDS));
        let annotated = annotated.map(|text| usable(text.split(',')));
        let of_config =
            self.config.map(|config| usable(config.keywords.iter().map(String::as_str)));
        annotated.chain(of_config).find(|words| !words.is_empty()).unwrap_or_default()
    }
}

fn usable<'a>(words: impl Iterator<Item = &'a str>) -> Box<[Box<str>]> {
    let short = words.filter(|word| word.trim().chars().nth(KEYWORD_MAX).is_none());
    short.filter_map(clean).take(KEYWORDS_MAX).collect()
}

/// Cleans a text for display: bounded, on one line, without control characters.
fn clean(text: &str) -> Option<Box<str>> {
    let characters = text.trim().chars().take(TEXT_MAX);
    let text: String = characters.map(|c| if c.is_control() { ' ' } else { c }).collect();
    (!text.is_empty()).then(|| text.into())
}

fn is_web_address(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once("://") else { return false };
    // The address becomes a link on web pages, so that no other scheme may pass.
    ["http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known))
        && rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '[')
        && !text.contains(|c: char| c.is_whitespace() || matches!(c, '"' | '<' | '>' | '\\'))
}

/// Returns false for dates that are zero, from `SOURCE_DATE_EPOCH` or far in the future.
fn is_believable(at: Timestamp, now: Timestamp) -> bool {
    const YEAR_2000: i64 = 946_684_800;
    let next_year = now.checked_add(Span::new().hours(366 * 24)).unwrap_or(Timestamp::MAX);
    at.as_second() > YEAR_2000 && at < next_year
}

#[cfg(test)]
mod tests {
    use super::*;

    fn annotations(pairs: &[(&str, &str)]) -> Annotations {
        pairs.iter().map(|(key, value)| (format!("{PREFIX}{key}"), (*value).to_owned())).collect()
    }

    #[test]
    fn the_nearest_claim_wins_and_config_comes_last() {
        let near = annotations(&[("description", "near"), ("source", "javascript:alert(1)")]);
        let far = annotations(&[("description", "far"), ("licenses", " MIT\n"), ("authors", "")]);
        let config: ConfigBlob =
            serde_json::from_str(r#"{"description":"c","author":"a","keywords":["k",""]}"#)
                .unwrap();
        let claims = Claims { annotations: vec![&near, &far], config: Some(&config) };
        let about = claims.about();
        assert_eq!(about.description.as_deref(), Some("near"));
        assert_eq!(about.author.as_deref(), Some("a"));
        assert_eq!(about.license.as_deref(), Some("MIT"));
        assert_eq!(about.repository, None);
        assert_eq!(*about.keywords, ["k".into()]);
    }

    #[test]
    fn only_believable_dates_are_shown() {
        let now: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        for (text, expected) in [
            ("2025-10-20T12:00:00+02:00", Some("2025-10-20T10:00:00Z")),
            ("1970-01-01T00:00:00Z", None),
            ("0001-01-01T00:00:00Z", None),
            ("9999-01-01T00:00:00Z", None),
            ("yesterday", None),
        ] {
            let map = annotations(&[("created", text)]);
            let claims = Claims { annotations: vec![&map], config: None };
            let found = claims.published_at(now).map(|at| at.to_string());
            assert_eq!(found.as_deref(), expected, "{text}");
        }
    }
}
