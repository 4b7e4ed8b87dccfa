//! What was seen of archives as JSON, and back through the parsers of the domain.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::catalog::first_seen::{First, Known, Seen};
use crate::catalog::snapshot::damage::{damaged, parsed};
use crate::catalog::snapshot::stored::read_id;
use crate::error::{Error, ErrorKind, Result};
use crate::models::artifact::ArtifactKey;
use crate::models::naming::ExtensionId;
use crate::models::source::Source;

/// By backend.
type StoredKnown = BTreeMap<String, StoredSeen>;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredSeen {
    /// Digest by the backend's own identity of a file.
    digests: BTreeMap<String, String>,
    /// By extension and version.
    versions: BTreeMap<String, BTreeMap<String, StoredFirst>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredFirst {
    digest: String,
    size: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    now: Option<String>,
}

/// The JSON.
///
/// # Errors
/// None that ours can bring about.
pub(super) fn to_json(known: &Known) -> Result<Vec<u8>> {
    let stored: StoredKnown =
        known.iter().map(|(source, seen)| (source.to_string(), StoredSeen::of(seen))).collect();
    serde_json::to_vec(&stored)
        .map_err(|error| Error::new(ErrorKind::Internal, "It cannot be written").because(error))
}

/// What a JSON tells, nothing of it believed that the domain does not accept.
///
/// # Errors
/// The first thing that is not acceptable.
pub(super) fn from_json(json: &[u8]) -> Result<Known> {
    let stored: StoredKnown = serde_json::from_slice(json)
        .map_err(|error| damaged("its content is of another shape").because(error))?;
    let read = |(source, seen): (String, StoredSeen)| {
        let source: Source = parsed("source", &source)?;
        Ok((source, seen.read()?))
    };
    stored.into_iter().map(read).collect()
}

impl StoredSeen {
    fn of(seen: &Seen) -> Self {
        let digests = seen.digests.iter();
        let versions = seen.versions.iter();
        Self {
            digests: digests.map(|(key, digest)| (key.to_string(), digest.to_string())).collect(),
            versions: versions
                .map(|(id, firsts)| {
                    let firsts = firsts.iter();
                    let stored = |(version, first): (&String, &First)| {
                        (version.clone(), StoredFirst::of(first))
                    };
                    (id.to_string(), firsts.map(stored).collect())
                })
                .collect(),
        }
    }

    fn read(self) -> Result<Seen> {
        let digest = |(key, digest): (String, String)| {
            Ok((ArtifactKey::new(key), parsed("digest", &digest)?))
        };
        let versions = |(id, firsts): (String, BTreeMap<String, StoredFirst>)| {
            let id: ExtensionId = read_id(&id)?;
            let first = |(version, first): (String, StoredFirst)| Ok((version, first.read()?));
            Ok((id, firsts.into_iter().map(first).collect::<Result<_>>()?))
        };
        Ok(Seen {
            digests: self.digests.into_iter().map(digest).collect::<Result<_>>()?,
            versions: self.versions.into_iter().map(versions).collect::<Result<_>>()?,
            digests_looked: None,
            versions_looked: None,
        })
    }
}

impl StoredFirst {
    fn of(first: &First) -> Self {
        Self {
            digest: first.digest.to_string(),
            size: first.size,
            now: first.now.as_ref().map(ToString::to_string),
        }
    }

    fn read(self) -> Result<First> {
        let now = self.now.as_deref().map(|digest| parsed("digest", digest)).transpose()?;
        Ok(First { digest: parsed("digest", &self.digest)?, size: self.size, now })
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
        let first = First { digest: a.clone(), size: 7, now: Some(b) };
        let mut known = Known::new();
        let seen = known.entry(Source::Gitea).or_default();
        seen.digests.insert(ArtifactKey::new("uuid"), a);
        seen.versions.entry(id).or_default().insert("1.0.0+b".to_owned(), first);
        let json = to_json(&known).unwrap();
        assert_eq!(from_json(&json).unwrap(), known);
        let text = String::from_utf8(json).unwrap();
        for (good, bad) in [("gitea", "svn"), ("sha256:", "md5:"), ("provider/", "thing/")] {
            assert!(from_json(text.replace(good, bad).as_bytes()).is_err(), "{bad}");
        }
    }
}
