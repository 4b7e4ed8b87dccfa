//! Payloads of requests: `{"id":7,"notice":"provider/aws"}`.

use bytes::Bytes;
use registry_core::error::Result;
use serde::{Deserialize, Serialize};

use crate::share::requests::{RequestId, RequestSubject};
use crate::stored::text::Text;
use crate::stored::{damaged, from_json, read_id};

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
        StoredRequestSubject::Cycle => RequestSubject::Cycle,
        StoredRequestSubject::Snapshot => RequestSubject::Snapshot,
    };
    Ok((RequestId(id), subject))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_read_as_it_was_written_and_nothing_else_is_read() {
        let id = || "provider/aws".parse().unwrap();
        for subject in [
            RequestSubject::Notice(id()),
            RequestSubject::Lookup(id(), true),
            RequestSubject::Stale(id()),
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
