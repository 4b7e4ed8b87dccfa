//! Public JSON made from explanations and pins of the catalog.

use jiff::Timestamp;
use registry_catalog::explanation::{BackendReport, Explanation, Standing};
use registry_catalog::persistent_instant::PersistentInstant;
use registry_catalog::pins::digest_origin::DigestOrigin;
use registry_catalog::pins::pinned_file::PinnedFile;
use registry_core::models::backend_id::BackendId;

use registry_public::explanation::{
    BackendReportBody, ExplanationBody, OtherOrderBody, VersionPinBody,
};
use registry_public::metadata::PinBody;

/// Describes an explanation. Its times are those of this moment.
#[must_use]
pub fn explained(explanation: &Explanation) -> ExplanationBody {
    let now = Timestamp::now();
    let (state, owner) = match explanation.standing {
        Standing::Owned(owner) => ("owned", Some(owner)),
        Standing::Undetermined => ("undetermined", None),
        Standing::Orphaned(owner) => ("orphaned", Some(owner)),
    };
    let orders = explanation.other_orders.iter().map(|other| OtherOrderBody {
        order: other.order.iter().map(BackendId::to_string).collect(),
        owner: other.owner.to_string(),
    });
    ExplanationBody {
        id: explanation.id.to_string(),
        owner: owner.map(|owner| owner.to_string()),
        rule: explanation.rule.to_string(),
        state: state.to_owned(),
        backends: explanation.backends.iter().map(|report| reported(report, now)).collect(),
        pins: explanation.pins.iter().map(pinned_version).collect(),
        other_orders: orders.collect(),
    }
}

/// Describes the pin of a version.
#[must_use]
pub fn pinned(file: &PinnedFile) -> PinBody {
    PinBody {
        file: file.file.clone(),
        digest: file.digest.to_string(),
        origin: file.origin.map(DigestOrigin::as_str).map(str::to_owned),
        since: file.since.map(|since| since.to_string()),
    }
}

fn pinned_version(file: &PinnedFile) -> VersionPinBody {
    let (backend, version) = (file.backend.to_string(), file.version.clone());
    VersionPinBody { backend, version, pin: pinned(file) }
}

fn reported(report: &BackendReport, now: Timestamp) -> BackendReportBody {
    let latest = report.extension.as_ref().and_then(|extension| extension.latest());
    let time = |at: Option<PersistentInstant>| at.map(|at| at.to_wall_clock(now).to_string());
    BackendReportBody {
        backend: report.backend.to_string(),
        kind: report.backend.kind().to_string(),
        has: report.has,
        latest: latest.map(|release| release.version.as_str().to_owned()),
        checked_at: time(report.checked),
        last_asked_at: time(report.asked),
        last_error: report.last_error.clone(),
    }
}
