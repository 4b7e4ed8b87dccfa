//! Responses with manifests and lists, and their headers.

use axum::http::header::{AGE, LINK};
use axum::http::{HeaderMap, HeaderValue};
use registry_core::models::digest::Digest;

use crate::answers::entry::{AnswerContent, PageHeaders};
use crate::answers::provenance::Provenance;
use crate::edge::cache_policy::CachePolicy;
use crate::edge::headers::{CACHE_STATUS, Heads};
use crate::edge::rendered::Rendered;
use crate::edge::representation::Representation;
use crate::edge::request_id::REQUEST_ID;
use crate::oci::headers::{API_VERSION, CONTENT_DIGEST, REGISTRY_2, digest_value};
use crate::oci::manifest::PullManifest;

/// Returns the content of a response with a manifest.
#[must_use]
pub fn of_manifest(manifest: &PullManifest) -> AnswerContent {
    let PullManifest { bytes, digest, media_type, .. } = manifest;
    AnswerContent::of(Rendered::exact(bytes.clone(), digest, media_type.clone()), 1)
}

/// Returns the content of a response with a page of a list.
#[must_use]
pub fn of_page(rendered: Rendered, total: usize, link: Option<HeaderValue>) -> AnswerContent {
    let page = PageHeaders { total: total.into(), links: link };
    AnswerContent { page: Some(page), ..AnswerContent::of(rendered, 0) }
}

/// Returns a response. Without a provenance it is the same for ever.
#[must_use]
pub fn represent(
    content: AnswerContent,
    provenance: Option<&Provenance>,
    heads: &Heads,
) -> Representation {
    let rendered = &content.rendered;
    let mut headers = if heads.are_final {
        rendered.head(|| head(&content, heads)).clone()
    } else {
        head(&content, heads)
    };
    let policy = match provenance {
        Some(provenance) => {
            headers.insert(CACHE_STATUS, HeaderValue::from_static("extension-registry; hit"));
            provenance.describe(&mut headers);
            CachePolicy::Revalidate
        }
        None => CachePolicy::Immutable,
    };
    Representation { rendered: content.rendered, headers, policy }
}

/// Returns the headers that all responses with this content share.
fn head(content: &AnswerContent, heads: &Heads) -> HeaderMap {
    let (rendered, mut headers) = (&content.rendered, heads.plain.clone());
    // Slots that not every response fills.
    for slot in [AGE, CACHE_STATUS, REQUEST_ID] {
        headers.remove(slot);
    }
    rendered.describe(&mut headers);
    headers.insert(API_VERSION, REGISTRY_2);
    let etag = rendered.etag().and_then(|etag| etag.to_str().ok());
    // The entity tag of exact bytes is their digest.
    let digest = etag.and_then(|etag| etag.trim_matches('"').parse::<Digest>().ok());
    if let Some(digest) = digest {
        headers.insert(CONTENT_DIGEST, digest_value(&digest));
    }
    if let Some(link) = content.page.as_ref().and_then(|page| page.links.clone()) {
        headers.insert(LINK, link);
    }
    headers
}
