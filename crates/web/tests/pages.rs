//! All pages, with normal and hostile texts: no markup of publishers, nothing inline, small.

#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "tests fail loudly")]

#[allow(dead_code, reason = "each test uses a part of the samples")]
mod sample;

use std::fs;
use std::io::Write as _;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use registry_web::assets;

use sample::Sample;

const PAGE_MAX: usize = 14 * 1024;
const VERSIONS_MAX: usize = 30 * 1024;

fn samples() -> Vec<Sample> {
    sample::all().unwrap()
}

fn compressed(bytes: &[u8]) -> usize {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap().len()
}

/// Returns the tags of a page, each with its attributes.
fn tags(html: &str) -> Vec<&str> {
    html.split('<').skip(1).map(|rest| rest.split_once('>').map_or(rest, |(tag, _)| tag)).collect()
}

/// Returns the attributes of a tag. Quotes inside of values are escaped.
fn attributes(tag: &str) -> Vec<(&str, &str)> {
    let mut found = Vec::new();
    let mut rest = tag.split_once([' ', '\n']).map_or("", |(_, rest)| rest);
    while let Some((name, after)) = rest.split_once("=\"") {
        let (value, after) = after.split_once('"').unwrap();
        // Attributes without a value may stand before the name.
        found.push((name.rsplit([' ', '\n']).next().unwrap(), value));
        rest = after;
    }
    found
}

#[test]
fn no_page_has_markup_of_publishers() {
    for Sample { name, html } in samples() {
        let tags = tags(&html);
        let scripts = tags.iter().filter(|tag| tag.starts_with("script")).count();
        assert_eq!(scripts, 1, "{name}");
        for tag in tags {
            assert!(!tag.starts_with("img"), "{name}: <{tag}>");
            for (attribute, value) in attributes(tag) {
                assert!(!attribute.starts_with("on") && attribute != "style", "{name}: <{tag}>");
                let is_plain = |c: char| c.is_ascii_alphanumeric() || "-:".contains(c);
                assert!(attribute.chars().all(is_plain), "{name}: {attribute}");
                assert!(!value.contains('<'), "{name}: <{tag}>");
            }
        }
    }
}

#[test]
fn hostile_texts_are_on_the_pages_in_full_view() {
    let hostile = samples().into_iter().filter(|sample| sample.name.ends_with("-hostile"));
    let mut pages = 0;
    for Sample { name, mut html } in hostile {
        pages += 1;
        assert!(html.contains("&lt;script&gt;"), "{name}");
        assert!(html.contains("\\u{202e}"), "{name} shows no escape");
        // Forms send names as they are.
        let values = tags(&html).into_iter().flat_map(attributes);
        let values = values.filter(|(attribute, _)| *attribute == "value");
        for value in values.map(|(_, value)| value.to_owned()).collect::<Vec<_>>() {
            html = html.replace(&format!("value=\"{value}\""), "");
        }
        for hidden in ['\u{202e}', '\u{200b}', '\u{7}', '\u{1b}'] {
            assert!(!html.contains(hidden), "{name} has {}", hidden.escape_unicode());
        }
    }
    assert_eq!(pages, 9);
}

#[test]
fn pages_stay_small() {
    for Sample { name, html } in samples() {
        let max = match name {
            "versions-250" => VERSIONS_MAX,
            _ => PAGE_MAX,
        };
        let size = compressed(html.as_bytes());
        assert!(size <= max, "{name}: {size} bytes");
    }
}

#[test]
fn the_script_stays_small() {
    assert!(compressed(assets::SCRIPT.bytes) <= 4_000);
}

#[test]
fn identifiers_are_unique_and_headings_in_order() {
    for Sample { name, html } in samples() {
        let ids = tags(&html).into_iter().filter_map(|tag| tag.split_once(" id=\""));
        let mut ids: Vec<&str> = ids.map(|(_, rest)| rest.split_once('"').unwrap().0).collect();
        let total = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), total, "{name}");
        let headings =
            tags(&html).into_iter().filter(|tag| matches!(tag.as_bytes(), [b'h', b'1'..=b'6', ..]));
        let levels: Vec<u8> = headings.map(|tag| tag.as_bytes()[1] - b'0').collect();
        assert_eq!(levels.first(), Some(&1), "{name}");
        assert!(levels.windows(2).all(|pair| pair[1] <= pair[0] + 1), "{name}: {levels:?}");
    }
}

#[test]
fn templates_have_nothing_inline() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("templates");
    let mut templates = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        templates += 1;
        for refused in ["style=", "<style", "javascript:", "http-equiv", " onclick", " onload"] {
            assert!(!text.contains(refused), "{} has {refused}", path.display());
        }
        for script in text.split("<script").skip(1) {
            assert!(
                script.starts_with(" src=\"{{ site.links.script() }}\"></script>"),
                "{}",
                path.display()
            );
        }
        assert!(!text.contains("|safe"), "{} writes raw text", path.display());
    }
    assert!(templates >= 15, "{templates} templates");
}

#[test]
fn every_address_of_a_template_comes_from_the_links() {
    for Sample { name, html } in samples() {
        for tag in tags(&html) {
            for attribute in ["href=\"", "action=\"", "src=\""] {
                let Some((_, rest)) = tag.split_once(attribute) else { continue };
                let address = rest.split_once('"').unwrap().0;
                let is_known =
                    ["/", "#", "https://"].iter().any(|start| address.starts_with(start));
                assert!(is_known && !address.contains(' '), "{name}: {address}");
            }
        }
    }
}
