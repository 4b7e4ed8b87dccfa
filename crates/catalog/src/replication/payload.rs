//! Payloads of the log and of snapshots: JSON of the state on disk, compressed.

use std::borrow::Cow;
use std::io::{self, Read as _};
use std::time::Duration;

use bytes::Bytes;
use registry_core::error::{ErrorKind, Result};
use registry_core::models::artifact::ArtifactKey;
use serde::{Deserialize, Serialize};

use crate::health::status::SharedFailure;
use crate::index::delta::Delta;
use crate::pins::learned_digest::LearnedDigest;
use crate::share::requests::{RequestAnswer, RequestId};
use crate::state::BackendState;
use crate::state::stored_backend::StoredBackend;
use crate::stored::text::Text;
use crate::stored::{damaged, from_json, parsed};

/// First byte of a payload. A release reads its own form and that of the release before.
const FORM: u8 = 1;
const LEVEL: i32 = 1;
/// Maximum length of a payload in memory, in bytes.
const LENGTH_MAX: u64 = 128 * 1024 * 1024;
/// Longest pause that is taken over from another replica. One that lasts longer is told again.
const HOLD_MAX: Duration = Duration::from_mins(5);
/// Word of any other failure.
const UNAVAILABLE: &str = "unavailable";

/// Content of an entry, or of a segment of a snapshot.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Payload {
    /// Changes, in order.
    pub(super) deltas: Vec<Delta>,
    /// Digests of files of the extensions in `deltas`.
    pub(super) learned: Vec<LearnedDigest>,
    /// The state of the backend after the changes; `None` if it is as before.
    pub(super) state: Option<SharedState>,
    /// Requests that the changes answer.
    pub(super) answered: Vec<(RequestId, RequestAnswer)>,
}

/// What a writer reports about a backend, beside its extensions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct SharedState {
    /// `None` before the first listing.
    pub(super) backend: Option<BackendState>,
    /// `None` while the backend answers.
    pub(super) failure: Option<SharedFailure>,
    /// Rest of the pause that the backend demanded, at most [`HOLD_MAX`]; zero without one.
    pub(super) hold: Duration,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredPayload<'a> {
    #[serde(default, skip_serializing_if = "<[_]>::is_empty")]
    deltas: Cow<'a, [Delta]>,
    /// Keys of files, and their digests.
    #[serde(borrow, default, skip_serializing_if = "Vec::is_empty")]
    learned: Vec<(Text<'a>, Text<'a>)>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    state: Option<StoredState<'a>>,
    /// Requests, and whether the budget of lookups was used up.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    answered: Vec<(u64, bool)>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredState<'a> {
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    backend: Option<Box<StoredBackend<'a>>>,
    /// Kind, message and report.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    failure: Option<(Text<'a>, Text<'a>, Text<'a>)>,
    /// Whole seconds.
    #[serde(default, skip_serializing_if = "is_zero")]
    hold: u64,
}

impl Payload {
    /// Returns the payload as stored in the engine.
    pub(super) fn encode(&self) -> Result<Bytes> {
        let state = self.state.as_ref().map(|state| StoredState {
            backend: state.backend.as_ref().map(|backend| Box::new(StoredBackend::of(backend))),
            failure: state.failure.as_ref().map(|failure| {
                let SharedFailure { kind, message, report } = failure;
                (word_of(*kind).into(), message.as_str().into(), report.as_str().into())
            }),
            // Rounded up: a pause that is too short would be none.
            hold: state.hold.as_secs() + u64::from(state.hold.subsec_nanos() > 0),
        });
        let stored = StoredPayload {
            deltas: Cow::Borrowed(&self.deltas),
            learned: self.learned.iter().map(stored_digest).collect(),
            state,
            answered: self.answered.iter().map(stored_answer).collect(),
        };
        let broken = |error: &dyn std::error::Error| damaged(format!("cannot be written: {error}"));
        let json = serde_json::to_vec(&stored).map_err(|error| broken(&error))?;
        let mut bytes = vec![FORM];
        bytes.extend(zstd::bulk::compress(&json, LEVEL).map_err(|error| broken(&error))?);
        Ok(bytes.into())
    }

    /// Parses a payload. Every value has to be valid in the domain.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self> {
        let (form, packed) = bytes.split_first().ok_or_else(|| damaged("it is empty"))?;
        if *form != FORM {
            return Err(damaged(format!("its form is {form}, and this release reads {FORM}")));
        }
        let json =
            unpacked(packed).map_err(|error| damaged("it cannot be unpacked").because(error))?;
        let text =
            str::from_utf8(&json).map_err(|error| damaged("it is no text").because(error))?;
        let stored: StoredPayload<'_> = from_json(text)?;
        Ok(Self {
            deltas: stored.deltas.into_owned(),
            learned: stored.learned.into_iter().map(read_digest).collect::<Result<_>>()?,
            state: stored.state.map(read_state).transpose()?,
            answered: stored.answered.into_iter().map(read_answer).collect(),
        })
    }
}

