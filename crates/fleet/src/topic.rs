//! Topics: what the replicas of a fleet share a log about.

use std::fmt;
use std::str::FromStr;

use registry_core::models::backend_id::BackendId;

use crate::config_digest::ConfigDigest;
use crate::key_part::is_key_part;

/// Maximum length, in bytes.
const LENGTH_MAX: usize = 96;

/// One backend with its configuration: 1 to 96 of `A-Z a-z 0-9 . _ -`. Replicas that are configured
/// to ask another server under the same name have another topic, and do not hear each other.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Topic(Box<str>);

/// A text outside the grammar of [`Topic`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to 96 of A-Z a-z 0-9 . _ -")]
pub struct InvalidTopic;

impl Topic {
    /// Returns the topic of a backend with this configuration.
    #[must_use]
    pub fn of(backend: BackendId, fingerprint: &str) -> Self {
        let digest = ConfigDigest::of(fingerprint);
        Self(format!("{}.{}.{}", backend.kind(), backend.name(), digest.as_str()).into())
    }

    /// Returns the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Topic {
    type Err = InvalidTopic;

    fn from_str(text: &str) -> Result<Self, InvalidTopic> {
        if is_key_part(text, LENGTH_MAX) { Ok(Self(text.into())) } else { Err(InvalidTopic) }
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_is_a_backend_with_its_configuration() {
        let one = Topic::of(BackendId::GITEA, "https://git.example.com/a");
        assert_eq!(one, Topic::of(BackendId::GITEA, "https://git.example.com/a"));
        assert_ne!(one, Topic::of(BackendId::GITEA, "https://git.example.com/b"));
        assert_ne!(one, Topic::of(BackendId::OCI, "https://git.example.com/a"));
        assert_eq!(one.as_str().parse(), Ok(one.clone()));
        for wrong in ["", "a b", "a:b", "ä", &"a".repeat(97)] {
            assert_eq!(wrong.parse::<Topic>(), Err(InvalidTopic), "{wrong:?}");
        }
    }
}
