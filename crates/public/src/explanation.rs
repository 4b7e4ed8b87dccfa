//! Public JSON of an explanation: who answers for a name, and why.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::metadata::PinBody;

/// What every backend has of one extension, and why its owner answers for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Explanation)]
pub struct ExplanationBody {
    /// Type and name.
    #[schema(example = "provider/aws")]
    pub id: String,
    /// Name of the backend that owns the extension, or that owned it if `state` is `orphaned`; null
    /// while the owner is undetermined.
    #[schema(example = "local")]
    pub owner: Option<String>,
    /// Reason in plain words, for people.
    #[schema(example = "first in catalog.order that has it")]
    pub rule: String,
    /// `owned`; `undetermined`: a backend that may own it was not listed completely yet; `orphaned`:
    /// the owner lost it, and it does not pass to another backend.
    #[schema(example = "owned")]
    pub state: String,
    /// Every configured backend, in the order of ownership.
    pub backends: Vec<BackendReportBody>,
    /// First downloads of its versions: by backend, then newest version first.
    pub pins: Vec<VersionPinBody>,
    /// For each other backend that has it: the order with that backend first.
    pub other_orders: Vec<OtherOrderBody>,
}

/// What one backend has of the extension.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = BackendReport)]
pub struct BackendReportBody {
    /// Name of the backend.
    #[schema(example = "local")]
    pub backend: String,
    /// `gitea`, `oci` or `local`.
    #[schema(example = "local")]
    pub kind: String,
    /// True if it has a version; null while that is not known.
    pub has: Option<bool>,
    /// Its latest version.
    #[schema(example = "1.2.0")]
    pub latest: Option<String>,
    /// Time at which the backend last confirmed `has`: the last read of the extension, else the last
    /// complete list. RFC 3339, UTC, in whole seconds.
    #[schema(format = DateTime)]
    pub checked_at: Option<String>,
    /// Time of the last request to the backend since the start, whatever it was about. RFC 3339, UTC,
    /// in whole seconds.
    #[schema(format = DateTime)]
    pub last_asked_at: Option<String>,
    /// Latest error while the backend fails.
    pub last_error: Option<String>,
}

/// The file that was downloaded first of one version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = VersionPin)]
pub struct VersionPinBody {
    /// Name of the backend that had it.
    #[schema(example = "local")]
    pub backend: String,
    /// The version, or the tag if another tag stands for the version.
    #[schema(example = "1.2.0")]
    pub version: String,
    /// The pin, whose fields stand beside the others.
    #[serde(flatten)]
    pub pin: PinBody,
}

/// An order of the backends, and the owner in that order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = OtherOrder)]
pub struct OtherOrderBody {
    /// Names of the backends.
    pub order: Vec<String>,
    /// Name of the backend that would own the extension.
    pub owner: String,
}
