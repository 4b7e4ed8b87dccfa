//! Style sheet, script and icon, addressed by their digest.

use std::sync::LazyLock;

use sha2::{Digest as _, Sha256};

const HASH_BYTES: usize = 8;

/// The style sheet of all pages.
pub static STYLE_SHEET: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new("er.css", "text/css; charset=utf-8", include_bytes!("../assets/er.css"))
});
/// The script of all pages.
pub static SCRIPT: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new("er.js", "text/javascript; charset=utf-8", include_bytes!("../assets/er.js"))
});
/// The icon of all pages.
pub static FAVICON: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new("favicon.svg", "image/svg+xml", include_bytes!("../assets/favicon.svg"))
});

/// A file that pages load. Its address changes with its bytes, so it can be kept for ever.
#[derive(Debug)]
pub struct Asset {
    /// Path below the base path: `/static/{hash}/{name}`.
    pub path: String,
    /// Media type, with the character set of texts.
    pub media_type: &'static str,
    /// Contents.
    pub bytes: &'static [u8],
}

impl Asset {
    fn new(name: &str, media_type: &'static str, bytes: &'static [u8]) -> Self {
        let digest = Sha256::digest(bytes);
        let hash: String =
            digest.iter().take(HASH_BYTES).map(|byte| format!("{byte:02x}")).collect();
        Self { path: format!("/static/{hash}/{name}"), media_type, bytes }
    }
}

/// Returns all assets.
#[must_use]
pub fn all() -> [&'static Asset; 3] {
    [&STYLE_SHEET, &SCRIPT, &FAVICON]
}

/// Returns the asset at a path below the base path.
#[must_use]
pub fn at(path: &str) -> Option<&'static Asset> {
    all().into_iter().find(|asset| asset.path == path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn assets_are_found_only_under_their_digest() {
        for asset in all() {
            assert_eq!(at(&asset.path).map(|found| found.bytes), Some(asset.bytes));
        }
        assert!(at("/static/0000000000000000/er.css").is_none());
    }

    #[test]
    fn assets_stay_small() {
        assert!(STYLE_SHEET.bytes.len() <= 10_000, "{} bytes", STYLE_SHEET.bytes.len());
        assert!(SCRIPT.bytes.len() <= 10_000, "{} bytes", SCRIPT.bytes.len());
    }
}
