//! Selection of the newest tags in a long list.

use std::cmp::Ordering;

use registry_core::models::backend_kind::BackendKind;
use registry_core::models::tag::Tag;
use registry_core::models::version::Version;

/// Truncates a list to its newest tags, in listing order. Returns the number of removed tags.
pub fn keep_newest(tags: &mut Vec<Tag>, max: usize) -> usize {
    let beyond = tags.len().saturating_sub(max);
    if beyond > 0 {
        // Each version is parsed once per tag, not once per comparison.
        let versioned = tags.drain(..).map(|tag| (tag.version(BackendKind::Oci.tag_style()), tag));
        let mut sorted: Vec<(Option<Version>, Tag)> = versioned.collect();
        sorted.sort_by(newest_first);
        tags.extend(sorted.into_iter().take(max).map(|(_, tag)| tag));
    }
    beyond
}

fn newest_first(
    (mine, tag): &(Option<Version>, Tag),
    (theirs, other): &(Option<Version>, Tag),
) -> Ordering {
    let by_version = match (mine, theirs) {
        (Some(mine), Some(theirs)) => theirs.cmp_release(mine),
        _ => theirs.is_some().cmp(&mine.is_some()),
    };
    by_version.then_with(|| other.cmp(tag))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_go_before_tags_and_the_highest_first() {
        let names = ["1.2.0", "nightly", "v1.10.0", "1.10.0-rc.1", "main", "0.9.0"];
        for (max, kept, beyond) in [
            (6, &names[..], 0),
            (3, &["v1.10.0", "1.10.0-rc.1", "1.2.0"], 3),
            (5, &["v1.10.0", "1.10.0-rc.1", "1.2.0", "0.9.0", "nightly"], 1),
            (0, &[], 6),
        ] {
            let mut tags: Vec<Tag> = names.iter().map(|name| name.parse().unwrap()).collect();
            assert_eq!(keep_newest(&mut tags, max), beyond);
            assert_eq!(tags.iter().map(Tag::as_str).collect::<Vec<_>>(), kept, "{max}");
        }
    }
}