fn unpacked(packed: &[u8]) -> io::Result<Vec<u8>> {
    let mut json = Vec::new();
    zstd::Decoder::new(packed)?.take(LENGTH_MAX + 1).read_to_end(&mut json)?;
    if json.len() as u64 > LENGTH_MAX {
        return Err(io::Error::other(format!("it has more than {LENGTH_MAX} bytes")));
    }
    Ok(json)
}

fn read_state(stored: StoredState<'_>) -> Result<SharedState> {
    let failure = stored.failure.map(|(word, message, report)| SharedFailure {
        kind: kind_of(&word),
        message: message.into(),
        report: report.into(),
    });
    let backend = stored.backend.map(|backend| backend.read()).transpose()?;
    let hold = Duration::from_secs(stored.hold).min(HOLD_MAX);
    Ok(SharedState { backend, failure, hold })
}

fn stored_digest(LearnedDigest { file, digest }: &LearnedDigest) -> (Text<'_>, Text<'_>) {
    (file.as_str().into(), digest.to_string().into())
}

fn read_digest((file, digest): (Text<'_>, Text<'_>)) -> Result<LearnedDigest> {
    Ok(LearnedDigest { file: ArtifactKey::new(file), digest: parsed("digest", &digest)? })
}

fn stored_answer((request, answer): &(RequestId, RequestAnswer)) -> (u64, bool) {
    (request.0, *answer == RequestAnswer::OverBudget)
}

const fn read_answer((request, over_budget): (u64, bool)) -> (RequestId, RequestAnswer) {
    (RequestId(request), if over_budget { RequestAnswer::OverBudget } else { RequestAnswer::Read })
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference over")]
const fn is_zero(seconds: &u64) -> bool {
    *seconds == 0
}

const fn word_of(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::BackendTimeout => "timeout",
        ErrorKind::BackendRefused => "refused",
        ErrorKind::BackendFaulty => "faulty",
        _ => UNAVAILABLE,
    }
}

fn kind_of(word: &str) -> ErrorKind {
    let known = [ErrorKind::BackendTimeout, ErrorKind::BackendRefused, ErrorKind::BackendFaulty];
    let kind = known.into_iter().find(|kind| word_of(*kind) == word);
    kind.unwrap_or(ErrorKind::BackendUnavailable { retry_after: Duration::ZERO })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use registry_core::models::backend_id::BackendId;
    use registry_core::models::extension::Extension;

    use super::*;
    use crate::index::delta::{BackendDelta, OwnerChange};
    use crate::persistent_instant::PersistentInstant;
    use registry_core::models::digest::Digest;

    fn id(name: &str) -> registry_core::models::naming::ExtensionId {
        name.parse().unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_payload_is_read_as_it_was_written_and_nothing_else_is_read() {
        let read = PersistentInstant::ago(Duration::from_secs(90));
        let extension = Arc::new(Extension::new(id("provider/aws"), Vec::new()));
        let of = BackendId::GITEA;
        let payload = Payload {
            deltas: vec![
                Delta::Backend(of, BackendDelta::Put(vec![(extension, read)])),
                Delta::Backend(of, BackendDelta::Removed(id("provider/gcp"))),
                Delta::Owners(vec![OwnerChange::Owned(id("provider/aws"), of)]),
            ],
            learned: vec![LearnedDigest {
                file: ArtifactKey::new("3"),
                digest: Digest::sha256(b"a"),
            }],
            state: Some(SharedState {
                backend: None,
                failure: Some(SharedFailure {
                    kind: ErrorKind::BackendRefused,
                    message: "refused".to_owned(),
                    report: "refused: 401".to_owned(),
                }),
                hold: Duration::from_mins(1),
            }),
            answered: vec![
                (RequestId(u64::MAX), RequestAnswer::Read),
                (RequestId(1), RequestAnswer::OverBudget),
            ],
        };
        let bytes = payload.encode().unwrap();
        assert_eq!(Payload::decode(&bytes).unwrap(), payload);
        let before = br#"{"state":{"failure":["timeout","late","late"]}}"#;
        let before = [&[FORM][..], &zstd::bulk::compress(before, LEVEL).unwrap()].concat();
        let state = Payload::decode(&before).unwrap().state.unwrap();
        assert_eq!(state.hold, Duration::ZERO, "of a release that shares no holds");
        let mut newer = bytes.to_vec();
        newer[0] = FORM + 1;
        for wrong in [&b""[..], b"\x01", b"\x01{}", &newer, &bytes[..bytes.len() - 1]] {
            Payload::decode(wrong).unwrap_err();
        }
    }
}
