//! Media type of a stored manifest. Shared by registries and image layouts; no I/O.

use crate::oci::models::{Document, OCI_INDEX, OCI_MANIFEST};

/// Maximum length of a media type that is passed on, in bytes.
const TYPE_MAX: usize = 255;

/// Returns the document's own media type, else the announced one, else the one that fits the form.
///
/// The result is always `application/…+json`: it becomes the `Content-Type` of a response, where a
/// publisher's `text/html` would make a page of the manifest.
#[must_use]
pub fn manifest_type(document: &Document, announced: &str) -> String {
    let named = [document.media_type.as_str(), announced].into_iter().find(|name| is_safe(name));
    let of_form = if document.is_index() { OCI_INDEX } else { OCI_MANIFEST };
    named.unwrap_or(of_form).to_owned()
}

/// Returns true if a media type may be passed on: `application/…+json`, without odd characters.
#[must_use]
pub fn is_safe(name: &str) -> bool {
    let plain =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b'+');
    let subtype = name.strip_prefix("application/").and_then(|rest| rest.strip_suffix("+json"));
    name.len() <= TYPE_MAX
        && subtype.is_some_and(|name| !name.is_empty() && name.bytes().all(plain))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::models::{DOCKER_INDEX, DOCKER_MANIFEST};

    #[test]
    fn the_documents_own_type_comes_first_and_no_page_is_made_of_it() {
        for (said, announced, expected) in [
            (DOCKER_INDEX, "", DOCKER_INDEX),
            (DOCKER_MANIFEST, OCI_MANIFEST, DOCKER_MANIFEST),
            ("", DOCKER_MANIFEST, DOCKER_MANIFEST),
            ("", "application/octet-stream", OCI_MANIFEST),
            ("text/html", "text/html", OCI_MANIFEST),
            ("application/x\r\nSet-Cookie: a+json", "application/+json", OCI_MANIFEST),
            ("application/xhtml+xml", "", OCI_MANIFEST),
        ] {
            let document = Document { media_type: said.to_owned(), ..Document::default() };
            assert_eq!(manifest_type(&document, announced), expected, "{said} {announced}");
        }
        let index = Document { manifests: Some(Vec::new()), ..Document::default() };
        assert_eq!(manifest_type(&index, "application/json"), OCI_INDEX);
    }
}
