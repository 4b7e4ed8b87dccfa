//! Payloads of requests: `{"id":7,"notice":"provider/aws"}`.

use bytes::Bytes;
use registry_core::error::Result;
use registry_core::models::artifact::ArtifactKey;
use serde::{Deserialize, Serialize};

use crate::pins::learned_digest::LearnedDigest;
use crate::share::requests::{RequestId, RequestSubject};
use crate::stored::text::Text;
use crate::stored::{damaged, from_json, parsed, read_id};

#[derive(Serialize, Deserialize)]
struct StoredRequest<'a> {
    id: u64,
    #[serde(flatten, borrow)]
    subject: StoredRequestSubject<'a>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StoredRequestSubject<'a> {
    #[serde(borrow)]
    Notice(Text<'a>),
    Lookup(Text<'a>, bool),
    Stale(Text<'a>),
    /// Extension, key of the file and digest.
    Learned(Text<'a>, Text<'a>, Text<'a>),
    Cycle,
    Snapshot,
}

pub(super) fn encode(id: RequestId, subject: &RequestSubject) -> Result<Bytes> {
    let subject = match subject {
        RequestSubject::Notice(id) => StoredRequestSubject::Notice(id.to_string().into()),
        RequestSubject::Lookup(id, budgeted) => {
            StoredRequestSubject::Lookup(id.to_string().into(), *budgeted)
        }
        RequestSubject::Stale(id) => StoredRequestSubject::Stale(id.to_string().into()),
        RequestSubject::Learned(id, LearnedDigest { file, digest }) => {
            let (file, digest) = (file.as_str().into(), digest.to_string().into());
            StoredRequestSubject::Learned(id.to_string().into(), file, digest)
        }
        RequestSubject::Cycle => StoredRequestSubject::Cycle,
        RequestSubject::Snapshot => StoredRequestSubject::Snapshot,
    };
    let json = serde_json::to_vec(&StoredRequest { id: id.0, subject });
    json.map(Bytes::from).map_err(|error| damaged("it cannot be written").because(error))
}

pub(super) fn decode(bytes: &[u8]) -> Result<(RequestId, RequestSubject)> {
    let text = str::from_utf8(bytes).map_err(|error| damaged("it is no text").because(error))?;
    let StoredRequest { id, subject } = from_json(text)?;
    let subject = match subject {
        StoredRequestSubject::Notice(id) => RequestSubject::Notice(read_id(&id)?),
        StoredRequestSubject::Lookup(id, budgeted) => {
            RequestSubject::Lookup(read_id(&id)?, budgeted)
        }
        StoredRequestSubject::Stale(id) => RequestSubject::Stale(read_id(&id)?),
        StoredRequestSubject::Learned(id, file, digest) => {
            let (file, digest) = (ArtifactKey::new(file), parsed("digest", &digest)?);
            RequestSubject::Learned(read_id(&id)?, LearnedDigest { file, digest })
        }
        StoredRequestSubject::Cycle => RequestSubject::Cycle,
        StoredRequestSubject::Snapshot => RequestSubject::Snapshot,
    };
    Ok((RequestId(id), subject))
}

#[cfg(test)]
mod tests {
    use registry_core::models::digest::Digest;

    use super::*;

    #[test]
    fn a_request_is_read_as_it_was_written_and_nothing_else_is_read() {
        let id = || "provider/aws".parse().unwrap();
        let digest = Digest::sha256(b"a");
        let learned = LearnedDigest { file: ArtifactKey::new("3 \" é"), digest };
        for subject in [
            RequestSubject::Notice(id()),
            RequestSubject::Lookup(id(), true),
            RequestSubject::Stale(id()),
            RequestSubject::Learned(id(), learned),
            RequestSubject::Cycle,
            RequestSubject::Snapshot,
        ] {
            let bytes = encode(RequestId(u64::MAX), &subject).unwrap();
            assert_eq!(decode(&bytes).unwrap(), (RequestId(u64::MAX), subject));
        }
        for wrong in ["", "{}", r#"{"id":1}"#, r#"{"id":1,"notice":"a b"}"#, r#"{"id":1,"x":2}"#] {
            decode(wrong.as_bytes()).unwrap_err();
        }
    }
}
