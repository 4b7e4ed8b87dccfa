//! Conversions from the domain to the models of pages.

use std::sync::Arc;

use registry_archives::Entry as ArchiveEntry;
use registry_catalog::index::entry::Entry;
use registry_core::backend::Fault;
use registry_core::models::artifact::Artifact;
use registry_core::models::backend_id::BackendId;
use registry_core::models::digest::Digest;
use registry_core::models::extension::Release;
use registry_core::models::naming::{ExtensionId, ExtensionType};
use registry_core::models::scope::Scope;
use registry_web::digest::DigestView;
use registry_web::extension_ref::ExtensionRef;
use registry_web::extension_type::TypeView;
use registry_web::pages::status::FaultView;
use registry_web::version_name::VersionName;

use crate::archives::bodies::hex;

/// Converts a type.
#[must_use]
pub const fn page_type(extension_type: ExtensionType) -> TypeView {
    match extension_type {
        ExtensionType::Provider => TypeView::Provider,
        ExtensionType::Taskserv => TypeView::Taskserv,
        ExtensionType::Cluster => TypeView::Cluster,
    }
}

/// Refers to an extension at its owner.
#[must_use]
pub fn reference(id: &ExtensionId) -> ExtensionRef {
    ExtensionRef::new(page_type(id.extension_type), id.name.as_str())
}

/// Refers to an extension as a scope shows it: a scope other than all selects the backend.
#[must_use]
pub fn reference_within(entry: &Entry, scope: Scope) -> ExtensionRef {
    let reference = reference(entry.id());
    let selected = match scope {
        Scope::All | Scope::Nothing => None,
        Scope::Backend(backend) => Some(backend),
        Scope::Kind(_) => entry.backends().copied().find(|backend| scope.includes(*backend)),
    };
    match selected {
        Some(backend) => reference.at_backend(backend.as_str()),
        None => reference,
    }
}

/// Returns the names of a release.
#[must_use]
pub fn version_name(release: &Release) -> VersionName {
    let (version, tag) = (release.version.as_str().to_owned(), release.tag.as_str().to_owned());
    VersionName { version, tag }
}

/// Converts a digest; pages show SHA-256 alone.
#[must_use]
pub fn page_digest(digest: &Digest) -> Option<DigestView> {
    digest.to_string().parse().ok()
}

/// Returns the digest of a file of an archive; `None` for other entries.
#[must_use]
pub fn file_digest(entry: &ArchiveEntry) -> Option<DigestView> {
    hex(entry.sha256.as_ref()?).parse().ok()
}

/// Returns the digest of the archive of a release, if known.
#[must_use]
pub fn archive_digest(release: &Release) -> Option<DigestView> {
    page_digest(release.artifact.chosen()?.digest.as_ref()?)
}

/// Returns the length of the archive of a release, if known.
#[must_use]
pub fn archive_size(release: &Release) -> Option<u64> {
    release.artifact.chosen().map(Arc::as_ref).and_then(Artifact::known_size)
}

/// Describes a fault of a backend.
#[must_use]
pub fn page_fault(backend: BackendId, fault: &Fault) -> FaultView {
    FaultView {
        backend: backend.to_string(),
        repository: fault.repository.clone(),
        subject: fault.subject.to_string(),
        reason: fault.reason.clone(),
    }
}

/// Copies an optional text.
#[must_use]
pub fn text(text: Option<&str>) -> Option<String> {
    text.map(str::to_owned)
}
