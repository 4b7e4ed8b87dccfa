//! Stored form of a backend's state.

use jiff::Timestamp;
use registry_core::backend::Fault;
use registry_core::backend::changes::ChangeCursor;
use registry_core::error::Result;
use registry_core::models::coverage::Coverage;
use registry_core::models::fault::FaultSubject;
use registry_core::models::naming::ExtensionId;
use registry_fleet::epoch::LogPosition;
use serde::{Deserialize, Serialize};

use crate::state::{BackendState, Unsettled};
use crate::stored::evidence::{StoredCoverage, StoredSubject};
use crate::stored::text::Text;
use crate::stored::{damaged, read_ids};

/// The state of a backend. Fields that are not written are those of version 2.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StoredBackend<'a> {
    #[serde(borrow, default, skip_serializing)]
    pub(super) source: Option<Text<'a>>,
    fingerprint: Text<'a>,
    current_as_of: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    complete_as_of: Option<Timestamp>,
    last_success: Option<Timestamp>,
    cursor: Option<Text<'a>>,
    swept: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    identity: Option<Text<'a>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    log_position: Option<Text<'a>>,
    #[serde(default, skip_serializing_if = "StoredCoverage::is_complete")]
    listing: StoredCoverage<'a>,
    #[serde(default, skip_serializing)]
    listing_gap: Option<Text<'a>>,
    /// Repository and reason.
    faults: Vec<(Text<'a>, Text<'a>)>,
    /// Subject of each fault; empty if all concern a repository.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    fault_subjects: Vec<StoredSubject<'a>>,
    /// Number of extensions, whose lines follow those of the previous backends.
    #[serde(default, skip_serializing)]
    pub(super) extensions: usize,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    doubted: Vec<Text<'a>>,
    #[serde(rename = "dirty", default, skip_serializing_if = "Vec::is_empty")]
    scheduled: Vec<Text<'a>>,
    /// Names of extensions that did not fit, in files of version 0.2.
    #[serde(default, skip_serializing)]
    refused: Vec<Text<'a>>,
    /// Number of extensions that did not fit.
    #[serde(default, skip_serializing_if = "is_zero")]
    over_capacity: usize,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    incomplete: Vec<Text<'a>>,
}

impl<'a> StoredBackend<'a> {
    pub(crate) fn of(state: &'a BackendState) -> Self {
        let faults = state.faults.iter();
        Self {
            source: None,
            fingerprint: state.fingerprint.as_str().into(),
            current_as_of: state.current_as_of,
            complete_as_of: state.complete_as_of,
            last_success: state.last_success,
            cursor: state.cursor.as_ref().map(|cursor| cursor.as_str().into()),
            swept: state.swept,
            identity: state.identity.as_deref().map(Into::into),
            log_position: state.log_position.map(|position| position.to_string().into()),
            listing: StoredCoverage::of(&state.listing),
            listing_gap: None,
            faults: faults
                .map(|f| (f.repository.as_str().into(), f.reason.as_str().into()))
                .collect(),
            fault_subjects: StoredSubject::of_all(&state.faults),
            extensions: 0,
            doubted: texts(&state.unsettled.doubted),
            scheduled: texts(&state.unsettled.scheduled),
            refused: Vec::new(),
            over_capacity: state.unsettled.refused,
            incomplete: texts(&state.unsettled.incomplete),
        }
    }

    pub(crate) fn read(self) -> Result<BackendState> {
        let mut subjects = self.fault_subjects.into_iter();
        let faults = self.faults.into_iter().map(|(repository, reason)| {
            // Without subjects, every fault is about a repository.
            let subject =
                subjects.next().map_or(Ok(FaultSubject::Repository), StoredSubject::read)?;
            Ok(Fault { repository: repository.into(), subject, reason: reason.into() })
        });
        let log_position = self.log_position.map(|text| text.parse::<LogPosition>()).transpose();
        let log_position = log_position
            .map_err(|error| damaged("the position in the log is damaged").because(error))?;
        Ok(BackendState {
            fingerprint: self.fingerprint.into(),
            current_as_of: self.current_as_of,
            complete_as_of: self.complete_as_of,
            last_success: self.last_success,
            cursor: self.cursor.map(|cursor| ChangeCursor::new(String::from(cursor))),
            swept: self.swept,
            identity: self.identity.map(Into::into),
            log_position,
            // Version 2 did not tell a list that is bounded from one that lacks a part.
            listing: self
                .listing_gap
                .map_or_else(|| self.listing.into(), |gap| Coverage::Partial(gap.into())),
            faults: faults.collect::<Result<_>>()?,
            unsettled: Unsettled {
                doubted: read_ids(&self.doubted)?,
                scheduled: read_ids(&self.scheduled)?,
                refused: self.over_capacity.max(self.refused.len()),
                incomplete: read_ids(&self.incomplete)?,
            },
        })
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference over")]
const fn is_zero(count: &usize) -> bool {
    *count == 0
}

fn texts(ids: &[ExtensionId]) -> Vec<Text<'static>> {
    ids.iter().map(|id| id.to_string().into()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stored::from_json;

    #[test]
    fn the_position_in_the_log_is_kept_and_a_damaged_one_is_refused() {
        let json = |position: &str| {
            format!(
                r#"{{"fingerprint":"f","current_as_of":"2025-06-01T12:00:00Z","last_success":null,
                "cursor":null,"swept":null,"faults":[],"log_position":"{position}"}}"#
            )
        };
        let read = |json: &str| from_json::<StoredBackend<'_>>(json).unwrap().read();
        let state = read(&json("3.00ff.7")).unwrap();
        assert_eq!(state.log_position.map(|at| at.to_string()).as_deref(), Some("3.00ff.7"));
        let written = serde_json::to_string(&StoredBackend::of(&state)).unwrap();
        assert_eq!(read(&written).unwrap(), state);
        read(&json("3.7")).unwrap_err();
    }

    #[test]
    fn names_that_version_0_2_refused_are_counted() {
        let json = r#"{"fingerprint":"f","current_as_of":"2025-06-01T12:00:00Z","last_success":null,
            "cursor":null,"swept":null,"faults":[],"refused":["provider/a","provider/b"]}"#;
        let state = from_json::<StoredBackend<'_>>(json).unwrap().read().unwrap();
        assert_eq!(state.unsettled.refused, 2);
        let written = serde_json::to_string(&StoredBackend::of(&state)).unwrap();
        assert!(written.contains(r#""over_capacity":2"#) && !written.contains("provider"));
    }
}
