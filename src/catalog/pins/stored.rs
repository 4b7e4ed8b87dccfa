//! JSON form of pins and digests. Loading goes through the parsers of the domain.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::catalog::pins::pin::{Pin, Replacement, VersionPins};
use crate::catalog::pins::{BackendPins, PinsByBackend};
use crate::catalog::snapshot::damage::{damaged, parsed};
use crate::catalog::snapshot::stored::read_id;
use crate::error::{Error, ErrorKind, Result};
use crate::models::artifact::ArtifactKey;
use crate::models::backend_id::BackendId;
use crate::models::naming::ExtensionId;

/// Pins and digests by backend.
type StoredKnown = BTreeMap<String, StoredSeen>;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredSeen {
    /// Digest by the backend's identity of a file.
    digests: BTreeMap<String, String>,
    /// Pins by extension and version.
    versions: BTreeMap<String, BTreeMap<String, StoredVersion>>,
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum StoredVersion {
    /// The pinned files, oldest first.
    Files(Vec<StoredPin>),
    /// State of version 0.1, which pinned one digest for any file.
    Any(StoredFirst),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredPin {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    digest: String,
    size: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    replaced_by: Option<StoredReplacement>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredReplacement {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    size: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    digest: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredFirst {
    digest: String,
    size: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    now: Option<String>,
}

/// Serializes pins and digests.
///
/// # Errors
///
/// `Internal` if serialization fails, which these types do not cause.
pub(super) fn to_json(known: &PinsByBackend) -> Result<Vec<u8>> {
    let stored: StoredKnown =
        known.iter().map(|(backend, seen)| (backend.qualified(), StoredSeen::of(seen))).collect();
    serde_json::to_vec(&stored)
        .map_err(|error| Error::new(ErrorKind::Internal, "It cannot be written").because(error))
}

/// Parses pins and digests. Every value must be valid in the domain.
///
/// # Errors
///
/// Names the first value that is not valid.
pub(super) fn from_json(json: &[u8]) -> Result<PinsByBackend> {
    let stored: StoredKnown = serde_json::from_slice(json)
        .map_err(|error| damaged("its content is of another shape").because(error))?;
    let read = |(source, seen): (String, StoredSeen)| {
        let source: BackendId = parsed("source", &source)?;
        Ok((source, seen.read()?))
    };
    stored.into_iter().map(read).collect()
}

impl StoredSeen {
    fn of(seen: &BackendPins) -> Self {
        let digests = seen.digests.iter();
        let versions = seen.versions.iter();
        Self {
            digests: digests.map(|(key, digest)| (key.to_string(), digest.to_string())).collect(),
            versions: versions
                .map(|(id, versions)| {
                    let stored = |(version, pins): (&String, &VersionPins)| {
                        (version.clone(), StoredVersion::of(pins))
                    };
                    (id.to_string(), versions.iter().map(stored).collect())
                })
                .collect(),
        }
    }

    fn read(self) -> Result<BackendPins> {
        let digest = |(key, digest): (String, String)| {
            Ok((ArtifactKey::new(key), parsed("digest", &digest)?))
        };
        let versions = |(id, versions): (String, BTreeMap<String, StoredVersion>)| {
            // The file may have been edited or damaged, so an id is not trusted to be valid.
            let id: ExtensionId = read_id(&id)?;
            let pins = |(version, pins): (String, StoredVersion)| Ok((version, pins.read()?));
            Ok((id, versions.into_iter().map(pins).collect::<Result<_>>()?))
        };
        Ok(BackendPins {
            digests: self.digests.into_iter().map(digest).collect::<Result<_>>()?,
            versions: self.versions.into_iter().map(versions).collect::<Result<_>>()?,
            digests_looked: None,
            versions_looked: None,
        })
    }
}

impl StoredVersion {
    fn of(pins: &VersionPins) -> Self {
        Self::Files(pins.0.iter().map(StoredPin::of).collect())
    }

    fn read(self) -> Result<VersionPins> {
        let pins = match self {
            Self::Files(pins) => pins.into_iter().map(StoredPin::read).collect::<Result<_>>()?,
            Self::Any(StoredFirst { digest, size, now }) => {
                let now = now.as_deref().map(|digest| parsed("digest", digest)).transpose()?;
                vec![Pin {
                    file_name: None,
                    key: None,
                    digest: parsed("digest", &digest)?,
                    size,
                    replaced_by: now.map(|digest| Replacement {
                        key: None,
                        // Version 0.1 stored no size. 0 matches no file, so the replacement is read
                        // again.
                        size: 0,
                        digest: Some(digest),
                    }),
                }]
            }
        };
        Ok(VersionPins(pins))
    }
}

impl StoredPin {
    fn of(pin: &Pin) -> Self {
        let replacement = |now: &Replacement| StoredReplacement {
            key: now.key.as_ref().map(ToString::to_string),
            size: now.size,
            digest: now.digest.as_ref().map(ToString::to_string),
        };
        Self {
            file: pin.file_name.as_deref().map(ToOwned::to_owned),
            key: pin.key.as_ref().map(ToString::to_string),
            digest: pin.digest.to_string(),
            size: pin.size,
            replaced_by: pin.replaced_by.as_ref().map(replacement),
        }
    }

    fn read(self) -> Result<Pin> {
        let replacement = |now: StoredReplacement| -> Result<Replacement> {
            let digest =
                now.digest.as_deref().map(|digest| parsed("digest", digest)).transpose()?;
            Ok(Replacement { key: now.key.map(ArtifactKey::new), size: now.size, digest })
        };
        Ok(Pin {
            file_name: self.file.map(Into::into),
            key: self.key.map(ArtifactKey::new),
            digest: parsed("digest", &self.digest)?,
            size: self.size,
            replaced_by: self.replaced_by.map(replacement).transpose()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::digest::Digest;

    #[test]
    fn what_was_seen_comes_back_and_nonsense_does_not() {
        let id = ExtensionId::from_oci_repository("aws-provider").unwrap();
        let (a, b) = (Digest::sha256(b"a"), Digest::sha256(b"b"));
        let pin = Pin {
            file_name: Some("a.tar.gz".into()),
            key: Some(ArtifactKey::new("uuid")),
            digest: a.clone(),
            size: 7,
            replaced_by: Some(Replacement { key: None, size: 8, digest: Some(b) }),
        };
        let mut known = PinsByBackend::new();
        let seen = known.entry(BackendId::GITEA).or_default();
        seen.digests.insert(ArtifactKey::new("uuid"), a);
        seen.versions.entry(id).or_default().insert("1.0.0+b".to_owned(), VersionPins(vec![pin]));
        let json = to_json(&known).unwrap();
        assert_eq!(from_json(&json).unwrap(), known);
        let text = String::from_utf8(json).unwrap();
        for (good, bad) in [("gitea", "svn"), ("sha256:", "md5:"), ("provider/", "thing/")] {
            assert!(from_json(text.replace(good, bad).as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn pins_of_version_0_1_hold_for_any_file() {
        let digest = Digest::sha256(b"a");
        let json = format!(
            r#"{{"gitea":{{"digests":{{}},"versions":{{"provider/aws":{{"1.0.0":
                {{"digest":"{digest}","size":7}}}}}}}}}}"#
        );
        let known = from_json(json.as_bytes()).unwrap();
        let pins = known[&BackendId::GITEA].versions.values().next().unwrap()["1.0.0"].clone();
        assert_eq!((pins.0[0].digest.clone(), pins.0[0].file_name.clone()), (digest, None));
    }
}
