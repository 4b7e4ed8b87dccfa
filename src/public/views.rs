//! Public JSON: the structures defined by the specification, and additional fields.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use utoipa::ToSchema;

use crate::catalog::index::Entry;
use crate::models::artifact::ArtifactKey;
use crate::models::backend_id::BackendId;
use crate::models::extension::Release;
use crate::models::naming::ExtensionId;
use crate::models::public_url::PublicUrl;
use crate::models::scope::Scope;

// Characters allowed in a path segment without encoding; `+` is literal there (RFC 3986, §3.3).
const SEGMENT: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'+');

const VALUE: &AsciiSet = &SEGMENT.add(b'+');

// Path segments with a meaning of their own, which cannot be used as a version.
const RESERVED: [&str; 4] = ["versions", "resolve", "readme", "latest"];

/// One extension, described by its latest version.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Extension)]
pub struct ExtensionView<'a> {
    /// Unique within its type, ignoring case; spelled as its backend does.
    #[schema(example = "aws")]
    name: &'a str,
    /// `provider`, `taskserv` or `cluster`.
    #[schema(example = "provider")]
    r#type: &'static str,
    /// Latest version: the highest stable version, else the highest pre-release, else the newest
    /// tag.
    #[schema(example = "1.2.0")]
    version: &'a str,
    description: Option<&'a str>,
    author: Option<&'a str>,
    /// URL of the source repository.
    repository: Option<&'a str>,
    /// Kind of the backend that answers for it: `gitea`, `oci` or `local`.
    #[schema(example = "local")]
    source: &'static str,
    /// Name of the backend that answers for it.
    #[schema(example = "local")]
    backend: &'a str,
    /// RFC 3339, UTC, in whole seconds.
    #[schema(format = DateTime)]
    published_at: Option<String>,
    /// URL of the archive at its backend; may require credentials of the backend. For local files
    /// equal to `href`, absolute if `server.public_url` is set.
    download_url: Option<String>,
    /// Length of the archive in bytes.
    size: Option<u64>,
    /// Tag as the backend spells it.
    tag: &'a str,
    /// True for a pre-release.
    prerelease: bool,
    /// `sha256:` and the digest of the archive, if known.
    digest: Option<String>,
    keywords: &'a [Box<str>],
    /// SPDX expression, as the publisher gives it.
    license: Option<&'a str>,
    /// Kinds of the backends that have it, in the order of ownership.
    sources: Vec<&'static str>,
    /// Names of the backends that have it, in the order of ownership.
    backends: Vec<&'a str>,
    /// Path of the archive at this service; requires no credentials of a backend.
    href: String,
}

/// One version of an extension.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Version)]
pub struct VersionView<'a> {
    /// The tag without its `v`, or the tag itself if it is not a version.
    #[schema(example = "1.2.0")]
    version: &'a str,
    /// RFC 3339, UTC, in whole seconds.
    #[schema(format = DateTime)]
    published_at: Option<String>,
    /// URL of the archive at its backend; for local files equal to `href`, absolute if
    /// `server.public_url` is set.
    download_url: Option<String>,
    /// Length of the archive in bytes.
    size: Option<u64>,
    /// Tag as the backend spells it.
    tag: &'a str,
    /// True for a pre-release.
    prerelease: bool,
    /// `sha256:` and the digest of the archive, if known.
    digest: Option<String>,
    /// Kind of the backend that has it.
    source: &'static str,
    /// Name of the backend that has it.
    backend: &'a str,
    /// Path of the archive at this service; requires no credentials of a backend.
    href: String,
}

