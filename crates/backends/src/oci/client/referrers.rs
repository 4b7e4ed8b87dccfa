//! Referrers of a manifest: signatures, SBOMs, attestations.

use hyper::StatusCode;
use hyper::header::LINK;
use registry_core::error::{Error, Result};
use registry_core::models::digest::Digest;
use registry_core::models::tag::Tag;

use crate::http::json;
use crate::oci::client::manifest::ManifestReference;
use crate::oci::client::{Client, RegistryRequest, failure};
use crate::oci::labels;
use crate::oci::link::LinkedList;
use crate::oci::models::{Descriptor, Document, OCI_INDEX};
use crate::oci::repository::OciRepository;

/// Maximum size of a page, in bytes.
const PAGE_MAX: usize = 4 * 1024 * 1024;
const PAGES_MAX: usize = 20;
const REFERRERS_MAX: usize = 1_000;

/// Lists the descriptors of all referrers of a manifest.
///
/// For registries without this API (distribution, Docker Hub, GHCR, Gitea), the fallback tag is read.
///
/// # Errors
/// `BackendRefused`, `BackendFaulty`, and the errors of sending. An empty list is not an error.
pub async fn referrers(
    client: &Client,
    repository: &OciRepository,
    digest: &Digest,
) -> Result<Vec<Descriptor>> {
    let start = client.in_repository(repository, &format!("referrers/{digest}"));
    let listing = LinkedList { root: client.registry().base(), start: &start };
    let mut url = start.clone();
    let mut found = Vec::new();
    for _ in 0..PAGES_MAX {
        let subject = repository.as_str();
        let question = RegistryRequest::get(labels::REFERRERS, subject, url.clone(), OCI_INDEX);
        let page = client.fetch(&question, PAGE_MAX).await?;
        match page.status {
            StatusCode::OK => {}
            // distribution-spec, "Unavailable Referrers API": a 404 means that the registry lacks the
            // API, since a manifest without referrers has an empty list.
            StatusCode::NOT_FOUND => {
                drop(page);
                return referrers_by_tag(client, repository, digest).await;
            }
            _ => return Err(failure(&page, "")),
        }
        page.check_json()?;
        found.extend(entries(json::object(&page.body)?)?);
        if found.len() > REFERRERS_MAX {
            return Err(Error::faulty("The registry's list of referrers is too long"));
        }
        let links = page.headers.get_all(LINK).iter().filter_map(|link| link.to_str().ok());
        let next = listing.next_page(&page.url, links);
        match next.map_err(|error| Error::faulty(error.to_string()))? {
            Some(next) => url = next,
            None => return Ok(found),
        }
    }
    Err(Error::faulty("The registry's list of referrers has no end"))
}

async fn referrers_by_tag(
    client: &Client,
    repository: &OciRepository,
    digest: &Digest,
) -> Result<Vec<Descriptor>> {
    let Some(tag) = fallback_tag(digest) else { return Ok(Vec::new()) };
    match client.manifests().read(repository, ManifestReference::Tag(&tag)).await {
        Ok(index) => entries(index.document),
        Err(error) if error.is_not_found() => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// Fails for a document that is no index: an empty list would deny referrers that may exist.
fn entries(index: Document) -> Result<Vec<Descriptor>> {
    index.manifests.ok_or_else(|| Error::faulty("The registry's list of referrers is no index"))
}

/// Returns the tag of distribution-spec, "Referrers Tag Schema", with 64 digits at most.
fn fallback_tag(digest: &Digest) -> Option<Tag> {
    let hex = digest.hex().get(..64)?;
    format!("{}-{hex}", digest.algorithm().as_str()).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_digests_are_cut_for_the_tag() {
        let short = format!("sha256:{}", "a".repeat(64)).parse().unwrap();
        let long = format!("sha512:{}", "b".repeat(128)).parse().unwrap();
        assert_eq!(fallback_tag(&short).unwrap().as_str(), format!("sha256-{}", "a".repeat(64)));
        assert_eq!(fallback_tag(&long).unwrap().as_str(), format!("sha512-{}", "b".repeat(64)));
    }
}
