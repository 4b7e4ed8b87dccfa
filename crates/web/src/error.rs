//! Errors of the crate.

/// Failure to make a page or a part.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A template failed while it was written; a bug of this crate.
    #[error("page {page:?} cannot be rendered: {source}")]
    Render {
        /// Name of the template.
        page: &'static str,
        /// Failure of the template.
        source: askama::Error,
    },
    /// The path under which the pages lie is not usable.
    #[error(
        "base path {prefix:?} is invalid: {reason}; use a path such as \"/registry\", or \"\" for the root"
    )]
    Prefix {
        /// The path as given.
        prefix: String,
        /// Rule that it breaks.
        reason: &'static str,
    },
    /// The origin of the pages is not usable.
    #[error("origin {origin:?} is invalid: it must read \"https://host\" or \"http://host:port\"")]
    Origin {
        /// The origin as given.
        origin: String,
    },
}

/// Result with the error of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;
