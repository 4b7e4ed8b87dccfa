//! Stored form of pins.

use jiff::Timestamp;
use registry_core::error::Result;
use registry_core::models::artifact::ArtifactKey;
use registry_core::models::digest::Digest;
use serde::{Deserialize, Serialize};

use crate::pins::digest_origin::DigestOrigin;
use crate::pins::pin::{Pin, Replacement, VersionPins};
use crate::stored::parsed;
use crate::stored::text::Text;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StoredPin<'a> {
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    file: Option<Text<'a>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<Text<'a>>,
    digest: Text<'a>,
    size: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    origin: Option<DigestOrigin>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    since: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    replaced_by: Option<StoredReplacement<'a>>,
    #[serde(default, skip_serializing_if = "is_false")]
    confirmed: bool,
    /// Digest of the present file, in a pin of version 0.1.
    #[serde(default, skip_serializing)]
    now: Option<Text<'a>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredReplacement<'a> {
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    key: Option<Text<'a>>,
    size: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    digest: Option<Text<'a>>,
}

impl<'a> StoredReplacement<'a> {
    fn of(now: &'a Replacement) -> Self {
        Self {
            key: now.key.as_ref().map(|key| key.as_str().into()),
            size: now.size,
            digest: now.digest.as_ref().map(|digest| digest.to_string().into()),
        }
    }
}

impl<'a> StoredPin<'a> {
    pub(crate) fn of_all(pins: &'a VersionPins) -> Vec<Self> {
        pins.0.iter().map(Self::of).collect()
    }

    fn of(pin: &'a Pin) -> Self {
        Self {
            file: pin.file_name.as_deref().map(Into::into),
            key: pin.key.as_ref().map(|key| key.as_str().into()),
            digest: pin.digest.to_string().into(),
            size: pin.size,
            origin: pin.origin,
            since: pin.since,
            replaced_by: pin.replaced_by.as_ref().map(StoredReplacement::of),
            confirmed: pin.confirmed,
            now: None,
        }
    }

    pub(crate) fn read_all(stored: Vec<Self>) -> Result<VersionPins> {
        stored.into_iter().map(Self::read).collect::<Result<_>>().map(VersionPins)
    }

    fn read(self) -> Result<Pin> {
        // Version 0.1 stored no size of a replacement. 0 matches no file, so it is read again.
        let of_0_1 =
            self.now.map(|now| StoredReplacement { key: None, size: 0, digest: Some(now) });
        let replaced_by = self.replaced_by.or(of_0_1).map(|now| -> Result<Replacement> {
            let digest = now.digest.map(|digest| digest_of(&digest)).transpose()?;
            Ok(Replacement { key: now.key.map(ArtifactKey::new), size: now.size, digest })
        });
        Ok(Pin {
            file_name: self.file.map(Into::into),
            key: self.key.map(ArtifactKey::new),
            digest: digest_of(&self.digest)?,
            size: self.size,
            origin: self.origin,
            since: self.since,
            replaced_by: replaced_by.transpose()?,
            confirmed: self.confirmed,
        })
    }
}

fn digest_of(text: &str) -> Result<Digest> {
    parsed("digest", text)
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference over")]
const fn is_false(flag: &bool) -> bool {
    !*flag
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest() -> Digest {
        Digest::sha256(b"a")
    }

    #[test]
    fn pins_of_older_state_have_neither_origin_nor_time() {
        let old = format!(r#"[{{"file":"a.tar.gz","key":"k","digest":"{}","size":7}}]"#, digest());
        let pins = StoredPin::read_all(serde_json::from_str(&old).unwrap()).unwrap();
        assert_eq!((pins.0[0].origin, pins.0[0].since), (None, None));
        assert_eq!(serde_json::to_string(&StoredPin::of_all(&pins)).unwrap(), old);
    }

    #[test]
    fn origin_and_time_are_read_back() {
        let new = format!(
            r#"[{{"file":"a","key":"k","digest":"{}","size":7,"origin":"first_download","since":"2025-06-01T12:00:00Z"}}]"#,
            digest()
        );
        let pins = StoredPin::read_all(serde_json::from_str(&new).unwrap()).unwrap();
        assert_eq!(pins.0[0].origin, Some(DigestOrigin::FirstDownload));
        assert_eq!(serde_json::to_string(&StoredPin::of_all(&pins)).unwrap(), new);
    }
}
