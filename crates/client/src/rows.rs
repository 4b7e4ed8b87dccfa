//! Rows of the tables that commands print.

use registry_core::models::naming::ExtensionId;
use registry_public::explanation::BackendReportBody;
use registry_public::extension::{ExtensionBody, VersionBody};
use registry_public::files::EntryBody;
use serde::Serialize;

use crate::output::{OutputRow, day, size};
use crate::resolve::ResolvedRelease;

impl OutputRow for ExtensionBody {
    const COLUMNS: &'static [&'static str] =
        &["NAME", "VERSION", "SOURCE", "PUBLISHED", "DESCRIPTION"];

    fn cells(&self) -> Vec<String> {
        vec![
            format!("{}/{}", self.r#type, self.name),
            self.version.clone(),
            self.backend.clone(),
            day(self.published_at.as_deref()),
            self.description.clone().unwrap_or_default(),
        ]
    }

    fn name(&self) -> String {
        format!("{}/{}@{}", self.r#type, self.name, self.version)
    }
}

/// One version in a list of versions.
#[derive(Serialize)]
pub(crate) struct VersionLine {
    #[serde(skip)]
    pub(crate) id: ExtensionId,
    #[serde(flatten)]
    pub(crate) version: VersionBody,
}

impl OutputRow for VersionLine {
    const COLUMNS: &'static [&'static str] = &["VERSION", "SOURCE", "PUBLISHED", "SIZE", "DIGEST"];

    fn cells(&self) -> Vec<String> {
        let VersionBody { version, backend, published_at, size, digest, .. } = &self.version;
        vec![
            version.clone(),
            backend.clone(),
            day(published_at.as_deref()),
            optional_size(*size),
            digest.clone().unwrap_or_else(|| "-".to_owned()),
        ]
    }

    fn name(&self) -> String {
        format!("{}@{}", self.id, self.version.version)
    }
}

/// A release that a reference means.
#[derive(Serialize)]
pub(crate) struct ReleaseLine {
    id: String,
    version: String,
    source: String,
    digest: Option<String>,
    size: Option<u64>,
    tag: String,
    backend: String,
}

impl From<&ResolvedRelease> for ReleaseLine {
    fn from(release: &ResolvedRelease) -> Self {
        let VersionBody { version, source, digest, size, tag, backend, .. } =
            release.version.clone();
        Self { id: release.id.to_string(), version, source, digest, size, tag, backend }
    }
}

impl OutputRow for ReleaseLine {
    const COLUMNS: &'static [&'static str] = &["NAME", "VERSION", "SOURCE", "SIZE", "DIGEST"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.id.clone(),
            self.version.clone(),
            self.backend.clone(),
            optional_size(self.size),
            self.digest.clone().unwrap_or_else(|| "-".to_owned()),
        ]
    }

    fn name(&self) -> String {
        format!("{}@{}", self.id, self.version)
    }
}

impl OutputRow for EntryBody {
    const COLUMNS: &'static [&'static str] = &["PATH", "KIND", "SIZE", "MODE", "MARKS"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.path.clone(),
            self.kind.clone(),
            size(self.size),
            self.mode.clone().unwrap_or_else(|| "-".to_owned()),
            self.marks.join(", "),
        ]
    }

    fn name(&self) -> String {
        self.path.clone()
    }
}

impl OutputRow for BackendReportBody {
    const COLUMNS: &'static [&'static str] =
        &["BACKEND", "KIND", "HAS", "LATEST", "CHECKED", "ERROR"];

    fn cells(&self) -> Vec<String> {
        let has = match self.has {
            Some(true) => "yes",
            Some(false) => "no",
            None => "unknown",
        };
        let or_dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
        vec![
            self.backend.clone(),
            self.kind.clone(),
            has.to_owned(),
            or_dash(&self.latest),
            or_dash(&self.checked_at),
            self.last_error.clone().unwrap_or_default(),
        ]
    }

    fn name(&self) -> String {
        self.backend.clone()
    }
}

fn optional_size(bytes: Option<u64>) -> String {
    bytes.map_or_else(|| "-".to_owned(), size)
}
