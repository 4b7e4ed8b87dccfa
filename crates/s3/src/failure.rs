//! Errors of the bucket: statuses of the server become ours before `object_store` hides them, and are
//! found again in its errors.

use std::error::Error as StdError;
use std::time::Duration;

use hyper::StatusCode;
use registry_core::error::{Error, ErrorKind};
use registry_core::models::truncate::truncate;

/// Time after which another call may succeed.
const RETRY: Duration = Duration::from_secs(5);
/// Maximum length of an error code, in bytes.
const CODE_MAX: usize = 64;

/// Returns the error for a response that `object_store` need not see; `None` for success, and for an
/// object that is not there.
pub(crate) fn of_status(status: StatusCode, body: &[u8]) -> Option<Error> {
    let code = code_of(body);
    let told = match code {
        Some(code) => format!("{} {code}", status.as_u16()),
        None => status.as_u16().to_string(),
    };
    Some(match status.as_u16() {
        200..300 => return None,
        300..=399 => Error::faulty(format!(
            "The bucket answered with a redirect ({told}), which is not followed; correct \
             artifacts.region, artifacts.endpoint or artifacts.path_style"
        )),
        401 | 403 => Error::new(
            ErrorKind::BackendRefused,
            format!(
                "The bucket denies access ({told}); check the credentials, the clock of this machine \
                 and the policy of the bucket"
            ),
        ),
        404 if code == Some("NoSuchBucket") => {
            Error::faulty("The bucket does not exist; create it, or correct artifacts.store")
        }
        404 => return None,
        429 | 500.. => Error::unavailable(format!("The bucket answered with status {told}"), RETRY),
        _ => Error::faulty(format!("The bucket answered with the unexpected status {told}")),
    })
}

/// Returns the error of ours in an error of `object_store`.
pub(crate) fn of_store(error: &object_store::Error) -> Error {
    let mut cause: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(current) = cause {
        if let Some(ours) = current.downcast_ref::<Error>() {
            return ours.clone();
        }
        cause = current.source();
    }
    if matches!(error, object_store::Error::NotFound { .. }) {
        return Error::not_found("The bucket has no such object");
    }
    // Its texts quote whole responses.
    let cause = truncate(error.to_string());
    Error::faulty("The bucket did not answer like an S3 server").because(cause)
}

/// Returns the error code of an S3 response.
fn code_of(body: &[u8]) -> Option<&str> {
    let text = str::from_utf8(body).ok()?;
    let (code, _) = text.split_once("<Code>")?.1.split_once("</Code>")?;
    let plain = code.len() <= CODE_MAX && code.bytes().all(|byte| byte.is_ascii_alphanumeric());
    plain.then_some(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_become_errors_that_say_what_to_do() {
        let body = |code: &str| format!("<?xml?><Error><Code>{code}</Code></Error>");
        for (status, code, kind, says) in [
            (301, "PermanentRedirect", ErrorKind::BackendFaulty, "301 PermanentRedirect"),
            (401, "", ErrorKind::BackendRefused, "401"),
            (403, "RequestTimeTooSkewed", ErrorKind::BackendRefused, "403 RequestTimeTooSkewed"),
            (404, "NoSuchBucket", ErrorKind::BackendFaulty, "does not exist"),
            (400, "<b>", ErrorKind::BackendFaulty, "status 400"),
            (429, "", ErrorKind::BackendUnavailable { retry_after: RETRY }, "429"),
            (507, "XMinioStorageFull", ErrorKind::BackendUnavailable { retry_after: RETRY }, "507"),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            let error = of_status(status, body(code).as_bytes()).unwrap();
            assert_eq!(error.kind(), kind, "{status}");
            assert!(error.message().contains(says), "{error}");
            assert!(!error.message().contains("<b>"), "{error}");
        }
        for (status, code) in [(200, ""), (206, ""), (404, "NoSuchKey"), (404, "")] {
            let status = StatusCode::from_u16(status).unwrap();
            assert!(of_status(status, body(code).as_bytes()).is_none(), "{status}");
        }
        assert!(of_status(StatusCode::FORBIDDEN, b"\xff<Code>").is_some());
    }
}
