//! Notices in words. Times are absolute, so that a page with a notice can be kept.

use jiff::Timestamp;

use crate::digest::DigestView;
use crate::extension_ref::ExtensionRef;
use crate::format::amount::listed;
use crate::format::time::clock;
use crate::notice::{Level, Notice};
use crate::site::Site;

/// File of a version that could be its archive.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// Identifier of the file, for `?asset=`.
    pub id: String,
    /// Name of the file.
    pub name: String,
}

/// Returns the notice of a list that lacks backends.
#[must_use]
pub fn missing_part(site: &Site, backends: &[String]) -> Notice {
    let (have, their) = if backends.len() == 1 { ("has", "its") } else { ("have", "their") };
    let names = listed(backends);
    let text = format!(
        "{names} {have} not answered since the start, so {their} extensions are not shown."
    );
    Notice::new(Level::Problem, "Part of the catalog is missing:", text)
        .linked("Status", site.links.status())
}

/// Returns the notice of data from a backend that does not answer. `owner` is the backend that
/// answers for the page, if it is another one.
#[must_use]
pub fn stale(site: &Site, backend: &str, since: Timestamp, owner: Option<&str>) -> Notice {
    let headline = format!("{backend} has not answered since {}.", clock(since));
    let text = match owner {
        Some(owner) => {
            format!("Its data is of that time; {owner}, which owns this name, is current.")
        }
        None => "Its data is of that time.".to_owned(),
    };
    Notice::new(Level::Warning, headline, text).linked("Why", site.links.status())
}

/// Returns the notice of a version whose archive differs from the pinned one.
#[must_use]
pub fn archive_changed(
    site: &Site,
    id: &ExtensionRef,
    tag: &str,
    first: &DigestView,
    current: Option<&DigestView>,
) -> Notice {
    let current = current.map_or("not downloaded yet".to_owned(), |now| now.short().to_owned());
    let text = format!("First download {}, now {current}.", first.short());
    Notice::new(Level::Problem, "The archive of this version changed.", text)
        .linked("Provenance", site.links.extension(id).at_tag(tag).provenance())
}

/// Returns the notice of a version with several files that could be its archive.
#[must_use]
pub fn ambiguous(site: &Site, id: &ExtensionRef, tag: &str, candidates: &[Candidate]) -> Notice {
    let headline = "Several files could be the archive of this version.";
    let notice = Notice::new(Level::Warning, headline, "Download one of them:");
    let api = site.links.api();
    candidates.iter().fold(notice, |notice, candidate| {
        notice.linked(&candidate.name, api.asset(id, tag, &candidate.id))
    })
}

/// Returns the notice of a name whose owner is not determined until a backend answers.
#[must_use]
pub fn undetermined(site: &Site, id: &ExtensionRef, holder: &str, awaited: &str) -> Notice {
    let text = format!("{awaited} comes first and was not listed yet. {holder} has the name.");
    let there = id.clone().at_backend(holder);
    Notice::new(Level::Warning, "The owner of this name is not determined.", text)
        .linked(format!("As kept in {holder}"), site.links.extension(&there).overview())
}

/// Returns the notice of a name that its owner lost.
#[must_use]
pub fn orphaned(site: &Site, id: &ExtensionRef, former: &str, holders: &[String]) -> Notice {
    let text = "The name does not pass to another backend by itself.";
    let notice =
        Notice::new(Level::Problem, format!("{former} owned this name and lost it."), text);
    holders.iter().fold(notice, |notice, holder| {
        let there = id.clone().at_backend(holder);
        notice.linked(format!("As kept in {holder}"), site.links.extension(&there).overview())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extension_type::TypeView;

    fn aws() -> ExtensionRef {
        ExtensionRef::new(TypeView::Provider, "aws")
    }

    #[test]
    fn notices_lead_to_what_still_works() {
        let site = Site::for_tests();
        let candidate = Candidate { id: "7/x".to_owned(), name: "a.zip".to_owned() };
        let holders = ["oci".to_owned(), "local".to_owned()];
        for (notice, expected) in [
            (
                ambiguous(&site, &aws(), "1.0", &[candidate]),
                vec!["/api/v1/extensions/provider/aws/1.0?asset=7%2Fx"],
            ),
            (
                orphaned(&site, &aws(), "gitea", &holders),
                vec!["/provider/aws?backend=oci", "/provider/aws?backend=local"],
            ),
            (undetermined(&site, &aws(), "oci", "gitea"), vec!["/provider/aws?backend=oci"]),
            (stale(&site, "oci", Timestamp::UNIX_EPOCH, Some("gitea")), vec!["/status"]),
        ] {
            let hrefs: Vec<&str> = notice.links.iter().map(|link| link.href.as_str()).collect();
            assert_eq!(hrefs, expected, "{}", notice.headline);
        }
    }

    #[test]
    fn one_backend_and_several_read_as_sentences() {
        let text = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
            missing_part(&Site::for_tests(), &names).text
        };
        assert!(text(&["oci"]).starts_with("oci has not answered"));
        assert!(text(&["oci", "local"]).starts_with("oci and local have not answered"));
    }

    #[test]
    fn a_changed_archive_shows_both_digests() {
        let [first, now] = ["a", "b"].map(|digit| digit.repeat(64).parse().unwrap());
        let notice = archive_changed(&Site::for_tests(), &aws(), "1.0", &first, Some(&now));
        assert_eq!(notice.text, "First download aaaaaaaaaaaa, now bbbbbbbbbbbb.");
    }
}