impl<'a> ExtensionView<'a> {
    /// Creates the view for a request of scope `asked` at `public_url`; `None` without a release.
    #[must_use]
    pub fn of(entry: &'a Entry, asked: Scope, public_url: Option<&PublicUrl>) -> Option<Self> {
        let release = entry.extension.latest()?;
        let about = &release.about;
        let VersionView {
            version,
            published_at,
            download_url,
            size,
            tag,
            prerelease,
            digest,
            source,
            backend,
            href,
        } = VersionView::of(entry, release, asked, public_url);
        Some(Self {
            name: entry.id().name.as_str(),
            r#type: entry.id().extension_type.as_str(),
            version,
            description: about.description.as_deref(),
            author: about.author.as_deref(),
            repository: about.repository.as_deref(),
            source,
            backend,
            published_at,
            download_url,
            size,
            tag,
            prerelease,
            digest,
            keywords: &about.keywords,
            license: about.license.as_deref(),
            sources: kinds(entry),
            backends: entry.backends().map(BackendId::as_str).collect(),
            href,
        })
    }
}

impl<'a> VersionView<'a> {
    /// Creates the view of a release; `asked` and `public_url` as for [`ExtensionView::of`].
    #[must_use]
    pub fn of(
        entry: &Entry,
        release: &'a Release,
        asked: Scope,
        public_url: Option<&PublicUrl>,
    ) -> Self {
        let href = href(entry.id(), entry.extension.name_of(release), asked);
        let artifact = release.artifact.chosen();
        Self {
            version: release.version.as_str(),
            // Fractions of a second affect the order of releases but are not shown.
            published_at: release.published_at.map(|at| format!("{at:.0}")),
            download_url: artifact.map(|artifact| match (artifact.url.as_deref(), public_url) {
                (Some(url), _) => url.to_owned(),
                (None, Some(public_url)) => public_url.at(&href),
                (None, None) => href.clone(),
            }),
            size: artifact.and_then(|artifact| artifact.known_size()),
            tag: release.tag.as_str(),
            prerelease: release.is_prerelease(),
            digest: artifact.and_then(|artifact| artifact.digest.as_ref()).map(ToString::to_string),
            source: release.backend.kind().as_str(),
            backend: release.backend.as_str(),
            href,
        }
    }
}

fn kinds(entry: &Entry) -> Vec<&'static str> {
    let mut kinds: Vec<&'static str> = Vec::new();
    for backend in entry.backends() {
        let kind = backend.kind().as_str();
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    kinds
}

fn href(id: &ExtensionId, name: &str, asked: Scope) -> String {
    let mut query = Vec::new();
    let segment = if RESERVED.contains(&name) {
        query.push(format!("tag={name}"));
        "latest".to_owned()
    } else {
        utf8_percent_encode(name, SEGMENT).to_string()
    };
    query.extend(asked.query());
    let path = format!("/api/v1/extensions/{id}/{segment}");
    if query.is_empty() { path } else { format!("{path}?{}", query.join("&")) }
}

/// Returns the path of one file of a release.
#[must_use]
pub fn asset_href(entry: &Entry, release: &Release, asked: Scope, key: &ArtifactKey) -> String {
    let path = href(entry.id(), entry.extension.name_of(release), asked);
    let mark = if path.contains('?') { '&' } else { '?' };
    format!("{path}{mark}asset={}", utf8_percent_encode(key.as_str(), VALUE))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::backend_kind::BackendKind;

    #[test]
    fn hrefs_lead_to_the_release_whatever_it_is_called() {
        let id = ExtensionId::from_oci_repository("aws-provider").unwrap();
        for (tag, asked, expected) in [
            ("1.0.0", Scope::All, "/api/v1/extensions/provider/aws/1.0.0"),
            ("1.0.0_b", Scope::All, "/api/v1/extensions/provider/aws/1.0.0+b"),
            ("rel/1", Scope::All, "/api/v1/extensions/provider/aws/rel%2F1"),
            (
                "v1.0.0",
                Scope::Kind(BackendKind::Oci),
                "/api/v1/extensions/provider/aws/1.0.0?source=oci",
            ),
            ("v1.0.0", BackendId::OCI.into(), "/api/v1/extensions/provider/aws/1.0.0?backend=oci"),
            ("readme", Scope::All, "/api/v1/extensions/provider/aws/latest?tag=readme"),
        ] {
            let release = Release::of_tag(BackendId::OCI, tag.parse().unwrap());
            assert_eq!(href(&id, release.version.as_str(), asked), expected);
        }
    }
}
