//! One file to fetch, and its result.

use std::path::PathBuf;

use registry_core::models::digest::{Algorithm, Digest};
use registry_core::models::naming::ExtensionId;
use registry_public::paths::Target;
use reqwest::header::{CONTENT_DISPOSITION, CONTENT_LENGTH, HeaderMap};
use serde::Serialize;

use crate::failure::{ClientFailure, FailureKind, Result};
use crate::http::Registry;
use crate::lock::entry::LockedEntry;
use crate::output::{OutputRow, size};
use crate::pull::name::from_disposition;
use crate::question::Question;
use crate::resolve::ResolvedRelease;

/// A file to fetch.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub(crate) id: ExtensionId,
    pub(crate) version: String,
    pub(crate) tag: String,
    pub(crate) source: String,
    pub(crate) backend: String,
    /// Path of the file at the registry.
    pub(crate) target: Target,
    /// Name for the file.
    pub(crate) file: String,
    /// Length in bytes, if known.
    pub(crate) size: Option<u64>,
    /// Digest, if known: of the lock, else of the registry.
    pub(crate) digest: Option<Digest>,
    /// Digest of the file that the lock named before; such a file may be replaced.
    pub(crate) replaces: Option<Digest>,
}

/// What the headers of a file say.
#[derive(Clone, Debug)]
pub(crate) struct FileHeaders {
    pub(crate) name: Option<String>,
    pub(crate) size: Option<u64>,
    pub(crate) digest: Option<Digest>,
}

impl FileHeaders {
    /// Reads the headers. A digest of an unknown form counts as none.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        Self {
            name: text(CONTENT_DISPOSITION.as_str()).and_then(from_disposition),
            size: text(CONTENT_LENGTH.as_str()).and_then(|size| size.parse().ok()),
            digest: text("repr-digest").and_then(repr_digest),
        }
    }
}

impl Item {
    /// Describes the archive of a release, or another file. Asks the registry for its headers.
    pub(crate) async fn of_release(
        registry: &Registry,
        release: &ResolvedRelease,
        asset: Option<&str>,
        question: &Question,
    ) -> Result<Self> {
        let ResolvedRelease { id, version, .. } = release;
        let target = Target::release(&id.to_string(), &version.tag);
        let target = target.with_all(question.scope.pairs());
        let target = match asset {
            Some(asset) => target.with("asset", asset),
            None => target,
        };
        let headers = registry.head(&target).await.map_err(|failure| match asset {
            Some(asset) if failure.kind() == FailureKind::NotFound => {
                let message = format!("{id} {} has no file {asset}", version.version);
                ClientFailure::new(FailureKind::NotFound, message).hint(format!("extreg show {id}"))
            }
            _ => failure,
        })?;
        let headers = FileHeaders::of(&headers);
        let told = version.digest.as_deref().filter(|_| asset.is_none());
        let file = headers
            .name
            .unwrap_or_else(|| format!("{}-{}-{}", id.extension_type, id.name, "archive"));
        Ok(Self {
            id: id.clone(),
            version: version.version.clone(),
            tag: version.tag.clone(),
            source: version.source.clone(),
            backend: version.backend.clone(),
            target,
            file,
            size: headers.size,
            digest: headers.digest.or_else(|| told.and_then(|digest| digest.parse().ok())),
            replaces: None,
        })
    }

    /// Describes the archive of a locked entry. Asks nothing.
    pub(crate) fn of_entry(entry: &LockedEntry, question: &Question) -> Self {
        let target = Target::release(&entry.id.to_string(), &entry.tag);
        Self {
            id: entry.id.clone(),
            version: entry.version.clone(),
            tag: entry.tag.clone(),
            source: entry.source.clone(),
            backend: entry.backend_name().to_owned(),
            target: target.with_all(question.scope.pairs()),
            file: entry.file.clone(),
            size: Some(entry.size),
            digest: Some(entry.digest.clone()),
            replaces: None,
        }
    }

    /// Describes bytes that are not the expected ones.
    pub(crate) fn mismatch(&self, found: &Digest, expected: &Digest) -> ClientFailure {
        let Self { id, version, .. } = self;
        let message = format!("{id} {version}: the digest is {found}, not {expected}");
        ClientFailure::new(FailureKind::Integrity, message)
            .hint(format!("nothing was kept; see extreg explain {id}"))
    }
}

/// Gives files of equal names the names of their extensions too.
pub(crate) fn separate(items: &mut [Item]) {
    let names: Vec<String> = items.iter().map(|item| item.file.to_ascii_lowercase()).collect();
    for (item, name) in items.iter_mut().zip(&names) {
        if names.iter().filter(|other| *other == name).count() > 1 {
            item.file = format!("{}-{}-{}", item.id.extension_type, item.id.name, item.file);
        }
    }
}

/// What became of a file.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Pulled {
    pub(crate) id: String,
    pub(crate) version: String,
    pub(crate) tag: String,
    pub(crate) source: String,
    pub(crate) backend: String,
    pub(crate) digest: Option<String>,
    pub(crate) size: Option<u64>,
    pub(crate) path: PathBuf,
    /// True if the file was not there before, or was another one.
    pub(crate) changed: bool,
    /// True if a part of an earlier run was continued.
    pub(crate) resumed: bool,
}

impl OutputRow for Pulled {
    const COLUMNS: &'static [&'static str] = &["NAME", "VERSION", "SIZE", "STATE", "PATH"];

    fn cells(&self) -> Vec<String> {
        let state = if self.changed { "to fetch" } else { "unchanged" };
        vec![
            self.id.clone(),
            self.version.clone(),
            self.size.map_or_else(|| "-".to_owned(), size),
            state.to_owned(),
            self.path.display().to_string(),
        ]
    }

    fn name(&self) -> String {
        format!("{}@{}", self.id, self.version)
    }
}

/// Reads `Repr-Digest` (RFC 9530).
fn repr_digest(header: &str) -> Option<Digest> {
    use base64::Engine as _;
    use base64::prelude::BASE64_STANDARD;

    header.split(',').find_map(|part| {
        let (algorithm, value) = part.trim().split_once('=')?;
        let algorithm =
            algorithm.strip_prefix("sha-").filter(|bits| ["256", "512"].contains(bits))?;
        let value = value.strip_prefix(':')?.strip_suffix(':')?;
        let bytes = BASE64_STANDARD.decode(value).ok()?;
        let algorithm = if algorithm == "256" { Algorithm::Sha256 } else { Algorithm::Sha512 };
        Digest::of_bytes(algorithm, &bytes)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_of_a_download_is_read_from_its_header() {
        let empty = Digest::sha256(b"");
        let header = "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:";
        assert_eq!(repr_digest(header), Some(empty.clone()));
        assert_eq!(repr_digest(&format!("md5=:x:, {header}")), Some(empty));
        for other in ["", "sha-256=abc", "sha-256=:!:", "sha-1=:47DEQpj8HBSa:"] {
            assert_eq!(repr_digest(other), None, "{other}");
        }
    }
}
