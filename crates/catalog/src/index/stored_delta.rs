//! Stored form of deltas: JSON in the vocabulary of the state on disk.

use std::sync::Arc;

use jiff::Timestamp;
use registry_core::error::Result;
use registry_core::models::backend_id::BackendId;
use registry_core::models::extension::Extension;
use registry_core::models::naming::ExtensionId;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use tokio::time::Instant;

use crate::index::capacity::Refusals;
use crate::index::delta::{BackendDelta, Delta, OwnerChange};
use crate::persistent_instant::PersistentInstant;
use crate::stored::extension::StoredExtension;
use crate::stored::text::Text;
use crate::stored::{backend_text, read_backend, read_id};

/// Ages are stored as times before this one: the clocks of two replicas may differ.
pub(crate) const REFERENCE: Timestamp = Timestamp::constant(4_000_000_000, 0);

/// A delta as JSON: `{"removed":["gitea","provider/aws"]}`.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StoredDelta<'a> {
    Listed(#[serde(borrow)] Text<'a>),
    Put(#[serde(borrow)] Text<'a>, Vec<Named<'a>>),
    Read(Text<'a>, Text<'a>, Timestamp),
    Amended(Text<'a>, Box<Named<'a>>),
    /// Without a time: the clocks of two processes cannot be compared, so a doubt begins anew.
    Missing(Text<'a>, Text<'a>),
    Removed(Text<'a>, Text<'a>),
    Refused(Text<'a>, Refusals),
    /// Names with their owners; `null` for a name that its owner lost.
    Owners(Vec<(Text<'a>, Option<Text<'a>>)>),
}

#[derive(Serialize, Deserialize)]
struct Named<'a>(#[serde(borrow)] Text<'a>, #[serde(borrow)] StoredExtension<'a>);

impl<'a> Named<'a> {
    fn of(extension: &'a Extension, read: Timestamp) -> Self {
        Self(extension.id().to_string().into(), StoredExtension::of(extension, read))
    }

    fn read(self, of: BackendId, now: Timestamp) -> Result<(Arc<Extension>, PersistentInstant)> {
        let (extension, read) = self.1.read(of, read_id(&self.0)?)?;
        Ok((extension, PersistentInstant::of_wall_clock(read, now)))
    }
}

impl<'a> StoredDelta<'a> {
    fn of(delta: &'a Delta, now: Timestamp) -> Self {
        match delta {
            Delta::Backend(of, change) => Self::of_backend(backend_text(*of), change, now),
            Delta::Owners(changes) => Self::Owners(changes.iter().map(owner_text).collect()),
        }
    }

    fn of_backend(of: Text<'a>, change: &'a BackendDelta, now: Timestamp) -> Self {
        match change {
            BackendDelta::Listed => Self::Listed(of),
            BackendDelta::Put(extensions) => {
                let named = extensions.iter();
                Self::Put(
                    of,
                    named.map(|(one, at)| Named::of(one, at.to_wall_clock(now))).collect(),
                )
            }
            BackendDelta::Read(id, at) => {
                Self::Read(of, id.to_string().into(), at.to_wall_clock(now))
            }
            BackendDelta::Amended(extension) => {
                Self::Amended(of, Box::new(Named::of(extension, now)))
            }
            BackendDelta::Missing(id, _) => Self::Missing(of, id.to_string().into()),
            BackendDelta::Removed(id) => Self::Removed(of, id.to_string().into()),
            BackendDelta::Refused(refusals) => Self::Refused(of, *refusals),
        }
    }

    fn read(self, now: Timestamp) -> Result<Delta> {
        let (of, change) = match self {
            Self::Owners(names) => {
                let changes = names.into_iter().map(read_owner).collect::<Result<_>>()?;
                return Ok(Delta::Owners(changes));
            }
            Self::Listed(of) => (read_backend(&of)?, BackendDelta::Listed),
            Self::Put(of, extensions) => {
                let of = read_backend(&of)?;
                let extensions = extensions.into_iter().map(|named| named.read(of, now));
                (of, BackendDelta::Put(extensions.collect::<Result<_>>()?))
            }
            Self::Read(of, id, at) => {
                let at = PersistentInstant::of_wall_clock(at, now);
                (read_backend(&of)?, BackendDelta::Read(read_id(&id)?, at))
            }
            Self::Amended(of, named) => {
                let of = read_backend(&of)?;
                (of, BackendDelta::Amended(named.read(of, now)?.0))
            }
            Self::Missing(of, id) => {
                (read_backend(&of)?, BackendDelta::Missing(read_id(&id)?, Instant::now()))
            }
            Self::Removed(of, id) => (read_backend(&of)?, BackendDelta::Removed(read_id(&id)?)),
            Self::Refused(of, refusals) => (read_backend(&of)?, BackendDelta::Refused(refusals)),
        };
        Ok(Delta::Backend(of, change))
    }
}

fn owner_text(change: &OwnerChange) -> (Text<'static>, Option<Text<'static>>) {
    match change {
        OwnerChange::Owned(id, owner) => (id.to_string().into(), Some(backend_text(*owner))),
        OwnerChange::Lost(id) => (id.to_string().into(), None),
    }
}

fn read_owner((id, owner): (Text<'_>, Option<Text<'_>>)) -> Result<OwnerChange> {
    let id: ExtensionId = read_id(&id)?;
    Ok(match owner {
        Some(owner) => OwnerChange::Owned(id, read_backend(&owner)?),
        None => OwnerChange::Lost(id),
    })
}

impl Serialize for Delta {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        StoredDelta::of(self, REFERENCE).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Delta {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let stored = StoredDelta::deserialize(deserializer)?;
        stored.read(REFERENCE).map_err(|error| D::Error::custom(error.report()))
    }
}
