//! Stored form of faults and coverage.

use registry_core::backend::Fault;
use registry_core::error::Result;
use registry_core::models::artifact::ArtifactKey;
use registry_core::models::coverage::Coverage;
use registry_core::models::fault::{ExtensionFault, FaultSubject};
use serde::{Deserialize, Serialize};

use crate::stored::parsed;
use crate::stored::text::Text;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum StoredSubject<'a> {
    Listing,
    Naming,
    Removal,
    Repository,
    #[serde(borrow)]
    Release(Text<'a>),
    Download(Text<'a>, Text<'a>),
}

impl<'a> StoredSubject<'a> {
    /// Returns an empty list if all faults concern a repository.
    pub(crate) fn of_all(faults: &'a [Fault]) -> Vec<Self> {
        // The usual case, which takes no space in the file.
        if faults.iter().all(|fault| fault.subject == FaultSubject::Repository) {
            return Vec::new();
        }
        faults.iter().map(|fault| Self::of(&fault.subject)).collect()
    }

    fn of(subject: &'a FaultSubject) -> Self {
        match subject {
            FaultSubject::Listing => Self::Listing,
            FaultSubject::Naming => Self::Naming,
            FaultSubject::Removal => Self::Removal,
            FaultSubject::Repository => Self::Repository,
            FaultSubject::Release(tag) => Self::Release(tag.as_str().into()),
            FaultSubject::Download(tag, file) => {
                Self::Download(tag.as_str().into(), file.as_str().into())
            }
        }
    }

    pub(crate) fn read(self) -> Result<FaultSubject> {
        Ok(match self {
            Self::Listing => FaultSubject::Listing,
            Self::Naming => FaultSubject::Naming,
            Self::Removal => FaultSubject::Removal,
            Self::Repository => FaultSubject::Repository,
            Self::Release(tag) => FaultSubject::Release(parsed("tag", &tag)?),
            Self::Download(tag, file) => {
                FaultSubject::Download(parsed("tag", &tag)?, ArtifactKey::new(String::from(file)))
            }
        })
    }
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum StoredFault<'a> {
    /// Version 0.1 wrote only the reason.
    Reason(#[serde(borrow)] Text<'a>),
    Whole {
        #[serde(borrow)]
        subject: StoredSubject<'a>,
        reason: Text<'a>,
        unreadable: bool,
    },
}

impl<'a> StoredFault<'a> {
    pub(crate) fn of(fault: &'a ExtensionFault) -> Self {
        Self::Whole {
            subject: StoredSubject::of(&fault.subject),
            reason: fault.reason.as_str().into(),
            unreadable: fault.unreadable,
        }
    }

    pub(crate) fn read(self) -> Result<ExtensionFault> {
        Ok(match self {
            // Without the flag in the file, `unreadable` avoids a 404 that may be wrong.
            Self::Reason(reason) => ExtensionFault {
                unreadable: true,
                ..ExtensionFault::of_repository(String::from(reason))
            },
            Self::Whole { subject, reason, unreadable } => {
                ExtensionFault { subject: subject.read()?, reason: reason.into(), unreadable }
            }
        })
    }
}

#[derive(Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum StoredCoverage<'a> {
    #[default]
    Complete,
    #[serde(borrow)]
    Bounded(Text<'a>),
    Partial(Text<'a>),
    Refused(Text<'a>),
    Nonsense(Text<'a>),
}

impl<'a> StoredCoverage<'a> {
    pub(crate) fn of(coverage: &'a Coverage) -> Self {
        match coverage {
            Coverage::Complete => Self::Complete,
            Coverage::Bounded(reason) => Self::Bounded((&**reason).into()),
            Coverage::Partial(reason) => Self::Partial((&**reason).into()),
            Coverage::Refused(reason) => Self::Refused((&**reason).into()),
            Coverage::Nonsense(reason) => Self::Nonsense((&**reason).into()),
        }
    }

    pub(crate) const fn is_complete(&self) -> bool {
        matches!(self, Self::Complete)
    }
}

impl From<StoredCoverage<'_>> for Coverage {
    fn from(stored: StoredCoverage<'_>) -> Self {
        match stored {
            StoredCoverage::Complete => Self::Complete,
            StoredCoverage::Bounded(reason) => Self::Bounded(reason.into()),
            StoredCoverage::Partial(reason) => Self::Partial(reason.into()),
            StoredCoverage::Refused(reason) => Self::Refused(reason.into()),
            StoredCoverage::Nonsense(reason) => Self::Nonsense(reason.into()),
        }
    }
}
