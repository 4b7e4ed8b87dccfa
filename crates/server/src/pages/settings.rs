//! Settings of the pages.

use registry_core::models::backend_id::BackendId;

/// Settings of the pages, and facts about the service that they show.
#[expect(clippy::struct_excessive_bools, reason = "each is a key of the configuration")]
#[derive(Clone, Debug)]
pub struct PageSettings {
    /// True if pages are served.
    pub enabled: bool,
    /// True if READMEs may load pictures from other hosts.
    pub remote_images: bool,
    /// Version of the service.
    pub version: String,
    /// Commit that the service was built from.
    pub commit: Option<String>,
    /// True if the service shows its sample catalog.
    pub demo: bool,
    /// True if clients need a token.
    pub needs_token: bool,
    /// Places where the backends look for extensions.
    pub places: Vec<BackendPlace>,
}

/// Place where a backend looks for extensions.
#[derive(Clone, Debug)]
pub struct BackendPlace {
    /// The backend.
    pub backend: BackendId,
    /// Host with organization or namespace, or directory.
    pub location: String,
}

impl Default for PageSettings {
    fn default() -> Self {
        Self {
            enabled: true,
            remote_images: false,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            commit: None,
            demo: false,
            needs_token: false,
            places: Vec::new(),
        }
    }
}

impl PageSettings {
    /// Returns the place of a backend; empty if it is not known.
    #[must_use]
    pub fn location(&self, backend: BackendId) -> &str {
        let place = self.places.iter().find(|place| place.backend == backend);
        place.map_or("", |place| &place.location)
    }
}
